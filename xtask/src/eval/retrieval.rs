//! `cargo xtask eval retrieval`: how good each way of retrieving is on labelled sets.
//!
//! What runs is what the server runs: the embedded store, `local/static`, and the retriever with its defaults.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use llm_core::{EmbeddingRequest, SyncEmbeddingModel};
use llm_local::StaticEmbedding;
use rag_core::{
    Chunk, ChunkFilter, ChunkHit, ChunkId, ChunkIndex, ContentHash, Dataset, DatasetSettings,
    DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, MetadataStore, SearchQuery,
    TenantId,
};
use rag_retrieve::{RetrieveRequest, Retriever};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use serde::Serialize;
use tempfile::TempDir;

use super::quality::Quality;
use super::retrieval_set::{self, Document, RetrievalSet};

/// Where the sets are when none is named.
const USUAL_PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/retrieval");
const MODEL: &str = "local/static";
/// Longer documents are cut into passages, and found by their best one.
const LONGEST_PASSAGE: usize = 8000;
const PASSAGE: usize = 1500;
/// Hits that are ranked; several may be of one document.
const DEPTH: usize = 64;

/// What to measure, and how to print it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Labelled sets, or directories of them [default: the shared ones beside the workspace]
    directories: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    set: String,
    method: &'static str,
    #[serde(flatten)]
    quality: Quality,
    questions: usize,
    milliseconds_per_question: f64,
}

/// Measures every set and prints a row for each method.
pub(crate) fn run(args: &Args) -> Result<()> {
    let usual = [PathBuf::from(USUAL_PLACE)];
    let directories = if args.directories.is_empty() { &usual[..] } else { &args.directories };
    if !args.json {
        println!(
            "{:16} {:12} {:>8} {:>9} {:>9} {:>7}",
            "set", "method", "nDCG@10", "recall@5", "questions", "ms"
        );
    }
    for directory in retrieval_set::find(directories)? {
        let set = RetrievalSet::load(&directory)?;
        for row in measure(&set)? {
            print(&row, args.json)?;
        }
    }
    Ok(())
}

fn print(row: &Row, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    println!(
        "{:16} {:12} {:8.4} {:9.4} {:9} {:7.2}",
        row.set,
        row.method,
        row.quality.ndcg_at_10,
        row.quality.recall_at_5,
        row.questions,
        row.milliseconds_per_question
    );
    Ok(())
}

fn measure(set: &RetrievalSet) -> Result<Vec<Row>> {
    let library = Library::of(&set.documents)?;
    type Rank = fn(&Library, &str) -> Result<Vec<ChunkId>>;
    let methods: [(&str, Rank); 3] = [
        ("full text", Library::by_text),
        (MODEL, Library::by_vector),
        ("hybrid", Library::by_both),
    ];
    methods
        .into_iter()
        .map(|(method, rank)| {
            let began = Instant::now();
            let rankings = set
                .questions
                .iter()
                .map(|question| Ok(documents_of(rank(&library, &question.text)?)))
                .collect::<Result<Vec<_>>>()?;
            let took = began.elapsed();
            let relevant = set.questions.iter().map(|question| &question.relevant);
            Ok(Row {
                set: set.name.clone(),
                method,
                quality: Quality::mean(rankings.into_iter().zip(relevant)),
                questions: set.questions.len(),
                milliseconds_per_question: took.as_secs_f64() * 1e3 / set.questions.len() as f64,
            })
        })
        .collect()
}

/// The corpus in a store.
struct Library {
    store: Arc<EmbeddedStore>,
    dataset: Dataset,
    model: Arc<StaticEmbedding>,
    retriever: Retriever,
    _directory: TempDir,
}

impl Library {
    fn of(documents: &[Document]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let store = EmbeddedStore::open(directory.path(), options)?;
        let embedding = EmbeddingIdentity {
            model: MODEL.into(),
            dimensions: StaticEmbedding::DIMENSIONS,
            ..EmbeddingIdentity::default()
        };
        let dataset = store.ensure_dataset(
            &TenantId::local(),
            "corpus",
            &embedding,
            &DatasetSettings::default(),
        )?;
        let model = Arc::new(StaticEmbedding::new());
        let for_questions = model.clone();
        let retriever = Retriever::new(
            store.clone(),
            store.clone(),
            Arc::new(move |_: &EmbeddingIdentity| {
                Ok(for_questions.clone() as Arc<dyn SyncEmbeddingModel>)
            }),
        );
        let library = Self { store, dataset, model, retriever, _directory: directory };
        for (place, document) in documents.iter().enumerate() {
            library.add(place, document)?;
        }
        library.store.flush()?;
        Ok(library)
    }

