//! Putting what was read on pictures into the document that they are of.

use rag_core::{Block, ParsedDocument, Picture};

/// The document with the text and the blocks of `readings` before the blocks that the pictures name, in their order.
/// What it had keeps its text and order; what is new has the picture's place.
pub(crate) fn with_pictures_read(
    document: ParsedDocument,
    mut readings: Vec<(Picture, ParsedDocument)>,
) -> ParsedDocument {
    // Stable: pictures before one block stay in their order.
    readings.sort_by_key(|(picture, _)| picture.before_block);
    let mut readings = readings.into_iter().peekable();
    let ParsedDocument { text: old, blocks, .. } = document;
    let mut woven = Woven::default();
    let mut end = 0;
    for (number, block) in blocks.into_iter().enumerate() {
        let border = border(&old, end, block.span.start);
        woven.keep(&old, border);
        while let Some((picture, reading)) =
            readings.next_if(|(picture, _)| picture.before_block <= number)
        {
            woven.insert(&picture, reading);
        }
        end = block.span.end;
        woven.keep_block(block);
    }
    woven.keep(&old, old.len());
    for (picture, reading) in readings {
        woven.insert(&picture, reading);
    }
    ParsedDocument { text: woven.text, blocks: woven.blocks, ..document }
}

/// Where between two blocks the later one's line begins, so that the markup before it stays with it.
fn border(text: &str, from: usize, to: usize) -> usize {
    let gap = text.get(from..to).unwrap_or_default();
    gap.rfind('\n').map_or(from, |newline| from + newline + 1)
}

/// A document's text while it grows.
#[derive(Default)]
struct Woven {
    text: String,
    blocks: Vec<Block>,
    /// How much of the old text is in it.
    kept: usize,
    /// Bytes that were put in between.
    inserted: usize,
}

impl Woven {
    /// Takes over the old text up to `until`.
    fn keep(&mut self, old: &str, until: usize) {
        if let Some(next) = old.get(self.kept..until) {
            self.text.push_str(next);
            self.kept = until;
        }
    }

    fn keep_block(&mut self, block: Block) {
        let span = block.span.start + self.inserted..block.span.end + self.inserted;
        self.blocks.push(Block { span, ..block });
    }

    fn insert(&mut self, picture: &Picture, reading: ParsedDocument) {
        let before = self.text.len();
        let gap = ["", "\n", "\n\n"];
        let newlines = self.text.bytes().rev().take(2).take_while(|byte| *byte == b'\n').count();
        if !self.text.is_empty() {
            self.text.push_str(gap.get(2 - newlines).copied().unwrap_or_default());
        }
        let start = self.text.len();
        self.text.push_str(&reading.text);
        self.text.push_str("\n\n");
        self.inserted += self.text.len() - before;
        let moved = reading.blocks.into_iter().map(|block| Block {
            span: block.span.start + start..block.span.end + start,
            place: picture.place.clone(),
            kind: block.kind,
        });
        self.blocks.extend(moved);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rag_core::{BlockKind, PictureKind, Place};

    use super::*;

    fn document(pieces: &[String], gap: &str) -> ParsedDocument {
        let mut document = ParsedDocument::default();
        for piece in pieces {
            document.text.push_str(gap);
            let start = document.text.len();
            document.text.push_str(piece);
            let span = start..document.text.len();
            let (kind, place) = (BlockKind::Paragraph, Place::default());
            document.blocks.push(Block { kind, span, place });
        }
        document.text.push_str(gap);
        document
    }

    fn picture(before_block: usize) -> Picture {
        Picture {
            kind: PictureKind::Page,
            before_block,
            place: Place { page: Some(7), bounds: None },
            media_type: "image/png".to_owned(),
            bytes: Vec::new(),
        }
    }

    #[test]
    fn a_reading_stands_before_the_line_of_its_block() {
        let mut document =
            ParsedDocument { text: "# One\n\n## Two\n".into(), ..Default::default() };
        for span in [2..5, 10..13] {
            let kind = BlockKind::Heading { level: 1 };
            document.blocks.push(Block { kind, span, place: Place::default() });
        }
        let reading = self::document(&["read".to_owned()], "");
        let woven = with_pictures_read(document, vec![(picture(1), reading)]);
        assert_eq!(woven.text, "# One\n\nread\n\n## Two\n");
        let texts: Vec<&str> = woven.blocks.iter().map(|block| woven.block_text(block)).collect();
        assert_eq!(texts, ["One", "read", "Two"]);
        assert_eq!(woven.blocks[1].place.page, Some(7));
    }

    proptest! {
        #[test]
        fn spans_stay_right(
            old in prop::collection::vec("[a-zäß🦀 ]{1,12}", 0..6),
            gap in "(\n|\n\n|\n\n# |ü )",
            readings in prop::collection::vec((0..8_usize, prop::collection::vec("[a-zé]{1,9}", 0..3)), 0..6),
        ) {
            let before = document(&old, &gap);
            let given: Vec<_> = readings
                .iter()
                .map(|(place, pieces)| (picture(*place), document(pieces, "\n\n")))
                .collect();
            let woven = with_pictures_read(before, given);

            let mut expected = Vec::new();
            for number in 0..=old.len() {
                let here = |at: usize| at.min(old.len()) == number;
                let mut sorted: Vec<_> = readings.iter().filter(|(at, _)| here(*at)).collect();
                sorted.sort_by_key(|(at, _)| *at);
                expected.extend(sorted.into_iter().flat_map(|(_, pieces)| pieces.iter().cloned()));
                expected.extend(old.get(number).cloned());
            }
            let texts: Vec<&str> = woven.blocks.iter().map(|b| woven.block_text(b)).collect();
            prop_assert_eq!(texts, expected);
            let ascending = woven.blocks.windows(2).all(|w| w[0].span.end <= w[1].span.start);
            prop_assert!(ascending);
        }
    }
}
