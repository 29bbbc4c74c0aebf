//! The boxes of blocks: which of a page's pieces of text went into which block.
//!
//! The extractor writes a page's text in reading order but without positions, and it gives the pieces of text that the
//! page draws with positions but in the order of drawing. A piece's letters stand in the page's text once and mostly
//! in one run, so it is looked for there: first right behind the piece drawn before it, else further on, else from the
//! start, each letter of the text used once. Pieces that are not found whole (a line that was cut into table cells) are
//! looked for word by word, and what is too short to be found by its letters goes to the block around it.

use std::ops::Range;

use memchr::memmem;
use rag_core::BoundingBox;
use unicode_normalization::UnicodeNormalization;

use super::page_boxes::union;

/// A piece of text as the page draws it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Its text.
    pub(super) text: String,
    /// Where it stands.
    pub(super) bounds: BoundingBox,
}

/// Fewer letters (in bytes) are found anywhere, and prove nothing.
const FEW_LETTERS: usize = 6;

/// How often a piece is looked for further on when its letters are in use. Forms repeat short texts hundreds of times.
const MOST_TRIES: usize = 64;

/// Pieces of a page that are placed; pages with more (maps, plots) get boxes from these.
const MOST_PIECES: usize = 20_000;

/// The box of each block of a page, from the blocks' texts in reading order and the page's pieces in the order of
/// drawing; `None` for blocks of which no piece was found.
pub(super) fn block_boxes(blocks: &[&str], pieces: &[Piece]) -> Vec<Option<BoundingBox>> {
    let mut page = PageText::new(blocks);
    let pieces = pieces.get(..MOST_PIECES).unwrap_or(pieces);
    let missed: Vec<&Piece> = pieces.iter().filter(|piece| !page.place_whole(piece)).collect();
    page.behind = 0;
    let missed: Vec<Piece> =
        missed.into_iter().flat_map(words).filter(|word| !page.place_whole(word)).collect();
    for word in &missed {
        page.place_near(word);
    }
    page.boxes
}

/// The letters of a page and what is known of where they stand.
struct PageText {
    /// Letters and digits only, in lower case.
    letters: String,
    /// Where each block ends in `letters`.
    ends: Vec<usize>,
    /// Which bytes of `letters` belong to a piece.
    used: Vec<bool>,
    /// Where the piece placed last ends.
    behind: usize,
    boxes: Vec<Option<BoundingBox>>,
}

impl PageText {
    fn new(blocks: &[&str]) -> Self {
        let mut letters = String::new();
        let mut ends = Vec::with_capacity(blocks.len());
        for block in blocks {
            push_letters(&mut letters, block);
            ends.push(letters.len());
        }
        let used = vec![false; letters.len()];
        Self { letters, ends, used, behind: 0, boxes: vec![None; blocks.len()] }
    }

    /// Gives a piece's box to the block that holds its letters; whether they were found.
    fn place_whole(&mut self, piece: &Piece) -> bool {
        let mut letters = String::new();
        push_letters(&mut letters, &piece.text);
        if letters.is_empty() {
            return true;
        }
        let Some(found) = self.find(&letters) else { return false };
        self.take(found, piece.bounds);
        true
    }

    fn find(&self, letters: &str) -> Option<Range<usize>> {
        let rest = self.letters.get(self.behind..).unwrap_or_default();
        let next = self.behind..self.behind + letters.len();
        if rest.starts_with(letters) && self.is_free(&next) {
            return Some(next);
        }
        if letters.len() < FEW_LETTERS {
            return None;
        }
        self.find_between(letters, self.behind..self.letters.len())
            .or_else(|| self.find_between(letters, 0..self.letters.len()))
    }

    fn find_between(&self, letters: &str, range: Range<usize>) -> Option<Range<usize>> {
        let within = self.letters.get(range.clone())?;
        memmem::find_iter(within.as_bytes(), letters.as_bytes())
            .take(MOST_TRIES)
            .map(|start| range.start + start..range.start + start + letters.len())
            .find(|found| self.is_free(found))
    }

    fn is_free(&self, range: &Range<usize>) -> bool {
        self.used.get(range.clone()).is_some_and(|used| !used.contains(&true))
    }

    fn take(&mut self, found: Range<usize>, bounds: BoundingBox) {
        if let Some(used) = self.used.get_mut(found.clone()) {
            used.fill(true);
        }
        self.behind = found.end;
        // A piece may run over the border of two blocks: both stand there.
        let first = self.ends.partition_point(|end| *end <= found.start);
        let last = self.ends.partition_point(|end| *end < found.end);
        for held in self.boxes.get_mut(first..=last).into_iter().flatten() {
            *held = Some(held.map_or(bounds, |held| union(held, bounds)));
        }
    }

    /// Gives the box of a word that was not found alone to the block that it stands in or beside.
    fn place_near(&mut self, word: &Piece) {
        let mut letters = String::new();
        push_letters(&mut letters, &word.text);
        let height = word.bounds.bottom - word.bounds.top;
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(self.ends.iter().copied());
        let near = spans.zip(&self.boxes).filter_map(|((start, end), bounds)| {
            let distance = distance((*bounds)?, word.bounds);
            (distance < height).then_some((distance, start..end))
        });
        let found = near
            .filter_map(|(distance, span)| Some((distance, self.find_between(&letters, span)?)))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, found)) = found {
            self.take(found, word.bounds);
        }
    }
}

