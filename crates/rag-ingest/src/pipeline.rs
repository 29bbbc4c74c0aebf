//! [`Pipeline`]: its parts, its options and what can be asked of it.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use llm_bundle::{PoolError, Priority, SyncPool};
use llm_core::{ChatModel, EmbeddingModel, ErrorKind, ModelError, Operation, VisionModel};
use rag_core::{
    AllowedProviders, ClaimedJob, Dataset, DatasetId, DocumentChunker, DocumentId, DocumentParser,
    EmbeddingIdentity, StoreError, TenantId,
};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;

use crate::budget::Budget;
use crate::on_pool::on_pool;
use crate::patience::Answers;
use crate::rate::Rate;
use crate::scan::{self, Scan, ScanOptions};
use crate::submit::{self, Submission, SubmitOptions};
use crate::watch::Seen;
use crate::worker::{self, Until};
use crate::{IngestError, IngestEvent, IngestStore, Progress, Summary};

/// Whose texts a model is shown, and which providers may see them.
#[derive(Clone, Copy, Debug)]
pub struct TextsOf<'a> {
    /// On whose behalf the model is asked.
    pub tenant: &'a TenantId,
    /// The dataset's data policy.
    pub providers: &'a AllowedProviders,
}

impl<'a> TextsOf<'a> {
    /// Those of this dataset.
    pub(crate) fn dataset(dataset: &'a Dataset) -> Self {
        Self { tenant: &dataset.tenant, providers: &dataset.settings.providers }
    }

    /// Those of this job's file.
    pub(crate) fn job(job: &'a ClaimedJob) -> Self {
        Self { tenant: &job.tenant, providers: &job.settings.providers }
    }
}

