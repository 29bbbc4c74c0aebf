//! An answer on a terminal: text as it comes, numbers where it is borne out, and the sources at the end.

use std::io::{self, Write};
use std::sync::Arc;

use dialog_service::{Citation, DialogEvent, Passage};

/// Writes events for people.
pub(super) struct AnswerText<W> {
    out: W,
    passages: Arc<[Passage]>,
    /// Sources in the order of their first citation; one number per quote.
    sources: Vec<Citation>,
}

impl<W: Write> AnswerText<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, passages: Arc::new([]), sources: Vec::new() }
    }

    /// Writes what an event shows.
    ///
    /// # Errors
    /// The writer's.
    pub(super) fn event(&mut self, event: DialogEvent) -> io::Result<()> {
        match event {
            DialogEvent::Retrieved { passages, .. } => self.passages = passages,
            DialogEvent::Delta { text } => write!(self.out, "{text}")?,
            DialogEvent::Citation(citation) => {
                let number = self.number(citation);
                write!(self.out, " [{number}]")?;
            }
            DialogEvent::Done(_) => self.list()?,
            _ => return Ok(()),
        }
        self.out.flush()
    }

    fn number(&mut self, citation: Citation) -> usize {
        let same =
            |known: &Citation| known.passage == citation.passage && known.source == citation.source;
        let at = self.sources.iter().position(same).unwrap_or_else(|| {
            self.sources.push(citation);
            self.sources.len() - 1
        });
        at + 1
    }

    fn list(&mut self) -> io::Result<()> {
        writeln!(self.out)?;
        if self.sources.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "\nSources")?;
        for (number, source) in self.sources.iter().enumerate() {
            let Some(passage) = self.passages.get(source.passage) else { continue };
            let (place, span) = (passage.location_on(source.page), &source.source);
            writeln!(self.out, "[{}] {place} (bytes {}–{})", number + 1, span.start, span.end)?;
            let quote = source.quote.split_whitespace().collect::<Vec<_>>().join(" ");
            writeln!(self.out, "    “{quote}”")?;
        }
        Ok(())
    }
}