/// How far two boxes are apart, along the axis where they are farther; 0 when they touch.
fn distance(a: BoundingBox, b: BoundingBox) -> f32 {
    let across = (a.left - b.right).max(b.left - a.right);
    let down = (a.top - b.bottom).max(b.top - a.bottom);
    across.max(down).max(0.0)
}

/// The words of a piece; each gets its share of the piece's width, as if all letters were equally wide.
fn words(piece: &Piece) -> Vec<Piece> {
    let total = piece.text.chars().count().max(1) as f32;
    let BoundingBox { left, right, .. } = piece.bounds;
    let at = |letters: usize| left + (right - left) * (letters as f32 / total);
    let mut before = 0;
    piece
        .text
        .split_inclusive(char::is_whitespace)
        .map(|word| {
            let start = before;
            before += word.chars().count();
            let length = word.trim_end().chars().count();
            let bounds = BoundingBox { left: at(start), right: at(start + length), ..piece.bounds };
            Piece { text: word.trim_end().to_owned(), bounds }
        })
        .filter(|word| !word.text.is_empty())
        .collect()
}

/// Marks that the extractor puts into its text, which the page does not draw.
const MARKUP: [&str; 9] =
    ["<br>", "<sup>", "</sup>", "<sub>", "</sub>", "<u>", "</u>", "<s>", "</s>"];

fn push_letters(letters: &mut String, text: &str) {
    let mut rest = text;
    loop {
        let markup = rest.find('<').unwrap_or(rest.len());
        let (before, from) = rest.split_at(markup);
        let normal = before.nfkc().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
        letters.extend(normal);
        if from.is_empty() {
            return;
        }
        let length = MARKUP.iter().find(|mark| from.starts_with(**mark)).map_or(1, |it| it.len());
        rest = from.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines of ten points, each line at its number.
    fn piece(line: u8, text: &str) -> Piece {
        let top = f32::from(line) * 10.0;
        let right = text.len() as f32;
        Piece {
            text: text.to_owned(),
            bounds: BoundingBox { left: 0.0, top, right, bottom: top + 10.0 },
        }
    }

    /// The first and the last line of each block.
    fn check(blocks: &[&str], pieces: &[Piece], expected: &[Option<(u8, u8)>]) {
        let found: Vec<Option<(u8, u8)>> = block_boxes(blocks, pieces)
            .into_iter()
            .map(|it| it.map(|it| ((it.top / 10.0) as u8, (it.bottom / 10.0) as u8 - 1)))
            .collect();
        assert_eq!(found, expected, "{blocks:?}");
    }

    #[test]
    fn lines_make_up_blocks() {
        check(
            &["# Tea", "Boil the water and pour.", "| a | b |\n|---|---|\n| 1 | 2 |"],
            &[
                piece(0, "Tea"),
                piece(1, "Boil the wa-"),
                piece(2, "ter and pour."),
                piece(3, "a b"),
                piece(4, "1 2"),
            ],
            &[Some((0, 0)), Some((1, 2)), Some((3, 4))],
        );
    }

    #[test]
    fn drawing_order_does_not_matter() {
        check(
            &["the left column", "the right column", "a foot", "a foot"],
            &[
                piece(5, "the right column"),
                piece(8, "a foot"),
                piece(9, "a foot"),
                piece(1, "the left column"),
            ],
            &[Some((1, 1)), Some((5, 5)), Some((8, 8)), Some((9, 9))],
        );
    }

    #[test]
    fn cells_of_a_line_are_found_one_by_one() {
        check(
            &["| Leaves | Kettle |\n|---|---|\n| green | steel |\n| black | copper |"],
            &[piece(1, "Kettle Leaves"), piece(2, "steel green"), piece(3, "copper black")],
            &[Some((1, 3))],
        );
    }

    #[test]
    fn what_the_text_lacks_is_left_out() {
        check(
            &["Only this", "and H<sub>2</sub>O ﬁne"],
            &[
                piece(0, "Page 7"),
                piece(1, "Only this"),
                piece(2, "and H2O fine"),
                piece(9, "running foot"),
            ],
            &[Some((1, 1)), Some((2, 2))],
        );
        check(&["no piece"], &[], &[None]);
        check(&[], &[piece(1, "no block")], &[]);
    }

    proptest! {
        #[test]
        fn boxes_are_made_of_pieces(
            blocks in proptest::collection::vec("[ab<é ]{0,12}", 0..6),
            texts in proptest::collection::vec("[abé >-]{0,9}", 0..12),
        ) {
            let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
            let pieces: Vec<Piece> = texts.iter().zip(0..).map(|(text, line)| piece(line, text)).collect();
            let boxes = block_boxes(&blocks, &pieces);
            prop_assert_eq!(boxes.len(), blocks.len());
            for bounds in boxes.into_iter().flatten() {
                prop_assert!(pieces.iter().any(|piece| piece.bounds.top == bounds.top));
                prop_assert!(pieces.iter().any(|piece| piece.bounds.bottom == bounds.bottom));
            }
        }
    }
}
