//! [`View`]: a document as the pieces that chunks are made of, blocks as they are or cut at delimiters.

use std::ops::Range;

use rag_core::{BlockKind, Delimiter, ParsedDocument, Place, PlacedSpan};

use crate::cut::trimmed;

/// A document's text and its pieces in order. None is empty or has white space around it.
pub(super) struct View<'a> {
    pub(super) text: &'a str,
    pub(super) pieces: Vec<Piece>,
}

/// A block, or a part of one between delimiters.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) kind: BlockKind,
    pub(super) span: Range<usize>,
    place: Place,
    /// Whether it is a chunk of its own, whatever its size.
    pub(super) alone: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(parsed: &'a ParsedDocument, delimiters: &[Delimiter]) -> Self {
        let text = parsed.text.as_str();
        let mut pieces = Vec::with_capacity(parsed.blocks.len());
        for block in &parsed.blocks {
            let is_cut = !matches!(block.kind, BlockKind::Heading { .. } | BlockKind::Table);
            let parts = match is_cut && !delimiters.is_empty() {
                true => between(text, block.span.clone(), delimiters),
                false => vec![(block.span.clone(), false)],
            };
            for (span, alone) in parts {
                let span = trimmed(text, span);
                if !span.is_empty() {
                    let (kind, place) = (block.kind.clone(), block.place.clone());
                    pieces.push(Piece { kind, span, place, alone });
                }
            }
        }
        Self { text, pieces }
    }

    pub(super) fn text_of(&self, piece: &Piece) -> &'a str {
        self.text.get(piece.span.clone()).unwrap_or_default()
    }

    /// Where the bytes `span` of these pieces stood. Pieces that follow each other at one place are one stretch.
    pub(super) fn places(&self, pieces: Range<usize>, span: &Range<usize>) -> Vec<PlacedSpan> {
        let mut places: Vec<PlacedSpan> = Vec::new();
        let pieces = self.pieces.get(pieces).unwrap_or_default();
        let first = pieces.partition_point(|piece| piece.span.end <= span.start);
        let within = pieces.iter().skip(first).take_while(|piece| piece.span.start < span.end);
        for piece in within {
            if piece.place.page.is_none() && piece.place.bounds.is_none() {
                continue;
            }
            let start = piece.span.start.max(span.start);
            let end = piece.span.end.min(span.end);
            match places.last_mut().filter(|last| last.place == piece.place) {
                Some(last) => last.span.end = end,
                None => places.push(PlacedSpan { span: start..end, place: piece.place.clone() }),
            }
        }
        places
    }

    /// The page that a piece stands on.
    pub(super) fn page(&self, piece: &Piece) -> Option<u32> {
        piece.place.page
    }
}

/// The stretches between delimiters, the longest delimiter first where several begin at one byte, and whether each is
/// next to one that always parts.
fn between(text: &str, span: Range<usize>, delimiters: &[Delimiter]) -> Vec<(Range<usize>, bool)> {
    let mut wanted: Vec<&Delimiter> =
        delimiters.iter().filter(|delimiter| !delimiter.text.is_empty()).collect();
    wanted.sort_by_key(|delimiter| std::cmp::Reverse(delimiter.text.len()));
    let always = wanted.iter().any(|delimiter| delimiter.always);
    let mut parts = Vec::new();
    let (mut start, mut at) = (span.start, span.start);
    while let Some(rest) = text.get(at..span.end).filter(|rest| !rest.is_empty()) {
        let found = wanted.iter().find(|delimiter| rest.starts_with(&*delimiter.text));
        match found.filter(|delimiter| delimiter.always || !always) {
            Some(delimiter) => {
                parts.push((start..at, always));
                at += delimiter.text.len();
                start = at;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    parts.push((start..span.end, always));
    parts
}
