//! Structure first, then tokens: documents to chunks.

mod children;
mod draft;
mod numbering;
mod packer;
mod path;
mod pieces;
mod rows;
mod surroundings;

use std::sync::Arc;

use rag_core::{
    Chunk, ChunkId, ChunkKind, ChunkMethod, ChunkingOptions, DatasetId, DocumentChunker,
    DocumentId, ParsedDocument,
};

use crate::TokenCounter;
use draft::Draft;
use pieces::View;

/// Cuts documents along their structure, then packs whole blocks up to the token budget.
///
/// - A chunk holds text of one section. Tiny neighbouring sections under one parent share a chunk; its headings are
///   then those that they have in common.
/// - A block larger than the budget is cut between sentences (tables and code: between lines), and only there chunks
///   overlap. Pieces of a table carry its header as [context](Chunk::context).
/// - A heading stays with the text below it.
/// - Chunk ids depend on the document, the chunk's number and its text: the same text gives the same ids.
///
/// [Methods](ChunkMethod) are settings of this: what parts sections, and what is held together whatever its size.
/// `one`, the abstract of `paper`, and pieces between delimiters that [always](rag_core::Delimiter::always) part are
/// held together. Rows of `table`, `qa` and `tag` are chunks. A header row is in no chunk's text: it is the context of
/// its rows, or only names the columns of questions and tags; the tags of `tag` are in no text either. All other text is
/// in at least one searched chunk, but for delimiters and white space.
///
/// Pure and linear in the length of the text (but for the counter).
///
/// ```
/// use rag_core::{ChunkingOptions, DocumentChunker, DocumentParser, ParseRequest};
/// use rag_parse::{FileParser, StructuralChunker};
///
/// let parsed =
///     FileParser::default().parse(&ParseRequest::new("tea.md", b"# Tea\n\nBoil water.\n"))?;
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
        let view = View::new(parsed, &options.delimiters);
        let mut drafts = drafts(&view, options, &*self.counter);
        if options.table_context_tokens > 0 {
            surroundings::add(&mut drafts, &view, options.table_context_tokens, &*self.counter);
        }
        let mut chunks = Vec::new();
        for draft in drafts {
            let finish = |draft: Draft, kind, ordinal: usize| {
                let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
                finish(draft, kind, ordinal, (dataset, document), &view, &*self.counter)
            };
            let parts = match &options.children {
                Some(children) => children::parts(&draft, &view, children, &*self.counter),
                None => Vec::new(),
            };
            if parts.len() < 2 {
                chunks.push(finish(draft, ChunkKind::Passage, chunks.len()));
                continue;
            }
            let whole = finish(draft, ChunkKind::Parent, chunks.len());
            let parent = whole.id.clone();
            chunks.push(whole);
            for part in parts {
                let part = finish(part, ChunkKind::Passage, chunks.len());
                chunks.push(Chunk { parent: Some(parent.clone()), ..part });
            }
        }
        chunks
    }
}

/// The chunks in the making, by method.
fn drafts(view: &View<'_>, options: &ChunkingOptions, counter: &dyn TokenCounter) -> Vec<Draft> {
    match options.method {
        ChunkMethod::One => draft::of_everything(view).into_iter().collect(),
        ChunkMethod::Table | ChunkMethod::Qa | ChunkMethod::Tag => {
            rows::drafts(view, options, counter)
        }
        _ => packer::drafts(view, options, counter),
    }
}

fn finish(
    draft: Draft,
    kind: ChunkKind,
    ordinal: u32,
    (dataset, document): (&DatasetId, &DocumentId),
    view: &View<'_>,
    counter: &dyn TokenCounter,
) -> Chunk {
    let text = view.text.get(draft.span.clone()).unwrap_or_default().to_owned();
    let id = chunk_id(document, ordinal, &text);
    Chunk {
        ordinal,
        kind,
        tokens: counter.count(&text),
        places: view.places(draft.pieces, &draft.span),
        span: draft.span,
        headings: draft.headings,
        context: draft.context,
        questions: draft.questions,
        tags: draft.tags,
        ..Chunk::new(id, dataset.clone(), document.clone(), text)
    }
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
mod method_tests;
#[cfg(test)]
mod tests;
