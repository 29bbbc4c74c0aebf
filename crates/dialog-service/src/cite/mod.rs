//! Citations: from markers in a model's text to spans of the answer and of the sources.

mod quote;
mod scan;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::{DialogEvent, Passage};
use quote::{Quote, Quotes, last_sentence_start};
use scan::{Piece, Scanner};

/// A piece of the answer, and the piece of a source that bears it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Citation {
    /// Number of the passage in [`DialogEvent::Retrieved`], from 0.
    pub passage: usize,
    /// Characters (Unicode scalar values) of the answer that it supports.
    #[cfg_attr(feature = "openapi", schema(value_type = rag_core::openapi::Span))]
    pub answer: Range<usize>,
    /// The words of the source.
    pub quote: String,
    /// Byte range of the quote in the parsed document's text; of all that it is about, where a model wrote it (a summary, an
    /// entity).
    #[cfg_attr(feature = "openapi", schema(value_type = rag_core::openapi::Span))]
    pub source: Range<usize>,
    /// Page of the quote, for documents with pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// How much of the claim's wording the quote bears out: 0 to 1. An exact quote has 1; a fair paraphrase may have
    /// little, and an answer in another language than its source has 0.
    pub support: f32,
}

/// A sentence needs this much support to be cited without a marker of the model.
const MATCHED_SUPPORT: f32 = 0.5;

/// The same where meaning counts as well, for a sentence whose words alone do not reach that: measured on sentences of which
/// most words were left out (docs/evidence/answers.md).
const MATCHED_BOTH: f32 = 0.65;

/// The least words of a sentence that is matched without a marker.
const MATCHED_WORDS: usize = 4;

/// What is to be matched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unmatched {
    /// Sentences of the answer.
    pub(crate) claims: Vec<String>,
    /// Sentences of all passages, in order.
    pub(crate) sentences: Vec<String>,
}

/// The sentences of an answer that can be matched, each with the character that it begins at.
fn claims(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let mut claims = Vec::new();
    for sentence in text.split_sentence_bounds() {
        let trimmed = sentence.trim();
        if trimmed.unicode_words().count() >= MATCHED_WORDS {
            claims.push((at + sentence.chars().take_while(|c| c.is_whitespace()).count(), trimmed));
        }
        at += sentence.chars().count();
    }
    claims
}

/// Turns text deltas with markers into text deltas without, and [`Citation`]s.
///
/// - Markers of passages that do not exist are dropped and counted.
/// - When the model set no marker at all, sentences are matched to passages by their wording at the end.
/// - Deltas concatenate to [`text`](Self::text) exactly, and any split of the input gives the same citations.
#[derive(Debug)]
pub struct Citer {
    passages: Arc<[Passage]>,
    scanner: Option<Scanner>,
    quotes: Option<Quotes>,
    text: String,
    chars: usize,
    cited: BTreeSet<usize>,
    dropped: u32,
    marked: bool,
}

impl Citer {
    /// For an answer from these passages, numbered as in the prompt. Without any, markers are still taken out.
    pub fn new(passages: Arc<[Passage]>) -> Self {
        Self { scanner: Some(Scanner::default()), ..Self::verbatim(passages) }
    }

    /// For an answer that was not asked to cite: text passes as it is.
    pub fn off() -> Self {
        Self::verbatim(Arc::new([]))
    }

    fn verbatim(passages: Arc<[Passage]>) -> Self {
        Self {
            passages,
            scanner: None,
            quotes: None,
            text: String::new(),
            chars: 0,
            cited: BTreeSet::new(),
            dropped: 0,
            marked: false,
        }
    }

    /// Takes a text delta of the model; gives deltas and citations, in order.
    pub fn push(&mut self, delta: &str) -> Vec<DialogEvent> {
        let pieces = match &mut self.scanner {
            Some(scanner) => scanner.push(delta),
            None => vec![Piece::Text(delta.to_owned())],
        };
        self.events(pieces)
    }

    /// Gives what was held back, and the citations of an answer without markers, whose sentences are matched by their
    /// words.
    pub fn finish(&mut self) -> Vec<DialogEvent> {
        let mut events = self.flush();
        events.extend(self.matched(None));
        events
    }

    /// Gives what was held back.
    pub(crate) fn flush(&mut self) -> Vec<DialogEvent> {
        let pieces = self.scanner.as_mut().map(Scanner::finish).unwrap_or_default();
        self.events(pieces)
    }

    /// What there is to match, after [`flush`](Self::flush): the sentences of an answer without markers, and those of the
    /// passages. `None` where words match all of them.
    pub(crate) fn unmatched(&mut self) -> Option<Unmatched> {
        if self.marked || self.passages.is_empty() {
            return None;
        }
        let claims: Vec<String> =
            claims(&self.text).into_iter().map(|(_, claim)| claim.to_owned()).collect();
        if claims.iter().all(|claim| self.by_words(claim).is_some()) {
            return None;
        }
        let sentences = self.passage_sentences();
        (!sentences.is_empty()).then_some(Unmatched { claims, sentences })
    }

    fn by_words(&mut self, claim: &str) -> Option<(usize, Quote)> {
        let best = self.quotes().best(claim, None);
        best.filter(|(_, quote)| quote.support >= MATCHED_SUPPORT)
    }

