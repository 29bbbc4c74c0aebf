//! Packing whole pieces, section by section, up to the budget.

use std::ops::Range;

use rag_core::{BlockKind, ChunkMethod, ChunkingOptions};

use super::draft::Draft;
use super::numbering::{self, Section};
use super::path::HeadingPath;
use super::pieces::{Piece, View};
use super::surroundings;
use crate::TokenCounter;
use crate::cut::{self, Budget};

/// What parts sections, and what holds them together, by method.
#[derive(Clone, Copy, Debug)]
struct Rules {
    max: u32,
    overlap: u32,
    /// Numbered articles and chapters are sections, too.
    numbered: bool,
    /// A page is a section.
    by_page: bool,
    /// An abstract is one chunk, whatever its size.
    whole_abstract: bool,
    /// Tiny neighbouring sections share a chunk.
    joins_tiny: bool,
}

impl Rules {
    fn of(options: &ChunkingOptions) -> Self {
        let method = options.method;
        Self {
            max: options.max_tokens.max(1),
            overlap: options.overlap_tokens,
            numbered: matches!(method, ChunkMethod::Laws | ChunkMethod::Book),
            by_page: method == ChunkMethod::Presentation,
            whole_abstract: method == ChunkMethod::Paper,
            joins_tiny: !matches!(
                method,
                ChunkMethod::Laws | ChunkMethod::Manual | ChunkMethod::Presentation
            ),
        }
    }
}

/// The document as chunks of whole pieces.
pub(super) fn drafts(
    view: &View<'_>,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
) -> Vec<Draft> {
    let rules = Rules::of(options);
    let drafts = Packer::new(view, rules, counter).pack();
    if rules.joins_tiny { join_tiny(drafts, view, rules, counter) } else { drafts }
}

struct Packer<'a> {
    view: &'a View<'a>,
    rules: Rules,
    counter: &'a dyn TokenCounter,
    path: HeadingPath,
    page: Option<u32>,
    open: Option<Draft>,
    done: Vec<Draft>,
}

impl<'a> Packer<'a> {
    fn new(view: &'a View<'a>, rules: Rules, counter: &'a dyn TokenCounter) -> Self {
        let (path, done) = (HeadingPath::default(), Vec::new());
        Self { view, rules, counter, path, page: None, open: None, done }
    }

    fn pack(mut self) -> Vec<Draft> {
        for (number, piece) in self.view.pieces.iter().enumerate() {
            self.turn_page(piece);
            let text = self.view.text_of(piece);
            if let BlockKind::Heading { level } = piece.kind {
                self.enter(level, text);
            } else if let Some(section) = self.section(piece) {
                self.enter(section.level, section.label);
            }
            self.add(number, piece);
        }
        self.close();
        self.done
    }

    fn turn_page(&mut self, piece: &Piece) {
        let page = self.view.page(piece);
        if self.rules.by_page && page != self.page {
            self.close();
        }
        self.page = page;
    }

    /// A heading opens a section, unless all that is open are headings above it: they have no other text to stay with.
    fn enter(&mut self, level: u8, heading: &str) {
        if !self.only_headings_open() {
            self.close();
        }
        self.path.enter(level, heading);
        let headings = self.path.headings();
        if let Some(open) = &mut self.open {
            open.headings = headings;
        }
    }

    fn only_headings_open(&self) -> bool {
        let Some(open) = &self.open else { return true };
        let pieces = self.view.pieces.get(open.pieces.clone()).unwrap_or_default();
        !open.alone && pieces.iter().all(|piece| self.is_heading(piece))
    }

    fn is_heading(&self, piece: &Piece) -> bool {
        matches!(piece.kind, BlockKind::Heading { .. })
            || self.section(piece).is_some_and(|section| section.is_title)
    }

