//! Summaries of a document's parts, layer upon layer.

use futures::TryStreamExt;
use futures::future::BoxFuture;
use llm_core::ModelError;
use minijinja::context;
use rag_core::{Chunk, ChunkKind, SummaryOptions};

use super::asking::Asking;
use super::clusters::clusters;
use super::prompts::{Template, quoted};
use super::written;

/// Gives the vectors of texts, L2-normalised, one for each.
pub type Embed<'a> =
    &'a (dyn Fn(Vec<String>) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> + Send + Sync);

/// A document's summaries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summaries {
    /// One chunk each, lower layers first, numbered after the document's own.
    pub chunks: Vec<Chunk>,
    /// Their vectors.
    pub vectors: Vec<Vec<f32>>,
    /// What is missing and why, one line each.
    pub warnings: Vec<String>,
    /// Tokens paid for the document altogether.
    pub tokens: u64,
}

/// A row that is summed up: texts in the order of the document, with their vectors.
struct Layer {
    chunks: Vec<Chunk>,
    vectors: Vec<Vec<f32>>,
}

/// More layers than a document of any size has.
const MOST_LAYERS: usize = 16;
/// Bytes of passages that one summary is of.
const MOST_BYTES: usize = 48_000;
/// Tokens of a word, roughly.
const TOKENS_A_WORD: u32 = 2;

/// Summaries of all layers, and their vectors.
pub(crate) async fn write(
    asking: &Asking<'_>,
    chunks: &[Chunk],
    vectors: &[Vec<f32>],
    options: &SummaryOptions,
    embed: Embed<'_>,
) -> Result<(Vec<Chunk>, Vec<Vec<f32>>), ModelError> {
    let passages = chunks.iter().zip(vectors).filter(|(chunk, _)| chunk.kind == ChunkKind::Passage);
    let (chunks_of_text, vectors) =
        passages.map(|(chunk, vector)| (chunk.clone(), vector.clone())).unzip();
    let mut below = Layer { chunks: chunks_of_text, vectors };
    let mut next = written::next_ordinal(chunks);
    let (mut all, mut all_vectors) = (Vec::new(), Vec::new());
    for _ in 0..MOST_LAYERS {
        if below.chunks.len() < 2 {
            break;
        }
        let layer = layer(asking, &below, options, next, embed).await?;
        if layer.chunks.is_empty() {
            break;
        }
        next += layer.chunks.len() as u32;
        all.extend(layer.chunks.iter().cloned());
        all_vectors.extend(layer.vectors.iter().cloned());
        below = layer;
    }
    Ok((all, all_vectors))
}

/// The summaries of one layer. Clusters whose summary could not be had are left out.
async fn layer(
    asking: &Asking<'_>,
    below: &Layer,
    options: &SummaryOptions,
    first_ordinal: u32,
    embed: Embed<'_>,
) -> Result<Layer, ModelError> {
    let clusters = clusters(&below.vectors, options);
    let prompts = clusters.into_iter().filter_map(|cluster| {
        let sources = below.chunks.get(cluster)?;
        Some((sources, Some(prompt(sources, options))))
    });
    let answered: Vec<(&[Chunk], Option<String>)> = asking.ask_each(prompts).try_collect().await?;
    let written = answered.into_iter().filter_map(|(sources, answer)| Some((sources, answer?)));
    let chunks: Vec<Chunk> = written
        .filter(|(_, answer)| !answer.trim().is_empty())
        .zip(first_ordinal..)
        .filter_map(|((sources, answer), ordinal)| chunk(sources, &answer, ordinal))
        .collect();
    let vectors = match chunks.is_empty() {
        true => Vec::new(),
        false => embed(chunks.iter().map(Chunk::contextual_text).collect()).await?,
    };
    Ok(Layer { chunks, vectors })
}

fn prompt(sources: &[Chunk], options: &SummaryOptions) -> String {
    let mut room = MOST_BYTES;
    let mut passages = Vec::new();
    for source in sources {
        let end = source.text.floor_char_boundary(room);
        passages.push(quoted(source.text.get(..end).unwrap_or_default()));
        room -= end;
        if room == 0 {
            break;
        }
    }
    Template::Summary.render(context! { words => options.max_tokens / TOKENS_A_WORD, passages })
}

/// A summary as a chunk over the range of its sources. Its first line is its heading.
fn chunk(sources: &[Chunk], answer: &str, ordinal: u32) -> Option<Chunk> {
    let (first, last) = (sources.first()?, sources.last()?);
    let answer = answer.trim();
    let (title, text) = match answer.split_once('\n') {
        Some((title, text)) if !text.trim().is_empty() => (Some(plain(title)), text.trim()),
        _ => (None, answer),
    };
    let (dataset, document) = (first.dataset.clone(), first.document.clone());
    let id = written::id(&format!("summary {ordinal} of {document}: {text}"))?;
    Some(Chunk {
        kind: ChunkKind::Summary,
        ordinal,
        span: first.span.start..last.span.end.max(first.span.start),
        headings: title.into_iter().collect(),
        places: sources.iter().flat_map(|source| source.places.first().cloned()).collect(),
        ..Chunk::new(id, dataset, document, text.to_owned())
    })
}

/// A title without marks of Markdown.
fn plain(title: &str) -> String {
    title.trim().trim_matches(['#', '*', '"', ' ']).to_owned()
}