    fn add(&self, place: usize, document: &Document) -> Result<()> {
        self.store.submit(&IngestJob::new(
            self.dataset.id.clone(),
            place.to_string(),
            DocumentSource::File { path: place.to_string().into() },
            ContentHash([0; 32]),
            document.text.len() as u64,
        ))?;
        let job = self.store.claim(Duration::from_secs(3600), 1)?.context("the submitted job")?;
        let passages = passages(&document.text);
        let chunk = |(ordinal, text): (usize, &&str)| -> Result<Chunk> {
            Ok(Chunk {
                ordinal: ordinal as u32,
                headings: Some(document.title.clone())
                    .filter(|t| !t.is_empty())
                    .into_iter()
                    .collect(),
                ..Chunk::new(
                    format!("{place}-{ordinal}").parse()?,
                    self.dataset.id.clone(),
                    job.document.clone(),
                    (*text).to_owned(),
                )
            })
        };
        let chunks = passages.iter().enumerate().map(chunk).collect::<Result<Vec<_>>>()?;
        let texts = chunks.iter().map(Chunk::contextual_text);
        let vectors = self.model.embed(&EmbeddingRequest::documents(texts))?.vectors;
        let chunks: Vec<EmbeddedChunk> = chunks
            .into_iter()
            .zip(vectors)
            .map(|(chunk, vector)| EmbeddedChunk { chunk, vector })
            .collect();
        self.store.complete(&job, chunks.into())?;
        Ok(())
    }

    fn by_text(&self, question: &str) -> Result<Vec<ChunkId>> {
        let query = SearchQuery { text: Some(question.into()), ..self.query() };
        Ok(ids(self.store.search(&query)?.text))
    }

    fn by_vector(&self, question: &str) -> Result<Vec<ChunkId>> {
        let vectors = self.model.embed(&EmbeddingRequest::query(question))?.vectors;
        let query = SearchQuery { vector: vectors.into_iter().next(), ..self.query() };
        Ok(ids(self.store.search(&query)?.vector))
    }

    fn by_both(&self, question: &str) -> Result<Vec<ChunkId>> {
        let request = RetrieveRequest {
            question: question.into(),
            datasets: vec![self.dataset.clone()],
            top: DEPTH,
            ..RetrieveRequest::default()
        };
        let found = self.retriever.retrieve(&request)?.chunks;
        Ok(found.into_iter().map(|found| found.chunk.id).collect())
    }

    fn query(&self) -> SearchQuery {
        SearchQuery {
            filter: ChunkFilter {
                datasets: vec![self.dataset.id.clone()],
                ..ChunkFilter::default()
            },
            limit: DEPTH,
            ..SearchQuery::default()
        }
    }
}

fn ids(hits: Vec<ChunkHit>) -> Vec<ChunkId> {
    hits.into_iter().map(|hit| hit.chunk).collect()
}

/// The documents of these chunks, each where its best chunk stands.
fn documents_of(chunks: Vec<ChunkId>) -> Vec<usize> {
    let mut seen = HashSet::new();
    chunks
        .iter()
        .filter_map(|chunk| chunk.as_str().split('-').next()?.parse().ok())
        .filter(|document| seen.insert(*document))
        .collect()
}

/// A document as it is; a long one as pieces of paragraphs.
fn passages(text: &str) -> Vec<&str> {
    if text.len() <= LONGEST_PASSAGE {
        return vec![text];
    }
    let (mut passages, mut start) = (Vec::new(), 0);
    for (at, _) in text.match_indices('\n') {
        if at - start >= PASSAGE {
            passages.push(&text[start..at]);
            start = at;
        }
    }
    passages.push(&text[start..]);
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_documents_are_cut_and_nothing_is_lost() {
        assert_eq!(passages("short\ntext"), ["short\ntext"]);
        let long = "A line of text.\n".repeat(1000);
        let pieces = passages(&long);
        assert!(pieces.len() > 5 && pieces.concat() == long);
    }

    #[test]
    fn a_document_stands_where_its_best_chunk_does() {
        let chunks = ["7-1", "2-0", "7-0", "3-9"].map(|id| id.parse().unwrap());
        assert_eq!(documents_of(chunks.to_vec()), [7, 2, 3]);
    }
}
