//! [`Pipeline`]: its parts, its options and what can be asked of it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::Stream;
use llm_bundle::{PoolError, Priority, SyncPool};
use llm_core::EmbeddingModel;
use rag_core::{ChunkIndex, DatasetId, DocumentChunker, DocumentParser, MetadataStore};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;

use crate::budget::Budget;
use crate::scan::{self, Scan, ScanOptions};
use crate::submit::{self, Submission, SubmitOptions};
use crate::worker::{self, Until};
use crate::{IngestError, IngestEvent, Progress, Summary};

/// Both sides of a store: every type that has them is one.
pub trait IngestStore: MetadataStore + ChunkIndex {}

impl<S: MetadataStore + ChunkIndex + ?Sized> IngestStore for S {}

/// What a pipeline is made of.
#[derive(Clone)]
pub struct PipelineParts {
    /// Where jobs, documents and chunks are kept.
    pub store: Arc<dyn IngestStore>,
    /// Reads files.
    pub parser: Arc<dyn DocumentParser>,
    /// Cuts their text.
    pub chunker: Arc<dyn DocumentChunker>,
    /// Embeds chunks. Jobs of datasets that are bound to a model of another name fail.
    pub embedding: Arc<dyn EmbeddingModel>,
    /// Where everything runs that blocks or computes. Its jobs may wait for the disk, never for models.
    pub pool: SyncPool,
}

/// How a pipeline works. The defaults suit a small server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineOptions {
    /// Jobs worked on at once. Default: twice the pool's threads, since jobs also wait for models.
    pub workers: Option<usize>,
    /// How long a job is held without a sign of life before another worker may take it.
    pub lease: Duration,
    /// Takings of a job before it is given up: what kills its worker must not do so for ever.
    pub max_attempts: u32,
    /// Bytes that files in work may take in memory together, estimated from their sizes.
    pub memory_bytes: u64,
    /// The most bytes of a file. Larger ones fail without being read.
    pub file_bytes: u64,
    /// Chunks embedded in one call, where the model takes so many.
    pub batch: usize,
    /// Calls for a batch before its document is given up, when the model says that trying again can help.
    pub embed_attempts: u32,
    /// How often a running pipeline looks for jobs that others submitted.
    pub poll: Duration,
    /// How long a stopped pipeline may go on with what it holds.
    pub grace: Duration,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self {
            workers: None,
            lease: Duration::from_secs(300),
            max_attempts: 5,
            memory_bytes: 256 << 20,
            file_bytes: 64 << 20,
            batch: 128,
            embed_attempts: 4,
            poll: Duration::from_secs(2),
            grace: Duration::from_secs(2),
        }
    }
}

/// The ingestion pipeline. Clones share it.
///
/// Any number of pipelines, in one process or several, may work on one store: jobs are claimed. Dropping a future of
/// this type stops its work at the next `await`; jobs it held are given back, and nothing is half done.
#[derive(Clone)]
pub struct Pipeline {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) parts: PipelineParts,
    pub(crate) options: PipelineOptions,
    pub(crate) budget: Budget,
    pub(crate) events: broadcast::Sender<IngestEvent>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Rung when jobs were submitted here.
    pub(crate) submitted: Notify,
    /// Jobs held.
    pub(crate) active: AtomicUsize,
    /// Whether anything was done since the last [`IngestEvent::Idle`].
    pub(crate) busy: AtomicBool,
    /// Jobs being given back.
    pub(crate) releases: Mutex<Vec<JoinHandle<()>>>,
}

/// Events kept for slow listeners; a listener that is further behind misses the oldest.
const EVENTS_KEPT: usize = 4096;

/// How long to leave a pool alone that has no room.
const NO_ROOM: Duration = Duration::from_millis(50);

impl Pipeline {
    /// A pipeline with the default options.
    pub fn new(parts: PipelineParts) -> Self {
        Self::with_options(parts, PipelineOptions::default())
    }