    fn section(&self, piece: &Piece) -> Option<Section<'a>> {
        numbering::section(self.view.text_of(piece)).filter(|_| self.rules.numbered)
    }

    fn add(&mut self, number: usize, piece: &Piece) {
        let span = piece.span.clone();
        let tokens = self.count(span.clone());
        if piece.alone {
            self.close();
            self.extend(number, span, tokens);
            return self.close_alone();
        }
        let used = self.open.as_ref().map_or(0, |open| open.tokens);
        let gap = self.open.as_ref().map_or(0, |open| self.count(open.span.end..span.start));
        let together = used.saturating_add(gap).saturating_add(tokens);
        if together <= self.rules.max || self.is_abstract() {
            return self.extend(number, span, gap.saturating_add(tokens));
        }
        // Too much for the open chunk. Headings wait for their text, so that only they are never left alone.
        let room = self.rules.max.saturating_sub(used).saturating_sub(gap);
        let headings_wait =
            self.open.is_some() && self.only_headings_open() && room >= self.rules.max.div_ceil(2);
        if !headings_wait {
            self.close();
        }
        if tokens <= self.rules.max && !headings_wait {
            return self.extend(number, span, tokens);
        }
        self.add_cut(number, piece, if headings_wait { room } else { self.rules.max });
    }

    fn add_cut(&mut self, number: usize, piece: &Piece, first: u32) {
        let budget = Budget { first, pieces: self.rules.max, overlap: self.rules.overlap };
        let (text, span) = (self.view.text, piece.span.clone());
        let parts = cut::cut(text, span, &piece.kind, budget, self.counter);
        let header = surroundings::header(self.view, piece, self.rules.max, self.counter);
        let caption = surroundings::caption(self.view, number);
        let last = parts.len().saturating_sub(1);
        for (part, span) in parts.into_iter().enumerate() {
            let tokens = self.count(span.clone());
            self.extend(number, span, tokens);
            if let Some(open) = &mut self.open {
                open.alone = true;
                let header = header.as_deref().filter(|_| part > 0);
                let above: Vec<&str> = caption.as_deref().into_iter().chain(header).collect();
                open.context = Some(above.join("\n")).filter(|context| !context.is_empty());
            }
            // The rest of a cut block may be followed by the next block, but for rows under a header of their own.
            if part < last || header.is_some() {
                self.close();
            }
        }
    }

    fn extend(&mut self, number: usize, span: Range<usize>, tokens: u32) {
        match &mut self.open {
            Some(open) => {
                open.span.end = span.end;
                open.tokens = open.tokens.saturating_add(tokens);
                open.pieces.end = number + 1;
            }
            None => {
                let (headings, pieces) = (self.path.headings(), number..number + 1);
                self.open = Some(Draft { span, tokens, headings, pieces, ..Draft::default() });
            }
        }
    }

    fn is_abstract(&self) -> bool {
        const NAMES: [&str; 8] =
            ["abstract", "summary", "zusammenfassung", "résumé", "resumen", "摘要", "要旨", "概要"];
        let heading = self.path.last().unwrap_or_default().to_lowercase();
        let name = heading.trim_matches(|c: char| !c.is_alphabetic());
        self.rules.whole_abstract && self.open.is_some() && NAMES.contains(&name)
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
    }

    fn close_alone(&mut self) {
        if let Some(open) = &mut self.open {
            open.alone = true;
        }
        self.close();
    }

    fn count(&self, span: Range<usize>) -> u32 {
        self.counter.count(self.view.text.get(span).unwrap_or_default())
    }
}

/// Sections of less than an eighth of the budget say too little alone: they join their neighbour under one parent.
fn join_tiny(
    drafts: Vec<Draft>,
    view: &View<'_>,
    rules: Rules,
    counter: &dyn TokenCounter,
) -> Vec<Draft> {
    let tiny = rules.max / 8;
    let mut joined: Vec<Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let Some(last) = joined.last_mut() else {
            joined.push(draft);
            continue;
        };
        let common = common_path(&last.headings, &draft.headings);
        let one_is_tiny = last.tokens < tiny || draft.tokens < tiny;
        let related = !common.is_empty() || last.headings.is_empty() && draft.headings.is_empty();
        let gap = view.text.get(last.span.end..draft.span.start).unwrap_or_default();
        let together = last.tokens.saturating_add(draft.tokens).saturating_add(counter.count(gap));
        let whole = !last.alone && !draft.alone;
        if one_is_tiny && related && whole && together <= rules.max {
            last.span.end = draft.span.end;
            last.tokens = together;
            last.pieces.end = draft.pieces.end;
            last.headings = common;
        } else {
            joined.push(draft);
        }
    }
    joined
}

fn common_path(left: &[String], right: &[String]) -> Vec<String> {
    let same = left.iter().zip(right).take_while(|(left, right)| left == right);
    same.map(|(heading, _)| heading.clone()).collect()
}
