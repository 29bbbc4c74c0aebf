//! `bench ingest`: pages of Markdown through the whole pipeline as the server has it, and a question asked ten times a
//! second before, meanwhile, and after, when there is as much to search as at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use llm_bundle::{Adapted, Blocking, Bundle, Priority, Registry, SyncPool};
use llm_core::{EmbeddingModel, SyncEmbeddingModel};
use llm_local::StaticEmbedding;
use rag_core::{Dataset, DatasetSettings, EmbeddingIdentity, MetadataStore, TenantId};
use rag_ingest::{
    Pipeline, PipelineOptions, PipelineParts, SubmitOptions, Summary, TextsOf, no_chat,
};
use rag_parse::{FileParser, StructuralChunker};
use rag_retrieve::{RetrieveRequest, Retriever};
use rag_store::{EmbeddedStore, StoreOptions};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use super::pages;

/// Between two questions.
const PACE: Duration = Duration::from_millis(100);
/// Questions asked of the idle server, each time.
const IDLE_QUESTIONS: usize = 100;
/// Pages that are there before anything is measured, so that questions have something to find.
const PAGES_BEFORE: usize = 500;
const MODEL: &str = "local/static";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Pages to ingest, of about 1,400 words
    #[arg(long, default_value_t = 10_000)]
    pages: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.pages > 0, "nothing to ingest");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(measure(args.pages))?;
    match args.json {
        true => println!("{}", measured.json()),
        false => measured.print(),
    }
    Ok(())
}

struct Measured {
    bytes: u64,
    summary: Summary,
    before: Latencies,
    meanwhile: Latencies,
    after: Latencies,
    most_memory: u64,
}

async fn measure(count: usize) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let (first, docs) = (folder.path().join("first"), folder.path().join("docs"));
    std::fs::create_dir(&first)?;
    std::fs::create_dir(&docs)?;
    pages::write(&first, PAGES_BEFORE)?;
    let bytes = pages::write(&docs, count)?;
    let site = Site::open(&folder.path().join("data"))?;

    site.ingest(first).await?;
    site.ask(IDLE_QUESTIONS).await?;
    let before = site.ask(IDLE_QUESTIONS).await?;
    let asking = tokio::spawn({
        let site = site.clone();
        async move { site.ask(usize::MAX).await }
    });
    let (summary, meanwhile) = site.ingest_beside(docs, asking).await?;
    ensure!(summary.failed.is_empty(), "{} pages failed", summary.failed.len());
    let after = site.ask(IDLE_QUESTIONS).await?;
    Ok(Measured { bytes, summary, before, meanwhile, after, most_memory: most_memory()? })
}

/// The parts of a server, with its sizes of pools.
#[derive(Clone)]
struct Site {
    pipeline: Pipeline,
    dataset: Dataset,
    retriever: Arc<Retriever>,
    callers: SyncPool,
    stop: Arc<tokio::sync::Notify>,
}

impl Site {
    fn open(data: &std::path::Path) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let callers = SyncPool::builder().name("callers").threads(threads + 2).build()?;
        let models = SyncPool::builder().name("models").threads(threads).models().build()?;
        let local: Arc<dyn SyncEmbeddingModel> = Arc::new(StaticEmbedding::new());
        let dimensions = local.info().limits.dimensions.context("the length of the vectors")?;
        let registry = Registry::builder()
            .embedding(Arc::new(Adapted::new(local, models)))
            .unlimited("local")
            .build();
        let bundle = Bundle::new(registry);

        let store = EmbeddedStore::open(data, StoreOptions::default())?;
        let embedding = EmbeddingIdentity {
            model: MODEL.to_owned(),
            dimensions,
            ..EmbeddingIdentity::default()
        };
        let settings = DatasetSettings::default();
        let dataset = store.ensure_dataset(&TenantId::local(), "default", &embedding, &settings)?;

