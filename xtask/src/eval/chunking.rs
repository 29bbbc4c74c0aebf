//! `cargo xtask eval chunking`: how much of the exact evidence for questions is in the passages that are found, and how
//! much else, by how documents are cut. What is measured is what runs: parser, chunker, store and retriever.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use llm_core::SyncEmbeddingModel;
use llm_local::StaticEmbedding;
use rag_core::{
    ChildOptions, ChunkMethod, ChunkingOptions, DocumentChunker, DocumentId, DocumentParser,
    ParseRequest, ParsedDocument,
};
use rag_parse::{FileParser, StructuralChunker};
use rag_retrieve::RetrievedChunk;
use serde::Serialize;

use super::evidence::{Evidence, EvidenceSet};
use super::library::Library;
use super::overlap::{self, Overlap};
use super::retrieval;

/// Where the set is when none is named.
const USUAL_PLACE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/retrieval/chunking-eval");

/// Passages that are looked at.
const TOP: usize = 5;
/// Tokens of a prompt that passages may take: more of them when they are small.
const ROOM: u32 = 2048;
/// Passages that are asked for to fill the room.
const MOST: usize = 64;

/// What to measure, and how to print it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A labelled set with spans of evidence [default: the shared one beside the workspace]
    directory: Option<PathBuf>,
    /// Sizes of chunks in tokens
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128, 256, 512])]
    tokens: Vec<u32>,
    /// A sentence-transformers directory to measure besides local/static [default: all-MiniLM-L6-v2, where it can be had]
    #[arg(long)]
    model: Option<PathBuf>,
    /// Only local/static
    #[arg(long, conflicts_with = "model")]
    only_static: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// A way to cut, and what came of it.
#[derive(Serialize)]
struct Row {
    model: String,
    cut: String,
    chunks: usize,
    /// Of the first five passages.
    #[serde(flatten)]
    first: Overlap,
    /// The share of the evidence that is in as many passages as 2,048 tokens hold.
    recall_in_2048_tokens: f64,
}

/// A document as it was parsed.
struct Parsed {
    name: String,
    document: ParsedDocument,
}

/// Measures every way to cut and prints a row for each.
pub(crate) fn run(args: &Args) -> Result<()> {
    let directory = args.directory.clone().unwrap_or_else(|| USUAL_PLACE.into());
    let set = EvidenceSet::load(&directory)?;
    let documents = set.documents.iter().map(|(name, text)| parse(name, text));
    let documents = documents.collect::<Result<Vec<_>>>()?;
    let mut models: Vec<Arc<dyn SyncEmbeddingModel>> = vec![Arc::new(StaticEmbedding::new())];
    if !args.only_static {
        models.extend(retrieval::trained(args.model.as_deref())?);
    }
    if !args.json {
        println!(
            "{:26} {:34} {:>7} {:>8} {:>9} {:>6} {:>13}",
            "model", "cut", "chunks", "recall@5", "precision", "IoU", "recall@2,048t"
        );
    }
    for model in models {
        for (cut, options) in cuts(&args.tokens) {
            print(&measure(&set, &documents, model.clone(), cut, &options)?, args.json)?;
        }
    }
    Ok(())
}

/// What is compared, by name.
fn cuts(sizes: &[u32]) -> Vec<(String, ChunkingOptions)> {
    let cut = |method, max_tokens, overlap_tokens| ChunkingOptions {
        method,
        max_tokens,
        overlap_tokens,
        ..ChunkingOptions::default()
    };
    let mut cuts = Vec::new();
    for &size in sizes {
        let overlap = size / 8;
        let naive = cut(ChunkMethod::Naive, size, overlap);
        let parts = ChildOptions { max_tokens: (size / 4).max(1), ..ChildOptions::default() };
        let with_parts = ChunkingOptions { children: Some(parts), ..naive.clone() };
        cuts.extend([
            (format!("naive {size}"), cut(ChunkMethod::Naive, size, 0)),
            (format!("naive {size}, overlap {overlap}"), naive),
            (format!("naive {size}, parts of {}", size / 4), with_parts),
            (format!("manual {size}, overlap {overlap}"), cut(ChunkMethod::Manual, size, overlap)),
            (format!("book {size}, overlap {overlap}"), cut(ChunkMethod::Book, size, overlap)),
        ]);
    }
    cuts
}

fn parse(name: &str, text: &str) -> Result<Parsed> {
    let file = format!("{name}.txt");
    let document = FileParser::default()
        .parse(&ParseRequest::new(&file, text.as_bytes()))
        .with_context(|| format!("parsing {name}"))?;
    anyhow::ensure!(
        document.text == text,
        "the text of {name} is not as it was; spans would shift"
    );
    Ok(Parsed { name: name.to_owned(), document })
}

fn measure(
    set: &EvidenceSet,
    documents: &[Parsed],
    model: Arc<dyn SyncEmbeddingModel>,
    cut: String,
    options: &ChunkingOptions,
) -> Result<Row> {
    let model_name = model.info().name.to_string();
    let library = Library::empty(model)?;
    let chunker = StructuralChunker::default();
    let mut names: HashMap<DocumentId, &str> = HashMap::new();
    let mut chunks = 0;
    let mut claimed = Vec::new();
    for parsed in documents {
        let (job, cut) = library.claim(&parsed.name, |dataset, document| {
            Ok(chunker.chunk(dataset, document, &parsed.document, options))
        })?;
        chunks += cut.len();
        names.insert(job.document.clone(), &parsed.name);
        claimed.push((job, cut));
    }
    library.complete(claimed)?;
    let (mut first, mut in_room) = (Vec::new(), Vec::new());
    for question in &set.questions {
        let found = library.passages(&question.text, MOST)?;
        let top = found.get(..TOP).unwrap_or(&found);
        first.push(overlap(top, &question.evidence, &names));
        in_room.push(overlap(fitting(&found), &question.evidence, &names));
    }
    let recall_in_2048_tokens = Overlap::mean(in_room).recall;
    Ok(Row { model: model_name, cut, chunks, first: Overlap::mean(first), recall_in_2048_tokens })
}

/// As many of the best as the room holds.
fn fitting(found: &[RetrievedChunk]) -> &[RetrievedChunk] {
    let mut tokens = 0_u32;
    let fits = |passage: &&RetrievedChunk| {
        tokens += passage.chunk.tokens;
        tokens <= ROOM
    };
    let count = found.iter().take_while(fits).count();
    found.get(..count).unwrap_or_default()
}

fn overlap(
    found: &[RetrievedChunk],
    evidence: &[Evidence],
    names: &HashMap<DocumentId, &str>,
) -> Overlap {
    let place = |passage: &RetrievedChunk| -> Option<(String, Range<usize>)> {
        let name = names.get(&passage.chunk.document)?;
        Some(((*name).to_owned(), passage.chunk.span.clone()))
    };
    let found: Vec<_> = found.iter().filter_map(place).collect();
    let wanted: Vec<_> =
        evidence.iter().map(|span| (span.document.clone(), span.span.clone())).collect();
    overlap::of(&found, &wanted)
}

fn print(row: &Row, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    println!(
        "{:26} {:34} {:7} {:8.4} {:9.4} {:6.4} {:13.4}",
        row.model,
        row.cut,
        row.chunks,
        row.first.recall,
        row.first.precision,
        row.first.iou,
        row.recall_in_2048_tokens
    );
    Ok(())
}
