//! What one must know of a table to read a part of it: its header, and what stands around it.

use std::ops::Range;

use rag_core::BlockKind;

use super::draft::Draft;
use super::pieces::{Piece, View};
use crate::TokenCounter;
use crate::cut::{self, Budget};
use crate::table::{self, TableRows};

/// The header row of a table and the row of marks below it; `None` for what is no table.
pub(super) fn header(view: &View<'_>, piece: &Piece) -> Option<String> {
    if piece.kind != BlockKind::Table {
        return None;
    }
    let text = view.text_of(piece);
    header_of(text, &table::rows(text)?)
}

/// The same of a table that was read.
pub(super) fn header_of(text: &str, table: &TableRows) -> Option<String> {
    /// A longer header would be most of each chunk.
    const LONGEST: usize = 2_000;
    let end = table.rows.first().map_or(text.len(), |row| row.span.start);
    let header = text.get(table.header.span.start..end)?.trim_end();
    Some(header.to_owned()).filter(|header| header.len() <= LONGEST)
}

/// Gives chunks of tables up to so many tokens of the text before and after as context.
pub(super) fn add(drafts: &mut [Draft], view: &View<'_>, tokens: u32, counter: &dyn TokenCounter) {
    for draft in drafts {
        let pieces = view.pieces.get(draft.pieces.clone()).unwrap_or_default();
        let [piece] = pieces else { continue };
        if piece.kind != BlockKind::Table {
            continue;
        }
        let before = draft.pieces.start.checked_sub(1).and_then(|number| view.pieces.get(number));
        let after = view.pieces.get(draft.pieces.end);
        let before = before.map(|piece| end_of(view, piece, tokens, counter));
        let after = after.map(|piece| start_of(view, piece, tokens, counter));
        let parts = [before, draft.context.take(), after].into_iter().flatten();
        let context = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        draft.context = Some(context).filter(|context| !context.is_empty());
    }
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