        let ingesting = bundle.clone().with_priority(Priority::Batch);
        let parts = PipelineParts {
            store: store.clone(),
            parser: Arc::new(FileParser::default()),
            chunker: Arc::new(StructuralChunker::default()),
            embedder: Arc::new(move |identity: &EmbeddingIdentity, _: TextsOf<'_>| {
                Ok(Arc::new(ingesting.embedder(&identity.model)?) as Arc<dyn EmbeddingModel>)
            }),
            vision: None,
            chat: no_chat(),
            pool: callers.clone(),
        };
        let options = PipelineOptions { workers: Some(2), ..PipelineOptions::default() };
        let home = Handle::current();
        let embedder = move |identity: &EmbeddingIdentity| {
            let model: Arc<dyn EmbeddingModel> = Arc::new(bundle.embedder(&identity.model)?);
            Ok(Arc::new(Blocking::new(model, home.clone())) as Arc<dyn SyncEmbeddingModel>)
        };
        Ok(Self {
            pipeline: Pipeline::with_options(parts, options),
            dataset,
            retriever: Arc::new(Retriever::new(store.clone(), store, Arc::new(embedder))),
            callers,
            stop: Arc::default(),
        })
    }

    async fn ingest(&self, folder: std::path::PathBuf) -> Result<Summary> {
        let options = SubmitOptions::default();
        Ok(self.pipeline.ingest(&self.dataset.id, vec![folder], options).await?)
    }

    async fn ingest_beside(
        &self,
        folder: std::path::PathBuf,
        asking: tokio::task::JoinHandle<Result<Latencies>>,
    ) -> Result<(Summary, Latencies)> {
        let summary = self.ingest(folder).await;
        self.stop.notify_one();
        Ok((summary?, asking.await??))
    }

    /// Asks at a steady pace, `most` times or until it is stopped.
    async fn ask(&self, most: usize) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0..most {
            tokio::select! {
                _ = pace.tick() => {}
                () = self.stop.notified() => break,
            }
            let began = Instant::now();
            let (retriever, dataset) = (self.retriever.clone(), self.dataset.clone());
            let found = self.callers.run(move || retriever.retrieve(&request(number, dataset)));
            ensure!(!found.await??.chunks.is_empty(), "a question found nothing");
            latencies.0.push(began.elapsed());
        }
        latencies.0.sort();
        Ok(latencies)
    }
}

fn request(number: usize, dataset: Dataset) -> RetrieveRequest {
    RetrieveRequest {
        question: pages::question(number),
        datasets: vec![dataset],
        ..RetrieveRequest::default()
    }
}

/// Sorted.
#[derive(Clone, Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    /// The latency that so many hundredths of the questions do not exceed, in milliseconds.
    fn percentile(&self, hundredths: usize) -> f64 {
        let place = (self.0.len() * hundredths).div_ceil(100).saturating_sub(1);
        self.0.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

impl Measured {
    fn rates(&self) -> (f64, f64, f64) {
        let seconds = self.summary.elapsed.as_secs_f64();
        let chunks = self.summary.chunks as f64 / seconds;
        (seconds, chunks, self.bytes as f64 / seconds / 1e6)
    }

    fn json(&self) -> serde_json::Value {
        let (seconds, chunks, megabytes) = self.rates();
        let latency = |of: &Latencies| json!({ "questions": of.0.len(), "p50_ms": of.percentile(50), "p99_ms": of.percentile(99) });
        json!({
            "pages": self.summary.added,
            "chunks": self.summary.chunks,
            "seconds": seconds,
            "chunks_per_second": chunks,
            "megabytes_per_second": megabytes,
            "most_memory_mb": self.most_memory / 1_000_000,
            "question_before": latency(&self.before),
            "question_meanwhile": latency(&self.meanwhile),
            "question_after": latency(&self.after),
        })
    }

    fn print(&self) {
        let (seconds, chunks, megabytes) = self.rates();
        let Summary { added, chunks: all, .. } = &self.summary;
        println!(
            "{added} pages, {all} chunks in {seconds:.1} s: {chunks:.0} chunks/s, {megabytes:.1} MB/s"
        );
        println!("most memory: {} MB", self.most_memory / 1_000_000);
        let when =
            [("before", &self.before), ("meanwhile", &self.meanwhile), ("after", &self.after)];
        for (when, of) in when {
            let (median, slow) = (of.percentile(50), of.percentile(99));
            println!(
                "a question, {when}: p50 {median:.1} ms, p99 {slow:.1} ms ({} asked)",
                of.0.len()
            );
        }
    }
}

/// The most memory that this process has had, in bytes.
fn most_memory() -> Result<u64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("reading this process's state")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kibibytes.context("the most memory of this process")? * 1024)
}
