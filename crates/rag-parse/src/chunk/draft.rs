//! [`Draft`]: a chunk in the making.

use std::ops::Range;

use rag_core::Tag;

use super::pieces::View;

/// A chunk in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Its bytes of the text.
    pub(super) span: Range<usize>,
    pub(super) tokens: u32,
    pub(super) headings: Vec<String>,
    /// The numbers of the pieces that are in it.
    pub(super) pieces: Range<usize>,
    /// It is one by itself: no neighbour joins it.
    pub(super) alone: bool,
    pub(super) context: Option<String>,
    pub(super) questions: Vec<String>,
    pub(super) tags: Vec<Tag>,
}

/// The whole document, but for white space around it.
pub(super) fn of_everything(view: &View<'_>) -> Option<Draft> {
    let (first, last) = (view.pieces.first()?, view.pieces.last()?);
    let span = first.span.start..last.span.end;
    Some(Draft { span, pieces: 0..view.pieces.len(), ..Draft::default() })
}
