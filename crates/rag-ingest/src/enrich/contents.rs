//! The table of contents: from the document's headings, or by a model where it has none.

use llm_core::ModelError;
use minijinja::context;
use rag_core::{BlockKind, Chunk, ChunkKind, ParsedDocument};
use serde::Deserialize;

use super::answers::json;
use super::asking::Asking;
use super::prompts::{Template, quoted};
use super::written;

/// Entries at most.
const MOST_ENTRIES: usize = 2_000;
/// Passages that a model is shown, and how much of each.
const MOST_PASSAGES: usize = 200;
const BEGINNING: usize = 160;

/// An entry as a model writes it.
#[derive(Deserialize)]
struct Entry {
    passage: usize,
    title: String,
}

/// A line of the contents and the byte of the document where it begins.
struct Line {
    level: u8,
    title: String,
    start: usize,
}

/// The contents as a chunk behind all others; `None` for a document of one passage, and where nothing could be found.
pub(crate) async fn write(
    asking: &Asking<'_>,
    document: &ParsedDocument,
    chunks: &[Chunk],
) -> Result<Option<Chunk>, ModelError> {
    let passages: Vec<&Chunk> =
        chunks.iter().filter(|chunk| chunk.kind == ChunkKind::Passage).collect();
    if passages.len() < 2 {
        return Ok(None);
    }
    let mut lines = headings(document);
    if lines.is_empty() {
        lines = by_model(asking, &passages).await?;
    }
    Ok(chunk(lines, chunks))
}

fn headings(document: &ParsedDocument) -> Vec<Line> {
    let line = |block: &rag_core::Block| match block.kind {
        BlockKind::Heading { level } => {
            let title = document.block_text(block).split_whitespace().collect::<Vec<_>>().join(" ");
            Some(Line { level, title, start: block.span.start })
        }
        _ => None,
    };
    document.blocks.iter().filter_map(line).take(MOST_ENTRIES).collect()
}

async fn by_model(asking: &Asking<'_>, passages: &[&Chunk]) -> Result<Vec<Line>, ModelError> {
    let shown: Vec<&Chunk> = passages.iter().copied().take(MOST_PASSAGES).collect();
    let beginning = |chunk: &&Chunk| {
        let text = chunk.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = text.floor_char_boundary(BEGINNING);
        quoted(text.get(..end).unwrap_or_default())
    };
    let beginnings: Vec<String> = shown.iter().map(beginning).collect();
    let Some(answer) = asking.ask(Template::Contents.render(context! { beginnings })).await? else {
        return Ok(Vec::new());
    };
    let Some(entries) = json::<Vec<Entry>>(&answer) else {
        asking.unreadable();
        return Ok(Vec::new());
    };
    let line = |entry: Entry| {
        let start = shown.get(entry.passage)?.span.start;
        let title = entry.title.split_whitespace().collect::<Vec<_>>().join(" ");
        (!title.is_empty()).then_some(Line { level: 1, title, start })
    };
    Ok(entries.into_iter().filter_map(line).take(MOST_ENTRIES).collect())
}

/// One line an entry, with the number of the chunk that it begins in: `  Title [12]`.
fn chunk(lines: Vec<Line>, chunks: &[Chunk]) -> Option<Chunk> {
    let last = chunks.last()?;
    let passages: Vec<&Chunk> =
        chunks.iter().filter(|chunk| chunk.kind == ChunkKind::Passage).collect();
    let number = |start: usize| {
        let after = passages.partition_point(|chunk| chunk.span.start <= start);
        passages.get(after.saturating_sub(1)).map_or(0, |chunk| chunk.ordinal)
    };
    let text: Vec<String> = lines
        .iter()
        .map(|line| {
            let indent = "  ".repeat(usize::from(line.level.saturating_sub(1)));
            format!("{indent}{} [{}]", line.title, number(line.start))
        })
        .collect();
    if text.is_empty() {
        return None;
    }
    let span = 0..chunks.iter().map(|chunk| chunk.span.end).max().unwrap_or(0);
    let (dataset, document) = (last.dataset.clone(), last.document.clone());
    let id = written::id(&format!("contents of {document}"))?;
    let text = text.join("\n");
    Some(Chunk {
        kind: ChunkKind::Contents,
        ordinal: last.ordinal.saturating_add(1),
        span,
        ..Chunk::new(id, dataset, document, text)
    })
}