    /// A pipeline.
    pub fn with_options(parts: PipelineParts, options: PipelineOptions) -> Self {
        let budget = Budget::new(options.memory_bytes);
        let shared = Shared {
            parts,
            options,
            budget,
            events: broadcast::channel(EVENTS_KEPT).0,
            progress: watch::Sender::default(),
            submitted: Notify::new(),
            active: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
            releases: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What happens from now on. A listener that falls 4,096 events behind misses the oldest; totals that cannot be
    /// missed are in [`progress`](Self::progress).
    pub fn events(&self) -> impl Stream<Item = IngestEvent> + Send + use<> {
        futures::stream::unfold(self.shared.events.subscribe(), |mut receiver| async {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }

    /// How far this pipeline is, always the latest.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// Finds files, on the pool. See [`scan`](crate::scan()).
    ///
    /// # Errors
    /// Only the pool's.
    pub async fn scan(
        &self,
        paths: Vec<PathBuf>,
        options: ScanOptions,
    ) -> Result<Scan, IngestError> {
        let parser = self.shared.parts.parser.clone();
        let look = move || scan::scan(&paths, &|name| parser.takes(name), &options);
        Ok(self.shared.on_pool(look).await?)
    }

    /// Hashes the files and submits those whose content is new. When this returns, each queued file is a durable job.
    ///
    /// # Errors
    /// The store's and the pool's. Files submitted before the failure stay submitted.
    pub async fn submit(
        &self,
        dataset: &DatasetId,
        scan: Scan,
        options: SubmitOptions,
    ) -> Result<Submission, IngestError> {
        submit::submit(&self.shared, dataset, scan, options).await
    }

    /// Finds, submits, and works until nothing is left to do (of this dataset or any other).
    ///
    /// # Errors
    /// The store's and the pool's. What was done or submitted before stays so.
    pub async fn ingest(
        &self,
        dataset: &DatasetId,
        paths: Vec<PathBuf>,
        options: SubmitOptions,
    ) -> Result<Summary, IngestError> {
        let began = Instant::now();
        let scan = self.scan(paths, options.scan.clone()).await?;
        let submission = self.submit(dataset, scan, options).await?;
        let mut summary = Summary {
            unchanged: submission.unchanged,
            failed: submission.failed,
            missing: submission.missing,
            pruned: submission.pruned,
            elapsed: began.elapsed(),
            ..Summary::default()
        };
        summary.add(self.run_until_idle().await?);
        Ok(summary)
    }

    /// Works until no job can be claimed. The summary is of the jobs that this call worked off.
    ///
    /// # Errors
    /// The store's and the pool's.
    pub async fn run_until_idle(&self) -> Result<Summary, IngestError> {
        worker::run(&self.shared, Until::Idle, std::future::pending()).await
    }

    /// Works until `stop` completes, waiting for jobs when there are none. Then no more jobs are taken, those held are
    /// finished within the grace, and the rest are given back.
    ///
    /// # Errors
    /// The store's and the pool's.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<Summary, IngestError> {
        worker::run(&self.shared, Until::Stopped, stop).await
    }
}

impl Shared {
    pub(crate) fn tell(&self, event: IngestEvent) {
        // Nobody may be listening.
        drop(self.events.send(event));
    }

    /// Runs work for somebody who waits on the pool, as [`on_pool_as`](Self::on_pool_as).
    pub(crate) async fn on_pool<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.on_pool_as(Priority::Interactive, work).await
    }

    /// Runs work on the pool, waiting while the pool has no room.
    pub(crate) async fn on_pool_as<T, F>(&self, priority: Priority, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        // A pool without room drops what it is given, so it is given a way to fetch the work.
        let work = Arc::new(Mutex::new(Some(work)));
        loop {
            let fetch = work.clone();
            let run = move || {
                let work = fetch.lock().ok().and_then(|mut work| work.take());
                work.map(|work| work())
            };
            match self.parts.pool.run_as(priority, run).await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) | Err(PoolError::Busy { .. }) => tokio::time::sleep(NO_ROOM).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs work of the store on the pool.
    pub(crate) async fn with_store<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn IngestStore) -> T + Send + 'static,
    {
        let store = self.parts.store.clone();
        self.on_pool(move || work(&*store)).await
    }

    pub(crate) fn workers(&self) -> usize {
        let default = 2 * self.parts.pool.status().threads;
        self.options.workers.unwrap_or(default).max(1)
    }
}
