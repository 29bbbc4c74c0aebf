//! How long searches take, how fast documents come in, and what memory and disk they need.
//!
//! ```sh
//! cargo run --release -p rag-store --example latency -- [CHUNKS] [DIMENSIONS] [DATASETS]
//! ```
//!
//! Texts are drawn from a vocabulary with the frequencies of natural language, 90 words a chunk and 10 chunks a
//! document; vectors from clusters in which the first dimensions vary most, as in real embeddings. Questions are six
//! words of a chunk, two common ones among them, and its vector, disturbed.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rag_core::{
    ChunkFilter, ChunkIndex, ContentHash, Dataset, DatasetId, DatasetSettings, DocumentId,
    DocumentSource, EmbeddingIdentity, IngestJob, MetadataStore, SearchQuery, TenantId,
};
use rag_store::{EmbeddedStore, StoreOptions};
use testkit::SearchCorpus;
use testkit::search_corpus::{CHUNKS_PER_DOCUMENT, chunk_id};

const QUESTIONS: usize = 400;
/// Questions before these, whose times do not count: they bring the index files into memory.
const WARM_UP: usize = 100;
const WRITERS: usize = 4;
const LEASE: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let chunks = arguments.next().transpose()?.unwrap_or(100_000);
    let dimensions = arguments.next().transpose()?.unwrap_or(256);
    let datasets = arguments.next().transpose()?.unwrap_or(1);
    println!("{chunks} chunks × {dimensions} dimensions in {datasets} datasets");

    let directory = tempfile::tempdir()?;
    let corpus = SearchCorpus::new(dimensions);
    let documents = fill(directory.path(), &corpus, chunks, datasets)?;
    report_opening(directory.path())?;

    let store = EmbeddedStore::open(directory.path(), StoreOptions::default())?;
    let searches = Searches { store, corpus, documents, chunks };
    searches.report("hybrid", &searches.everywhere(), true, true)?;
    searches.report("full text", &searches.everywhere(), true, false)?;
    searches.report("vectors", &searches.everywhere(), false, true)?;
    if datasets == 1 {
        searches.report("hybrid, 1 % of documents", &searches.some_documents(100), true, true)?;
        searches.report("hybrid, 10 % of documents", &searches.some_documents(10), true, true)?;
        searches.report_recall()?;
    } else {
        searches.report("hybrid, one dataset each", &searches.single_datasets(), true, true)?;
    }
    println!("memory {} MB, disk {} MB", resident_megabytes(), megabytes_in(directory.path())?);
    Ok(())
}

/// The documents by dataset.
type Documents = Vec<(DatasetId, Vec<DocumentId>)>;

fn fill(
    directory: &Path,
    corpus: &SearchCorpus,
    chunks: usize,
    datasets: usize,
) -> Result<Documents, Box<dyn Error>> {
    let store = EmbeddedStore::open(directory, StoreOptions::default())?;
    let embedding = EmbeddingIdentity {
        model: "test/model".into(),
        dimensions: corpus.dimensions() as u32,
        ..EmbeddingIdentity::default()
    };
    let options = DatasetSettings::default();
    let made = (0..datasets)
        .map(|number| {
            store.ensure_dataset(&TenantId::local(), &format!("{number}"), &embedding, &options)
        })
        .collect::<Result<Vec<Dataset>, _>>()?;

    let count = chunks / CHUNKS_PER_DOCUMENT;
    let began = Instant::now();
    let jobs: Vec<IngestJob> = (0..count).map(|n| job(&made[n % datasets], n)).collect();
    for some in jobs.chunks(1000) {
        store.submit_all(some)?;
    }
    println!("submitted {count} documents in {:.1} s", began.elapsed().as_secs_f64());

    let began = Instant::now();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while let Ok(Some(job)) = store.claim(LEASE, 3) {
                    let number = job.job.bytes as usize;
                    let chunks = corpus.document(number, &job.job.dataset, &job.document);
                    store.complete(&job, chunks.into()).expect("completed");
                    done.fetch_add(CHUNKS_PER_DOCUMENT, Ordering::Relaxed);
                }
            });
        }
    });
    let (done, seconds) = (done.into_inner(), began.elapsed().as_secs_f64());
    println!("completed {done} chunks in {seconds:.1} s: {:.0}/s", done as f64 / seconds);
    let began = Instant::now();
    store.flush()?;
    println!("flushed the rest in {:.1} s", began.elapsed().as_secs_f64());
    made.into_iter()
        .map(|dataset| {
            let documents = store.documents(&dataset.id)?.into_iter().map(|d| d.id).collect();
            Ok((dataset.id, documents))
        })
        .collect()
}

