//! Plain text: paragraphs between blank lines, and underlined headings.

use std::ops::Range;

use rag_core::{Block, BlockKind, ParsedDocument, Place};

use crate::encoding::{self, Decoded};

/// Reads plain text (and what is plain enough: reStructuredText, logs).
pub(crate) fn parse(decoded: Decoded) -> ParsedDocument {
    let blocks = blocks(&decoded.text);
    let title = blocks.first().and_then(|block| match block.kind {
        BlockKind::Heading { .. } => decoded.text.get(block.span.clone()).map(str::to_owned),
        _ => None,
    });
    let warnings = encoding::warning(&decoded).into_iter().collect();
    ParsedDocument { title, text: decoded.text, blocks, warnings, ..ParsedDocument::default() }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut levels = Underlines::default();
    for paragraph in paragraphs(text) {
        let Some(heading) = levels.heading(text, &paragraph) else {
            blocks.push(block(BlockKind::Paragraph, paragraph));
            continue;
        };
        let rest = trimmed(text, heading.end..paragraph.end);
        blocks.push(block(BlockKind::Heading { level: heading.level }, heading.title));
        if !rest.is_empty() {
            blocks.push(block(BlockKind::Paragraph, rest));
        }
    }
    blocks
}

fn block(kind: BlockKind, span: Range<usize>) -> Block {
    Block { kind, span, place: Place::default() }
}

/// Spans between blank lines, without white space around them.
fn paragraphs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut lines = text.split_inclusive('\n');
    let mut position = 0;
    std::iter::from_fn(move || {
        let mut open: Option<Range<usize>> = None;
        for line in lines.by_ref() {
            let start = position;
            position += line.len();
            match (&mut open, line.trim().is_empty()) {
                (Some(_), true) => break,
                (None, true) => {}
                (Some(span), false) => span.end = position,
                (None, false) => open = Some(start..position),
            }
        }
        open.map(|span| trimmed(text, span))
    })
}

fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let piece = text.get(span.clone()).unwrap_or_default();
    let start = span.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

/// Headings are lines with a line of one repeated mark below them (and, sometimes, above). The marks' order of
/// appearance gives the level, as in reStructuredText.
#[derive(Default)]
struct Underlines {
    marks: Vec<(char, bool)>,
}

struct Heading {
    level: u8,
    title: Range<usize>,
    /// Where the underline ends.
    end: usize,
}

/// Longer lines are no headings.
const LONGEST_HEADING: usize = 120;

impl Underlines {
    fn heading(&mut self, text: &str, paragraph: &Range<usize>) -> Option<Heading> {
        let piece = text.get(paragraph.clone())?;
        let mut lines = piece.split_inclusive('\n');
        let mut first = lines.next()?;
        let mut start = paragraph.start;
        let overlined = mark_of(first).is_some();
        if overlined {
            start += first.len();
            first = lines.next()?;
        }
        let underline = lines.next()?;
        let mark = mark_of(underline)?;
        let title = first.trim();
        let plausible = !title.is_empty()
            && title.len() <= LONGEST_HEADING
            && mark_of(title).is_none()
            && title.chars().any(char::is_alphabetic)
            && underline.trim().chars().count() >= title.chars().count();
        if !plausible {
            return None;
        }
        let end = start + first.len() + underline.len();
        let level = self.level(mark, overlined);
        Some(Heading { level, title: trimmed(text, start..start + first.len()), end })
    }

    fn level(&mut self, mark: char, overlined: bool) -> u8 {
        let known = self.marks.iter().position(|seen| *seen == (mark, overlined));
        let index = known.unwrap_or_else(|| {
            self.marks.push((mark, overlined));
            self.marks.len() - 1
        });
        u8::try_from(index + 1).unwrap_or(6).min(6)
    }
}

/// The mark that a line consists of, three times or more.
fn mark_of(line: &str) -> Option<char> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| "=-~^\"'#*+`:.".contains(*c))?;
    (line.len() >= 3 && line.chars().all(|c| c == mark)).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let decoded = encoding::decode(text.as_bytes(), None);
        let parsed = parse(decoded);
        let found: Vec<(String, &str)> = parsed
            .blocks
            .iter()
            .map(|block| {
                let kind = match block.kind {
                    BlockKind::Heading { level } => format!("h{level}"),
                    _ => "p".to_owned(),
                };
                (kind, parsed.block_text(block))
            })
            .collect();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(kind, text)| (kind.as_str(), *text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn blank_lines_part_paragraphs() {
        check(
            "one\ntwo\n\n\n  three  \r\n\r\nfour",
            &[("p", "one\ntwo"), ("p", "three"), ("p", "four")],
        );
        check(" \n\n", &[]);
    }

    #[test]
    fn underlined_lines_are_headings() {
        check(
            "Title\n=====\n\nPart\n----\nText at once.\n\nPart 2\n------\n",
            &[("h1", "Title"), ("h2", "Part"), ("p", "Text at once."), ("h2", "Part 2")],
        );
        check("=====\nTitle\n=====\ntext", &[("h1", "Title"), ("p", "text")]);
        check("a long line of text\n---\n", &[("p", "a long line of text\n---")]);
        check("-----\n\n12 34\n-----", &[("p", "-----"), ("p", "12 34\n-----")]);
    }
}