    /// The citations of an answer without markers. `cosines` tells how near each sentence of the answer is to each of the
    /// passages, as [`unmatched`](Self::unmatched) gave them; without it words alone decide.
    pub(crate) fn matched(&mut self, cosines: Option<&[Vec<f32>]>) -> Vec<DialogEvent> {
        if self.marked || self.passages.is_empty() {
            return Vec::new();
        }
        let text = std::mem::take(&mut self.text);
        let mut citations = Vec::new();
        for (number, (at, claim)) in claims(&text).into_iter().enumerate() {
            let near = cosines.and_then(|cosines| cosines.get(number)).map(Vec::as_slice);
            let found = self.by_words(claim).or_else(|| {
                let by_both = self.quotes().best(claim, Some(near?))?;
                (by_both.1.support >= MATCHED_BOTH).then_some(by_both)
            });
            if let Some((passage, quote)) = found {
                citations.extend(self.citation(passage, at..at + claim.chars().count(), quote));
            }
        }
        self.text = text;
        citations.into_iter().map(DialogEvent::Citation).collect()
    }

    fn passage_sentences(&mut self) -> Vec<String> {
        let passages = self.passages.clone();
        let spans = self.quotes().spans();
        let text = |(passage, span): (usize, Range<usize>)| {
            let chunk = &passages.get(passage)?.chunk;
            Some(chunk.text.get(span)?.to_owned())
        };
        spans.into_iter().filter_map(text).collect()
    }

    /// The answer so far, without markers.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Numbers of the passages that were cited.
    pub fn cited(&self) -> &BTreeSet<usize> {
        &self.cited
    }

    /// Markers that named no passage.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    fn events(&mut self, pieces: Vec<Piece>) -> Vec<DialogEvent> {
        let mut events = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    self.text.push_str(&text);
                    self.chars += text.chars().count();
                    events.push(DialogEvent::Delta { text });
                }
                Piece::Marker(ids) => {
                    self.marked = true;
                    let citations = ids.into_iter().filter_map(|id| self.cite_last_sentence(id));
                    events.extend(citations.map(DialogEvent::Citation));
                }
            }
        }
        events
    }

    fn cite_last_sentence(&mut self, passage: usize) -> Option<Citation> {
        if passage >= self.passages.len() {
            self.dropped += 1;
            return None;
        }
        let start = last_sentence_start(&self.text);
        let end = self.text.trim_end().len().max(start);
        let claim = self.text[start..end].to_owned();
        let quote = self.quotes().find(passage, &claim)?;
        let end_char = self.chars - self.text[end..].chars().count();
        let start_char = end_char - claim.chars().count();
        self.citation(passage, start_char..end_char, quote)
    }

    fn citation(&mut self, index: usize, answer: Range<usize>, quote: Quote) -> Option<Citation> {
        let chunk = &self.passages.get(index)?.chunk;
        self.cited.insert(index);
        let source = match chunk.kind.is_verbatim() {
            true => chunk.span.start + quote.span.start..chunk.span.start + quote.span.end,
            false => chunk.span.clone(),
        };
        Some(Citation {
            passage: index,
            answer,
            quote: chunk.text.get(quote.span.clone()).unwrap_or_default().to_owned(),
            page: chunk.page_at(source.start),
            source,
            support: quote.support,
        })
    }

    fn quotes(&mut self) -> &Quotes {
        let passages = &self.passages;
        self.quotes
            .get_or_insert_with(|| Quotes::new(passages.iter().map(|p| p.chunk.text.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passage::tests::passages;

    fn run(deltas: &[&str]) -> (String, Vec<Citation>, u32) {
        let mut citer = Citer::new(passages(&[
            "Tea comes from China. It needs water at 80 degrees.",
            "Coffee comes from Ethiopia.",
        ]));
        let mut events: Vec<_> = deltas.iter().flat_map(|delta| citer.push(delta)).collect();
        events.extend(citer.finish());
        let mut text = String::new();
        let mut citations = Vec::new();
        for event in events {
            match event {
                DialogEvent::Delta { text: delta } => text.push_str(&delta),
                DialogEvent::Citation(citation) => citations.push(citation),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(text, citer.text());
        (text, citations, citer.dropped())
    }

    #[test]
    fn a_marker_cites_the_sentence_before_it() {
        let (text, citations, dropped) =
            run(&["Ä cup. Use 80", " degrees [I", "D:0]. Coffee is Ethiopian. [ID:1][ID:9]"]);
        assert_eq!(text, "Ä cup. Use 80 degrees. Coffee is Ethiopian.");
        assert_eq!(dropped, 1);
        let shown: Vec<_> = citations
            .iter()
            .map(|c| {
                let span: String = text.chars().skip(c.answer.start).take(c.answer.len()).collect();
                (span, c.passage, c.quote.as_str(), c.source.clone())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("Use 80 degrees".into(), 0, "It needs water at 80 degrees.", 22..51),
                ("Coffee is Ethiopian.".into(), 1, "Coffee comes from Ethiopia.", 0..27),
            ]
        );
    }

    #[test]
    fn what_a_model_wrote_leads_to_what_it_is_about() {
        let mut passages = passages(&["Tea comes from China. It needs water."]).to_vec();
        let chunk = &mut passages[0].chunk;
        (chunk.kind, chunk.span) = (rag_core::ChunkKind::Summary, 400..900);
        let mut citer = Citer::new(passages.into());
        let events: Vec<_> = citer.push("It needs water. [ID:0]").into_iter().collect();
        let source = events.iter().find_map(|event| match event {
            DialogEvent::Citation(citation) => Some(citation.source.clone()),
            _ => None,
        });
        assert_eq!(source, Some(400..900));
    }

    #[test]
    fn without_markers_sentences_are_matched_by_their_wording() {
        let (_, citations, _) = run(&["I think so. Coffee comes from Ethiopia, it is said."]);
        assert_eq!(citations.len(), 1);
        assert_eq!((citations[0].passage, citations[0].answer.start), (1, 12));
    }
}