fn job(dataset: &Dataset, number: usize) -> IngestJob {
    IngestJob::new(
        dataset.id.clone(),
        format!("{number:09}"),
        DocumentSource::File { path: number.to_string().into() },
        ContentHash([0; 32]),
        number as u64,
    )
}

fn report_opening(directory: &Path) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let store = EmbeddedStore::open(directory, StoreOptions::default())?;
    println!("opened in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    drop(store);
    fs::remove_file(directory.join("index/clean"))?;
    let began = Instant::now();
    drop(EmbeddedStore::open(directory, StoreOptions::default())?);
    println!("opened and closed as after a crash in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

struct Searches {
    store: Arc<EmbeddedStore>,
    corpus: SearchCorpus,
    documents: Documents,
    chunks: usize,
}

impl Searches {
    fn everywhere(&self) -> Vec<ChunkFilter> {
        let datasets = self.documents.iter().map(|(dataset, _)| dataset.clone()).collect();
        vec![ChunkFilter { datasets, ..ChunkFilter::default() }]
    }

    fn single_datasets(&self) -> Vec<ChunkFilter> {
        let filter = |(dataset, _): &(DatasetId, _)| ChunkFilter {
            datasets: vec![dataset.clone()],
            ..ChunkFilter::default()
        };
        self.documents.iter().map(filter).collect()
    }

    /// One of so many documents.
    fn some_documents(&self, one_of: usize) -> Vec<ChunkFilter> {
        let (dataset, documents) = &self.documents[0];
        let documents = documents.iter().step_by(one_of).cloned().collect();
        vec![ChunkFilter {
            datasets: vec![dataset.clone()],
            documents: Some(documents),
            ..ChunkFilter::default()
        }]
    }

    fn report(
        &self,
        what: &str,
        filters: &[ChunkFilter],
        text: bool,
        vector: bool,
    ) -> Result<(), Box<dyn Error>> {
        let mut times = Vec::new();
        for question in 0..WARM_UP + QUESTIONS {
            let (words, near) = self.corpus.question(question, self.chunks);
            let query = SearchQuery {
                text: Some(words).filter(|_| text),
                vector: Some(near).filter(|_| vector),
                filter: filters[question % filters.len()].clone(),
                limit: 64,
                ..SearchQuery::default()
            };
            let began = Instant::now();
            let found = self.store.search(&query)?;
            times.push(began.elapsed());
            assert!(!found.text.is_empty() || !found.vector.is_empty(), "something is found");
        }
        times.drain(..WARM_UP);
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        println!("{what:28} p50 {:7.2} ms   p99 {:7.2} ms", at(50), at(99));
        Ok(())
    }

    /// How many of the ten nearest chunks, by exact cosines of the original vectors, are among the ten found.
    fn report_recall(&self) -> Result<(), Box<dyn Error>> {
        const SAMPLE: usize = 40;
        let vectors: Vec<Vec<f32>> =
            (0..self.chunks).map(|chunk| self.corpus.vector(chunk)).collect();
        let mut found_of_ten = 0;
        for question in 0..SAMPLE {
            let (_, near) = self.corpus.question(question, self.chunks);
            let mut exact: Vec<(f32, usize)> = vectors
                .iter()
                .enumerate()
                .map(|(chunk, vector)| (vector.iter().zip(&near).map(|(a, b)| a * b).sum(), chunk))
                .collect();
            exact.sort_by(|a, b| b.0.total_cmp(&a.0));
            let query = SearchQuery {
                vector: Some(near),
                filter: self.everywhere().remove(0),
                limit: 64,
                ..SearchQuery::default()
            };
            let found = self.store.search(&query)?.vector;
            let ids: Vec<String> = found.iter().take(10).map(|hit| hit.chunk.to_string()).collect();
            found_of_ten +=
                exact.iter().take(10).filter(|(_, chunk)| ids.contains(&chunk_id(*chunk))).count();
        }
        println!(
            "recall@10 of vectors against exact {:.3}",
            found_of_ten as f64 / (SAMPLE * 10) as f64
        );
        Ok(())
    }
}

fn resident_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn megabytes_in(directory: &Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => directories.push(entry.path()),
                false => bytes += entry.metadata()?.len(),
            }
        }
    }
    Ok(bytes >> 20)
}
