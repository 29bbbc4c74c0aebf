//! How long searches over PostgreSQL take, and how fast documents come in.
//!
//! ```sh
//! cargo xtask postgres
//! cargo run --release -p rag-postgres --example postgres_latency -- [CHUNKS] [DIMENSIONS]
//! ```
//!
//! The server is one of its own, on this machine, over a socket; questions and chunks are those of the same measurement
//! of the embedded store.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rag_core::{
    ChunkFilter, ChunkIndex, ContentHash, Dataset, DatasetSettings, DocumentSource,
    EmbeddingIdentity, IngestJob, Metadata, MetadataStore, MetadataValue, SearchQuery, TenantId,
};
use rag_postgres::{PostgresOptions, PostgresStore};
use testkit::search_corpus::{CHUNKS_PER_DOCUMENT, chunk_id};
use testkit::{PostgresServer, SearchCorpus};

const QUESTIONS: usize = 200;
/// Questions before these, whose times do not count.
const WARM_UP: usize = 50;
const WRITERS: usize = 4;
const LEASE: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let chunks = arguments.next().transpose()?.unwrap_or(100_000);
    let dimensions = arguments.next().transpose()?.unwrap_or(384);
    println!("{chunks} chunks × {dimensions} dimensions");
    let settings = ["shared_buffers=2GB", "maintenance_work_mem=1GB", "max_wal_size=8GB"];
    let Some(server) = PostgresServer::start_with(&settings) else { return Ok(()) };
    let url = server.database();
    let options = PostgresOptions { exact_chunks: u64::MAX, ..PostgresOptions::new(url.clone()) };
    let corpus = SearchCorpus::new(dimensions);
    let store = PostgresStore::open(options)?;
    let dataset = fill(&store, &corpus, chunks)?;

    let searches = Searches { store, corpus, dataset, chunks };
    println!("all vectors compared:");
    searches.report_all()?;
    let began = Instant::now();
    let options = PostgresOptions { exact_chunks: 20_000, ..PostgresOptions::new(url) };
    let searches = Searches { store: PostgresStore::open(options)?, ..searches };
    searches.store.do_chores()?;
    println!("with an approximate index, made in {:.0} s:", began.elapsed().as_secs_f64());
    searches.report_all()?;
    searches.report_recall()
}

fn fill(
    store: &PostgresStore,
    corpus: &SearchCorpus,
    chunks: usize,
) -> Result<Dataset, Box<dyn Error>> {
    let embedding = EmbeddingIdentity {
        model: "test/model".into(),
        dimensions: corpus.dimensions() as u32,
        ..EmbeddingIdentity::default()
    };
    let tenant = TenantId::local();
    let dataset =
        store.ensure_dataset(&tenant, "shelf", &embedding, &DatasetSettings::default())?;
    let count = chunks / CHUNKS_PER_DOCUMENT;
    let jobs: Vec<IngestJob> = (0..count).map(|number| job(&dataset, number)).collect();
    for some in jobs.chunks(500) {
        store.submit_all(some)?;
    }
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while let Ok(Some(job)) = store.claim(LEASE, 3) {
                    let number = job.job.bytes as usize;
                    let chunks = corpus.document(number, &job.job.dataset, &job.document);
                    store.complete(&job, chunks.into()).expect("completed");
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("completed {chunks} chunks in {seconds:.0} s: {:.0}/s", chunks as f64 / seconds);
    Ok(dataset)
}

/// Every hundredth document is of the year 2000, each tenth of the nineties.
fn job(dataset: &Dataset, number: usize) -> IngestJob {
    let year = match number % 100 {
        0 => 2000.0,
        rest if rest % 10 == 1 => 1990.0,
        _ => 2020.0,
    };
    let source = DocumentSource::File { path: number.to_string().into() };
    let (name, content) = (format!("{number:09}"), ContentHash([0; 32]));
    let metadata = Metadata::from([("year".to_owned(), MetadataValue::Number(year))]);
    let job = IngestJob::new(dataset.id.clone(), name, source, content, number as u64);
    IngestJob { metadata, ..job }
}

struct Searches {
    store: Arc<PostgresStore>,
    corpus: SearchCorpus,
    dataset: Dataset,
    chunks: usize,
}

impl Searches {
    fn report_all(&self) -> Result<(), Box<dyn Error>> {
        self.report("hybrid", None, true, true)?;
        self.report("full text", None, true, false)?;
        self.report("vectors", None, false, true)?;
        self.report("hybrid, 10 % by metadata", Some("year < 2000"), true, true)?;
        self.report("hybrid, 1 % by metadata", Some("year = 2000"), true, true)?;
        self.report("hybrid, 89 % by metadata", Some("year > 2000"), true, true)
    }

    fn query(&self, question: usize, filter: Option<&str>) -> Result<SearchQuery, Box<dyn Error>> {
        let (words, near) = self.corpus.question(question, self.chunks);
        let metadata = filter.map(str::parse).transpose()?;
        let datasets = vec![self.dataset.id.clone()];
        let filter = ChunkFilter { datasets, metadata, ..ChunkFilter::default() };
        let (text, vector) = (Some(words), Some(near));
        Ok(SearchQuery { text, vector, filter, limit: 64, ..SearchQuery::default() })
    }

    fn report(
        &self,
        what: &str,
        filter: Option<&str>,
        text: bool,
        vector: bool,
    ) -> Result<(), Box<dyn Error>> {
        let mut times = Vec::new();
        for question in 0..WARM_UP + QUESTIONS {
            let mut query = self.query(question, filter)?;
            query.text = query.text.filter(|_| text);
            query.vector = query.vector.filter(|_| vector);
            let began = Instant::now();
            let found = self.store.search(&query)?;
            times.push(began.elapsed());
            assert!(!found.text.is_empty() || !found.vector.is_empty(), "something is found");
        }
        times.drain(..WARM_UP);
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        println!("{what:28} p50 {:7.1} ms   p99 {:7.1} ms", at(50), at(99));
        Ok(())
    }

    /// How many of the ten nearest chunks, by exact cosines, are among the ten found.
    fn report_recall(&self) -> Result<(), Box<dyn Error>> {
        const SAMPLE: usize = 40;
        let vectors: Vec<Vec<f32>> =
            (0..self.chunks).map(|chunk| self.corpus.vector(chunk)).collect();
        for filter in [None, Some("year > 2000")] {
            let admits = |chunk: usize| filter.is_none() || year_is_late(chunk);
            let mut found_of_ten = 0;
            for question in 0..SAMPLE {
                let query = self.query(question, filter)?;
                let near = query.vector.clone().unwrap_or_default();
                let mut exact: Vec<(f32, usize)> = (0..self.chunks)
                    .filter(|chunk| admits(*chunk))
                    .map(|at| (vectors[at].iter().zip(&near).map(|(a, b)| a * b).sum(), at))
                    .collect();
                exact.sort_by(|a, b| b.0.total_cmp(&a.0));
                let found = self.store.search(&query)?.vector;
                let ids: Vec<String> =
                    found.iter().take(10).map(|hit| hit.chunk.to_string()).collect();
                let ten = exact.iter().take(10);
                found_of_ten += ten.filter(|(_, chunk)| ids.contains(&chunk_id(*chunk))).count();
            }
            let recall = found_of_ten as f64 / (SAMPLE * 10) as f64;
            println!("recall@10 of vectors, filter {filter:?}: {recall:.3}");
        }
        Ok(())
    }
}

fn year_is_late(chunk: usize) -> bool {
    let document = chunk / CHUNKS_PER_DOCUMENT % 100;
    document != 0 && document % 10 != 1
}
