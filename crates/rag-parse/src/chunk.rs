//! Structure first, then tokens: documents to chunks.

use std::ops::Range;
use std::sync::Arc;

use rag_core::{
    Block, BlockKind, Chunk, ChunkId, ChunkingOptions, DatasetId, DocumentChunker, DocumentId,
    ParsedDocument, PlacedSpan,
};

use crate::TokenCounter;
use crate::cut::{self, Budget};

/// Cuts documents along their headings, then packs whole blocks up to the token budget.
///
/// - A chunk holds text of one section. Tiny neighbouring sections under one parent share a chunk; its headings are
///   then those that they have in common.
/// - A block larger than the budget is cut between sentences (tables and code: between lines), and only there chunks
///   overlap.
/// - A heading stays with the text below it.
/// - Chunk ids depend on the document, the chunk's number and its text: the same text gives the same ids.
///
/// Pure and linear in the length of the text (but for the counter).
///
/// ```
/// use rag_core::{ChunkingOptions, DocumentChunker, DocumentParser, ParseRequest};
/// use rag_parse::{FileParser, StructuralChunker};
///
/// let parsed = FileParser::default().parse(&ParseRequest::new("tea.md", b"# Tea\n\nBoil water.\n"))?;
/// let dataset = "docs".parse().unwrap();
/// let document = "tea".parse().unwrap();
/// let chunks =
///     StructuralChunker::default().chunk(&dataset, &document, &parsed, &ChunkingOptions::default());
/// assert_eq!(chunks[0].text, "Tea\n\nBoil water.");
/// assert_eq!(chunks[0].headings, ["Tea"]);
/// # Ok::<(), rag_core::ParseError>(())
/// ```
#[derive(Clone)]
pub struct StructuralChunker {
    counter: Arc<dyn TokenCounter>,
}

/// Measures by estimate, which needs no vocabulary.
impl Default for StructuralChunker {
    fn default() -> Self {
        Self::new(Arc::new(llm_tokens::estimate))
    }
}

impl StructuralChunker {
    /// A chunker that measures with this counter.
    pub fn new(counter: Arc<dyn TokenCounter>) -> Self {
        Self { counter }
    }
}

impl DocumentChunker for StructuralChunker {
    fn chunk(
        &self,
        dataset: &DatasetId,
        document: &DocumentId,
        parsed: &ParsedDocument,
        options: &ChunkingOptions,
    ) -> Vec<Chunk> {
        let drafts = Packer::new(parsed, options, &*self.counter).pack();
        let drafts = merge_tiny(drafts, parsed, options, &*self.counter);
        drafts
            .into_iter()
            .enumerate()
            .map(|(ordinal, draft)| {
                let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
                finish(draft, ordinal, dataset, document, parsed, &*self.counter)
            })
            .collect()
    }
}

/// A chunk in the making.
#[derive(Clone, Debug)]
struct Draft {
    span: Range<usize>,
    tokens: u32,
    headings: Vec<String>,
    /// Indexes of the first and last block in it.
    blocks: Range<usize>,
    /// A piece of a block that was cut: it stays alone on the side where it was cut.
    cut: bool,
}

struct Packer<'a> {
    parsed: &'a ParsedDocument,
    max: u32,
    overlap: u32,
    counter: &'a dyn TokenCounter,
    path: Vec<(u8, String)>,
    open: Option<Draft>,
    done: Vec<Draft>,
}

/// Headings are shown and embedded with every chunk; longer ones are cut.
const LONGEST_HEADING: usize = 200;

impl<'a> Packer<'a> {
    fn new(
        parsed: &'a ParsedDocument,
        options: &ChunkingOptions,
        counter: &'a dyn TokenCounter,
    ) -> Self {
        Self {
            parsed,
            max: options.max_tokens.max(1),
            overlap: options.overlap_tokens,
            counter,
            path: Vec::new(),
            open: None,
            done: Vec::new(),
        }
    }

    fn pack(mut self) -> Vec<Draft> {
        for (index, block) in self.parsed.blocks.iter().enumerate() {
            if self.parsed.block_text(block).trim().is_empty() {
                continue;
            }
            if let BlockKind::Heading { level } = block.kind {
                self.enter(level, block);
            }
            self.add(index, block);
        }
        self.close();
        self.done
    }

    /// A heading opens a section, unless all that is open are headings above it: they have no other text to stay with.
    fn enter(&mut self, level: u8, heading: &Block) {
        if !self.only_headings_open() {
            self.close();
        }
        self.path.retain(|(above, _)| *above < level);
        let text = self.parsed.block_text(heading).split_whitespace().collect::<Vec<_>>().join(" ");
        let end = text.floor_char_boundary(LONGEST_HEADING);
        self.path.push((level, text.get(..end).unwrap_or_default().to_owned()));
        if let Some(open) = &mut self.open {
            open.headings = self.path.iter().map(|(_, text)| text.clone()).collect();
        }
    }

    fn only_headings_open(&self) -> bool {
        let Some(open) = &self.open else { return true };
        let blocks = self.parsed.blocks.get(open.blocks.clone()).unwrap_or_default();
        !open.cut && blocks.iter().all(|block| matches!(block.kind, BlockKind::Heading { .. }))
    }