/// Gives the embedding model of an identity, for these texts.
pub type EmbedderFor = Arc<
    dyn Fn(&EmbeddingIdentity, TextsOf<'_>) -> Result<Arc<dyn EmbeddingModel>, ModelError>
        + Send
        + Sync,
>;

/// Gives the chat model of this name, or the default one, for these texts.
pub type ChatFor =
    Arc<dyn Fn(Option<&str>, TextsOf<'_>) -> Result<Arc<dyn ChatModel>, ModelError> + Send + Sync>;

/// Gives the model that reads pictures of these texts.
pub type VisionFor =
    Arc<dyn Fn(TextsOf<'_>) -> Result<Arc<dyn VisionModel>, ModelError> + Send + Sync>;

/// Enriches with nothing: for pipelines without a chat model. Datasets that want it get a warning with each document.
pub fn no_chat() -> ChatFor {
    Arc::new(|_, _| {
        let message = "there is no chat model";
        Err(ModelError::new(ErrorKind::NotFound, Operation::Chat, message))
    })
}

/// Embeds with one model; documents of datasets that are bound to another fail.
pub fn one_embedder(model: Arc<dyn EmbeddingModel>) -> EmbedderFor {
    let name = model.info().name.to_string();
    Arc::new(move |identity, _| match identity.model == name {
        true => Ok(model.clone()),
        false => {
            let wanted = &identity.model;
            let message =
                format!("the dataset is embedded with `{wanted}`, but there is only `{name}` here");
            Err(ModelError::new(ErrorKind::NotFound, Operation::Embed, message))
        }
    })
}

/// What a pipeline is made of.
#[derive(Clone)]
pub struct PipelineParts {
    /// Where jobs, documents and chunks are kept.
    pub store: Arc<dyn IngestStore>,
    /// Reads files.
    pub parser: Arc<dyn DocumentParser>,
    /// Cuts their text.
    pub chunker: Arc<dyn DocumentChunker>,
    /// Gives the models that embed chunks. Documents of datasets without one fail.
    pub embedder: EmbedderFor,
    /// Reads pictures: scanned pages, figures. Without it they are left out, with a warning or, where a file is nothing
    /// else, its parser's reason.
    pub vision: Option<VisionFor>,
    /// Gives the models that add to documents, where their datasets want that.
    pub chat: ChatFor,
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
    /// Calls of a model that fail again and again before their document is given up, when the model answers other calls
    /// meanwhile and says that trying again can help.
    pub model_attempts: u32,
    /// How long a document waits for a model that answers nobody. An outage shorter than this fails no document.
    pub patience: Duration,
    /// Models whose vectors are cheaper to make than to keep, as `provider/model`. Those of others are kept as
    /// artifacts, so that no text is paid for twice.
    pub cheap_models: Vec<String>,
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
            model_attempts: 4,
            patience: Duration::from_secs(1800),
            cheap_models: vec!["local/static".to_owned()],
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
    /// What happens, and to a document of which dataset.
    pub(crate) events: broadcast::Sender<(Option<DatasetId>, IngestEvent)>,
    pub(crate) progress: watch::Sender<Progress>,
    /// How fast it goes.
    pub(crate) rate: Mutex<Rate>,
    /// When models answered last.
    pub(crate) answers: Answers,
    /// Jobs held, by number, each with what takes it back.
    pub(crate) held: Mutex<HashMap<i64, (DocumentId, Arc<Notify>)>>,
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
            rate: Mutex::default(),
            answers: Answers::default(),
            held: Mutex::default(),
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
        self.events_by_dataset().map(|(_, event)| event)
    }

    /// The same, each with the dataset of the document that it is about, if it is about one: for listeners who may not know
    /// of all datasets.
    pub fn events_by_dataset(
        &self,
    ) -> impl Stream<Item = (Option<DatasetId>, IngestEvent)> + Send + use<> {
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
        self.submit_seen(dataset, scan, options, None).await
    }

    /// The same, without reading files that were seen as they are.
    pub(crate) async fn submit_seen(
        &self,
        dataset: &DatasetId,
        scan: Scan,
        options: SubmitOptions,
        seen: Option<Arc<Seen>>,
    ) -> Result<Submission, IngestError> {
        submit::submit(&self.shared, dataset, scan, options, seen).await
    }

    /// Takes back the job of a document, queued or running: work on it stops at its next `await`. What was searchable of
    /// it before still is. Whether there was a job.
    ///
    /// # Errors
    /// The store's and the pool's.
    pub async fn cancel(&self, document: &DocumentId) -> Result<bool, IngestError> {
        let shared = &self.shared;
        let id = document.clone();
        let cancel = move |store: &dyn IngestStore| store.cancel(&id);
        if !shared.with_store_as(Priority::Interactive, cancel).await?? {
            return Ok(false);
        }
        shared.stop_work_on(document);
        shared.count(|progress| progress.cancelled += 1);
        shared.tell(IngestEvent::Cancelled { document: document.clone() });
        Ok(true)
    }

    /// Queues a document again that failed or was cancelled, as it was submitted last. Whether it did: not when the
    /// document does not exist, is searchable as it is, or has a job.
    ///
    /// # Errors
    /// The store's, also when nothing is known any more of where its bytes are; and the pool's.
    pub async fn retry(&self, document: &DocumentId) -> Result<bool, IngestError> {
        let shared = &self.shared;
        let id = document.clone();
        let retry = move |store: &dyn IngestStore| {
            let queued = store.retry(&id)?;
            Ok::<_, StoreError>((queued, store.document(&id)?))
        };
        let (queued, document) = shared.with_store_as(Priority::Interactive, retry).await??;
        if queued {
            shared.queued(1, document.map_or(0, |document| document.bytes));
        }
        Ok(queued)
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

impl Pipeline {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// So many jobs were queued.
    pub(crate) fn queued(&self, documents: u64, bytes: u64) {
        self.count(|progress| {
            progress.queued += documents;
            progress.queued_bytes += bytes;
        });
        self.tell(IngestEvent::Queued { total: documents });
        self.submitted.notify_waiters();
    }

    pub(crate) fn tell(&self, event: IngestEvent) {
        // Nobody may be listening.
        drop(self.events.send((None, event)));
    }

    /// The same of a document in this dataset.
    pub(crate) fn tell_of(&self, dataset: &DatasetId, event: IngestEvent) {
        drop(self.events.send((Some(dataset.clone()), event)));
    }

    /// Changes the totals, and with them the rates.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| {
            change(progress);
            if let Ok(mut rate) = self.rate.lock() {
                rate.update(progress, Instant::now());
            }
        });
    }

    /// Work begins after a rest: rates are taken from here on.
    pub(crate) fn begin_rate(&self) {
        if let Ok(mut rate) = self.rate.lock() {
            rate.begin(&self.progress.borrow(), Instant::now());
        }
    }

    /// Wakes whoever works on this document here, to stop.
    fn stop_work_on(&self, document: &DocumentId) {
        if let Ok(held) = self.held.lock() {
            let here = held.values().filter(|(id, _)| id == document);
            here.for_each(|(_, cancelled)| cancelled.notify_one());
        }
    }

    /// Runs ingestion's own work on the pool, where live questions go before it.
    pub(crate) async fn on_pool<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        on_pool(&self.parts.pool, Priority::Batch, work).await
    }

    /// Runs ingestion's own work of the store on the pool.
    pub(crate) async fn with_store<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn IngestStore) -> T + Send + 'static,
    {
        self.with_store_as(Priority::Batch, work).await
    }

    /// Runs work of the store on the pool: [`Interactive`](Priority::Interactive) for what cannot wait behind documents,
    /// because somebody does or a lease runs out.
    pub(crate) async fn with_store_as<T, F>(
        &self,
        priority: Priority,
        work: F,
    ) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn IngestStore) -> T + Send + 'static,
    {
        let store = self.parts.store.clone();
        on_pool(&self.parts.pool, priority, move || work(&*store)).await
    }

    /// Chunks that this model embeds in one call.
    pub(crate) fn batch_of(&self, model: &dyn EmbeddingModel) -> usize {
        let most = model.info().limits.batch.map_or(usize::MAX, |batch| batch as usize);
        self.options.batch.min(most).max(1)
    }

    pub(crate) fn workers(&self) -> usize {
        let default = 2 * self.parts.pool.status().threads;
        self.options.workers.unwrap_or(default).max(1)
    }
}
