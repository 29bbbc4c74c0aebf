//! What one must know of a table to read a part of it: its header, and what stands around it.

use std::ops::Range;

use rag_core::BlockKind;

use super::draft::Draft;
use super::pieces::{Piece, View};
use crate::TokenCounter;
use crate::cut::{self, Budget};
use crate::table::{self, TableRows};

/// What stands above the rows of a table: its header, the row of marks below it, and what its text begins with; `None`
/// for what is no table, and where it is more than these tokens.
pub(super) fn header(
    view: &View<'_>,
    piece: &Piece,
    most: u32,
    counter: &dyn TokenCounter,
) -> Option<String> {
    if piece.kind != BlockKind::Table {
        return None;
    }
    let text = view.text_of(piece);
    header_of(text, &table::rows(text)?, most, counter)
}

/// The same of a table that was read.
pub(super) fn header_of(
    text: &str,
    table: &TableRows,
    most: u32,
    counter: &dyn TokenCounter,
) -> Option<String> {
    let header = text.get(..end_of_header(text, table))?.trim();
    Some(header.to_owned()).filter(|header| counter.count(header) <= most)
}

/// Where the rows of a table begin.
pub(super) fn end_of_header(text: &str, table: &TableRows) -> usize {
    table.rows.first().map_or(text.len(), |row| row.span.start)
}

/// The caption of a table or figure, which stands before or after it.
pub(super) fn caption(view: &View<'_>, number: usize) -> Option<String> {
    /// A caption that is longer is text of its own.
    const LONGEST: usize = 400;
    let before = number.checked_sub(1).and_then(|before| view.pieces.get(before));
    let around = before.into_iter().chain(view.pieces.get(number + 1));
    let caption = around.map(|piece| (piece, view.text_of(piece)));
    let mut captions = caption.filter(|(piece, _)| piece.kind == BlockKind::Caption);
    let (_, text) = captions.next()?;
    Some(text.to_owned()).filter(|text| text.len() <= LONGEST)
}

/// Gives chunks of tables up to so many tokens of the text before and after as context.
pub(super) fn add(drafts: &mut [Draft], view: &View<'_>, tokens: u32, counter: &dyn TokenCounter) {
    // Rows of one table follow each other, and have the same surroundings.
    let mut last = None;
    for draft in drafts {
        let pieces = view.pieces.get(draft.pieces.clone()).unwrap_or_default();
        if !matches!(pieces, [piece] if piece.kind == BlockKind::Table) {
            continue;
        }
        let (before, after) = match &last {
            Some((number, around)) if *number == draft.pieces.start => around,
            _ => {
                let around = around(view, draft.pieces.start, tokens, counter);
                &last.insert((draft.pieces.start, around)).1
            }
        };
        let within = draft.context.as_deref().unwrap_or_default();
        let parts = [before, within, after].into_iter().filter(|part| !part.is_empty());
        let context = parts.collect::<Vec<_>>().join("\n");
        draft.context = Some(context).filter(|context| !context.is_empty());
    }
}

/// The end of the piece before, and the beginning of the one after.
fn around(
    view: &View<'_>,
    number: usize,
    tokens: u32,
    counter: &dyn TokenCounter,
) -> (String, String) {
    let before = number.checked_sub(1).and_then(|before| view.pieces.get(before));
    let after = view.pieces.get(number + 1);
    let before = before.map(|piece| end_of(view, piece, tokens, counter));
    let after = after.map(|piece| start_of(view, piece, tokens, counter));
    (before.unwrap_or_default(), after.unwrap_or_default())
}

fn start_of(view: &View<'_>, piece: &Piece, tokens: u32, counter: &dyn TokenCounter) -> String {
    text_of(view, parts(view, piece, tokens, counter).first().cloned())
}

fn end_of(view: &View<'_>, piece: &Piece, tokens: u32, counter: &dyn TokenCounter) -> String {
    text_of(view, parts(view, piece, tokens, counter).last().cloned())
}

fn text_of(view: &View<'_>, span: Option<Range<usize>>) -> String {
    span.and_then(|span| view.text.get(span)).unwrap_or_default().to_owned()
}

/// A piece in parts of so many tokens.
fn parts(
    view: &View<'_>,
    piece: &Piece,
    tokens: u32,
    counter: &dyn TokenCounter,
) -> Vec<Range<usize>> {
    let budget = Budget { first: tokens, pieces: tokens, overlap: 0 };
    cut::cut(view.text, piece.span.clone(), &piece.kind, budget, counter)
}
