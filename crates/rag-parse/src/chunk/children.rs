//! The parts of a chunk that are searched in its place.

use std::ops::Range;

use rag_core::{BlockKind, ChildOptions};

use super::draft::Draft;
use super::pieces::View;
use crate::TokenCounter;
use crate::cut::{self, Budget};

/// The parts of a chunk, in order; together they hold all of it but white space and delimiters.
pub(super) fn parts(
    draft: &Draft,
    view: &View<'_>,
    options: &ChildOptions,
    counter: &dyn TokenCounter,
) -> Vec<Draft> {
    let max = options.max_tokens.max(1);
    let budget = Budget { first: max, pieces: max, overlap: 0 };
    let stretches = between(view.text, draft.span.clone(), &options.delimiters);
    let spans = stretches.into_iter().flat_map(|span| {
        let text = view.text.get(span.clone()).unwrap_or_default();
        match counter.count(text) <= max && !options.delimiters.is_empty() {
            true => vec![span],
            false => cut::cut(view.text, span, &BlockKind::Paragraph, budget, counter),
        }
    });
    spans.filter(|span| !span.is_empty()).map(|span| Draft { span, ..draft.clone() }).collect()
}

/// The stretches between any of the delimiters, without white space around them.
fn between(text: &str, span: Range<usize>, delimiters: &[String]) -> Vec<Range<usize>> {
    let mut stretches = vec![span];
    for delimiter in delimiters.iter().filter(|delimiter| !delimiter.is_empty()) {
        stretches = stretches.into_iter().flat_map(|span| split(text, span, delimiter)).collect();
    }
    let trimmed = stretches.into_iter().map(|span| cut::trimmed(text, span));
    trimmed.filter(|span| !span.is_empty()).collect()
}

fn split(text: &str, span: Range<usize>, delimiter: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = span.start;
    for (at, found) in text.get(span.clone()).unwrap_or_default().match_indices(delimiter) {
        parts.push(start..span.start + at);
        start = span.start + at + found.len();
    }
    parts.push(start..span.end);
    parts
}
