//! How well full text ranks, over PostgreSQL and over the embedded store: nDCG of the first ten on labelled sets.
//!
//! ```sh
//! cargo xtask postgres
//! cargo run --release -p rag-postgres --example postgres_quality -- DIRECTORY...
//! ```
//!
//! A directory has `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and `qrels.tsv` (query,
//! document, grade). Each text is a chunk; vectors are not searched.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, CompletedDocument, ContentHash, DatasetSettings, DocumentSource,
    EmbeddedChunk, EmbeddingIdentity, IngestJob, SearchQuery, TenantId,
};
use rag_postgres::{PostgresOptions, PostgresStore};
use rag_store::{Durability, EmbeddedStore, StoreOptions};
use serde::Deserialize;
use testkit::PostgresServer;
use testkit::store_suite::Store;

const DEPTH: usize = 10;
const LEASE: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(server) = PostgresServer::start() else { return Ok(()) };
    println!("{:20} {:>10} {:>10}", "nDCG@10", "PostgreSQL", "embedded");
    for set in std::env::args().skip(1) {
        let set = Path::new(&set);
        let postgres = PostgresStore::open(PostgresOptions::new(server.database()))?;
        let directory = server_directory()?;
        let options =
            StoreOptions { durability: Durability::ProcessDeath, ..StoreOptions::default() };
        let embedded = EmbeddedStore::open(&directory, options)?;
        let (left, right) = (quality(&*postgres, set)?, quality(&*embedded, set)?);
        drop(embedded);
        fs::remove_dir_all(directory)?;
        let name = set.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:20} {left:10.4} {right:10.4}");
    }
    Ok(())
}

fn server_directory() -> Result<std::path::PathBuf, Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("quality-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn quality(store: &dyn Store, set: &Path) -> Result<f64, Box<dyn Error>> {
    let corpus: Vec<Text> = read(&set.join("corpus.jsonl"))?;
    let queries: Vec<Text> = read(&set.join("queries.jsonl"))?;
    let grades = grades(&fs::read_to_string(set.join("qrels.tsv"))?);
    let filter = fill(store, &corpus)?;
    let (mut sum, mut judged) = (0.0, 0);
    for query in &queries {
        let Some(grades) = grades.get(&query.id) else { continue };
        let search = SearchQuery {
            text: Some(query.text.clone()),
            filter: filter.clone(),
            limit: DEPTH,
            ..SearchQuery::default()
        };
        let hits = store.search(&search)?.text;
        let places = hits.iter().filter_map(|hit| hit.chunk.as_str().get(1..)?.parse().ok());
        let found = places.filter_map(|place: usize| corpus.get(place));
        let gains: Vec<f64> =
            found.map(|text| grades.get(&text.id).copied().unwrap_or(0.0)).collect();
        let mut best: Vec<f64> = grades.values().copied().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        best.truncate(DEPTH);
        sum += discounted(&gains) / discounted(&best);
        judged += 1;
    }
    Ok(sum / f64::from(judged))
}

fn fill(store: &dyn Store, corpus: &[Text]) -> Result<ChunkFilter, Box<dyn Error>> {
    let embedding =
        EmbeddingIdentity { model: "test/none".into(), dimensions: 1, ..Default::default() };
    let settings = DatasetSettings::default();
    let dataset = store.ensure_dataset(&TenantId::local(), "set", &embedding, &settings)?;
    for (place, text) in corpus.iter().enumerate() {
        let source = DocumentSource::File { path: "/none".into() };
        let name = place.to_string();
        store.submit(&IngestJob::new(dataset.id.clone(), name, source, ContentHash([0; 32]), 0))?;
        let job = store.claim(LEASE, 3)?.ok_or("a job")?;
        let id = format!("c{place}").parse()?;
        let chunk = Chunk::new(id, dataset.id.clone(), job.document.clone(), text.text.clone());
        let completed = CompletedDocument {
            title: Some(text.title.clone()).filter(|title| !title.is_empty()),
            chunks: vec![EmbeddedChunk { chunk, vector: vec![1.0] }],
            ..CompletedDocument::default()
        };
        store.complete(&job, completed)?;
    }
    Ok(ChunkFilter { datasets: vec![dataset.id], ..ChunkFilter::default() })
}

fn discounted(gains: &[f64]) -> f64 {
    gains.iter().zip(2_u32..).map(|(gain, place)| gain / f64::from(place).log2()).sum()
}

fn read(file: &Path) -> Result<Vec<Text>, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Grades above 0 by query and document.
fn grades(table: &str) -> HashMap<String, HashMap<String, f64>> {
    let mut grades: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t').map(str::trim);
        if let (Some(query), Some(document), Some(Ok(grade))) =
            (columns.next(), columns.next(), columns.next().map(str::parse::<f64>))
            && grade > 0.0
        {
            grades.entry(query.into()).or_default().insert(document.into(), grade);
        }
    }
    grades
}