    fn add(&mut self, index: usize, block: &Block) {
        let span = cut::trimmed(&self.parsed.text, block.span.clone());
        let tokens = self.count(span.clone());
        let used = self.open.as_ref().map_or(0, |open| open.tokens);
        let gap = self.open.as_ref().map_or(0, |open| self.count(open.span.end..span.start));
        if used.saturating_add(gap).saturating_add(tokens) <= self.max {
            return self.extend(index, span, gap.saturating_add(tokens));
        }
        // Too much for the open chunk. Headings wait for their text, so that only they are never left alone.
        let room = self.max.saturating_sub(used).saturating_sub(gap);
        let headings_wait =
            self.open.is_some() && self.only_headings_open() && room >= self.max.div_ceil(2);
        if !headings_wait {
            self.close();
        }
        if tokens <= self.max && !headings_wait {
            return self.extend(index, span, tokens);
        }
        self.add_cut(index, span, block, if headings_wait { room } else { self.max });
    }

    fn add_cut(&mut self, index: usize, span: Range<usize>, block: &Block, first: u32) {
        let budget = Budget { first, pieces: self.max, overlap: self.overlap };
        let pieces = cut::cut(&self.parsed.text, span, &block.kind, budget, self.counter);
        let last = pieces.len().saturating_sub(1);
        for (number, piece) in pieces.into_iter().enumerate() {
            let tokens = self.count(piece.clone());
            self.extend(index, piece, tokens);
            if let Some(open) = &mut self.open {
                open.cut = true;
            }
            // The rest of a cut block may be followed by the next block.
            if number < last {
                self.close();
            }
        }
    }

    fn extend(&mut self, index: usize, span: Range<usize>, tokens: u32) {
        match &mut self.open {
            Some(open) => {
                open.span.end = span.end;
                open.tokens = open.tokens.saturating_add(tokens);
                open.blocks.end = index + 1;
            }
            None => {
                let headings = self.path.iter().map(|(_, text)| text.clone()).collect();
                self.open =
                    Some(Draft { span, tokens, headings, blocks: index..index + 1, cut: false });
            }
        }
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
    }

    fn count(&self, span: Range<usize>) -> u32 {
        self.counter.count(self.parsed.text.get(span).unwrap_or_default())
    }
}

/// Sections of less than an eighth of the budget say too little alone: they join their neighbour under one parent.
fn merge_tiny(
    drafts: Vec<Draft>,
    parsed: &ParsedDocument,
    options: &ChunkingOptions,
    counter: &dyn TokenCounter,
) -> Vec<Draft> {
    let tiny = options.max_tokens / 8;
    let mut merged: Vec<Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let Some(last) = merged.last_mut() else {
            merged.push(draft);
            continue;
        };
        let common = common_path(&last.headings, &draft.headings);
        let one_is_tiny = last.tokens < tiny || draft.tokens < tiny;
        let related = !common.is_empty() || last.headings.is_empty() && draft.headings.is_empty();
        let gap = parsed.text.get(last.span.end..draft.span.start).unwrap_or_default();
        let together = last.tokens.saturating_add(draft.tokens).saturating_add(counter.count(gap));
        let whole = !last.cut && !draft.cut;
        if one_is_tiny && related && whole && together <= options.max_tokens {
            last.span.end = draft.span.end;
            last.tokens = together;
            last.blocks.end = draft.blocks.end;
            last.headings = common;
        } else {
            merged.push(draft);
        }
    }
    merged
}

fn common_path(left: &[String], right: &[String]) -> Vec<String> {
    let same = left.iter().zip(right).take_while(|(left, right)| left == right);
    same.map(|(heading, _)| heading.clone()).collect()
}

fn finish(
    draft: Draft,
    ordinal: u32,
    dataset: &DatasetId,
    document: &DocumentId,
    parsed: &ParsedDocument,
    counter: &dyn TokenCounter,
) -> Chunk {
    let text = parsed.text.get(draft.span.clone()).unwrap_or_default().to_owned();
    let blocks = parsed.blocks.get(draft.blocks).unwrap_or_default();
    let id = chunk_id(document, ordinal, &text);
    Chunk {
        ordinal,
        tokens: counter.count(&text),
        span: draft.span,
        headings: draft.headings,
        places: places(blocks),
        ..Chunk::new(id, dataset.clone(), document.clone(), text)
    }
}

/// Stretches of like place: blocks that follow each other on one page, without boxes, are one.
fn places(blocks: &[Block]) -> Vec<PlacedSpan> {
    let mut places: Vec<PlacedSpan> = Vec::new();
    for block in blocks {
        if block.place.page.is_none() && block.place.bounds.is_none() {
            continue;
        }
        match places.last_mut().filter(|last| last.place == block.place) {
            Some(last) => last.span.end = block.span.end,
            None => {
                places.push(PlacedSpan { span: block.span.clone(), place: block.place.clone() });
            }
        }
    }
    places
}

/// 128 bits of a hash, as 32 hex digits.
fn chunk_id(document: &DocumentId, ordinal: u32, text: &str) -> ChunkId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(document.as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(&ordinal.to_le_bytes());
    hasher.update(text.as_bytes());
    let digits: String = hasher.finalize().to_hex().chars().take(32).collect();
    digits.parse().expect("hex digits make an identifier")
}

#[cfg(test)]
mod tests;
