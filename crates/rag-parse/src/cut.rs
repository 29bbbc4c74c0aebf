//! Cutting one block that is larger than a chunk may be: at sentence borders, table rows or lines; then between words;
//! at last inside them.

use std::ops::Range;

use rag_core::BlockKind;
use unicode_segmentation::UnicodeSegmentation;

use crate::TokenCounter;

/// A stretch of text that is not cut further, and its tokens.
#[derive(Clone, Debug)]
struct Unit {
    span: Range<usize>,
    tokens: u32,
}

/// Cuts `span` of `text` into pieces of at most `budget` tokens (the first of at most `first_budget`), each repeating
/// up to `overlap` tokens of the one before. Pieces ascend and together cover all but white space.
pub(crate) fn cut(
    text: &str,
    span: Range<usize>,
    kind: &BlockKind,
    budget: Budget,
    counter: &dyn TokenCounter,
) -> Vec<Range<usize>> {
    let budget = Budget { pieces: budget.pieces.max(1), first: budget.first.max(1), ..budget };
    let smallest = budget.pieces.min(budget.first);
    let units = units(text, span, kind, smallest, counter);
    pack(text, &units, budget, counter)
}

/// Tokens that pieces may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// The first piece.
    pub(crate) first: u32,
    /// All others.
    pub(crate) pieces: u32,
    /// What a piece may repeat of the one before.
    pub(crate) overlap: u32,
}

fn pack(
    text: &str,
    units: &[Unit],
    budget: Budget,
    counter: &dyn TokenCounter,
) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < units.len() {
        let limit = if pieces.is_empty() { budget.first } else { budget.pieces };
        let end = fitting(text, units, start, limit, counter);
        pieces.push(join(text, units, start..end));
        if end >= units.len() {
            break;
        }
        let next = units.get(end).map_or(0, |unit| unit.tokens);
        let overlap = budget.overlap.min(budget.pieces.saturating_sub(next)).min(budget.pieces / 2);
        start = end - repeated(units, start..end, overlap);
    }
    pieces
}

/// The end of the longest run of units from `start` that fits the limit; at least one unit.
fn fitting(
    text: &str,
    units: &[Unit],
    start: usize,
    limit: u32,
    counter: &dyn TokenCounter,
) -> usize {
    let mut tokens = 0_u32;
    let mut end = start;
    for unit in units.iter().skip(start) {
        tokens = tokens.saturating_add(unit.tokens);
        if tokens > limit && end > start {
            break;
        }
        end += 1;
    }
    // Counts of neighbours may differ from the count of their union.
    while end > start + 1
        && counter.count(text.get(join(text, units, start..end)).unwrap_or_default()) > limit
    {
        end -= 1;
    }
    end
}

/// How many units at the end of a piece the next one repeats. Never all of them, so that each piece gets on.
fn repeated(units: &[Unit], piece: Range<usize>, overlap: u32) -> usize {
    let mut tokens = 0;
    let within = |unit: &&Unit| {
        tokens += unit.tokens;
        tokens <= overlap
    };
    let most = piece.len().saturating_sub(1);
    units.get(piece).unwrap_or_default().iter().rev().take(most).take_while(within).count()
}

/// From the first unit to the last, without white space around.
fn join(text: &str, units: &[Unit], range: Range<usize>) -> Range<usize> {
    match units.get(range) {
        Some([first, .., last]) => trimmed(text, first.span.start..last.span.end),
        Some([only]) => trimmed(text, only.span.clone()),
        _ => 0..0,
    }
}

pub(crate) fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let piece = text.get(span.clone()).unwrap_or_default();
    let start = span.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

fn units(
    text: &str,
    span: Range<usize>,
    kind: &BlockKind,
    budget: u32,
    counter: &dyn TokenCounter,
) -> Vec<Unit> {
    let piece = text.get(span.clone()).unwrap_or_default();
    let mut units = Vec::new();
    let mut position = span.start;
    let parts: Box<dyn Iterator<Item = &str>> = match kind {
        BlockKind::Table | BlockKind::Code { .. } => Box::new(piece.split_inclusive('\n')),
        _ => Box::new(piece.split_sentence_bounds()),
    };
    for part in parts {
        let part_span = position..position + part.len();
        position = part_span.end;
        add_unit(text, part_span, budget, counter, &mut units);
    }
    units
}

fn add_unit(
    text: &str,
    span: Range<usize>,
    budget: u32,
    counter: &dyn TokenCounter,
    units: &mut Vec<Unit>,
) {
    let part = text.get(span.clone()).unwrap_or_default();
    if part.trim().is_empty() {
        return;
    }
    let tokens = counter.count(part);
    if tokens <= budget {
        return units.push(Unit { span, tokens });
    }
    let mut position = span.start;
    for word in part.split_word_bounds() {
        let word_span = position..position + word.len();
        position = word_span.end;
        match counter.count(word) {
            0 if word.trim().is_empty() => {}
            tokens if tokens <= budget => units.push(Unit { span: word_span, tokens }),
            tokens => halve(text, word_span, tokens, budget, counter, units),
        }
    }
}

/// Cuts a giant word in the middle until its parts fit, or are one character.
fn halve(
    text: &str,
    span: Range<usize>,
    tokens: u32,
    budget: u32,
    counter: &dyn TokenCounter,
    units: &mut Vec<Unit>,
) {
    let mut stack = vec![(span, tokens)];
    while let Some((span, tokens)) = stack.pop() {
        let middle = text.ceil_char_boundary(span.start + span.len() / 2);
        if tokens <= budget || middle <= span.start || middle >= span.end {
            units.push(Unit { span, tokens });
            continue;
        }
        let part = |span: Range<usize>| {
            let tokens = counter.count(text.get(span.clone()).unwrap_or_default());
            (span, tokens)
        };
        stack.push(part(middle..span.end));
        stack.push(part(span.start..middle));
    }
}
