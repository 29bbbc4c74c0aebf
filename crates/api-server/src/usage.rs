//! [`Usage`]: the server's usage records.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use jiff::Timestamp;
use llm_bundle::{CallRecord, RecordQueue, RecordQueueOptions, RecordWriter, SyncPool};
use llm_core::{BoxError, Operation};
use llm_usage::{UsageError, UsageStore};

use crate::config::UsageConfig;

/// The file in the data directory.
pub(crate) const FILE: &str = "usage.db";

/// How long the last records may take to be written.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// What is not to be kept any longer is looked for this often.
const SECONDS_BETWEEN_PRUNINGS: i64 = 3_600;

/// Records on their way into `usage.db`, and those that are there. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Usage {
    store: Arc<UsageStore>,
    queue: RecordQueue,
    /// One thread to write and one to read, so that neither waits for the other nor for anything else.
    writing: SyncPool,
    reading: SyncPool,
}

impl Usage {
    /// Opens the records in this directory, if they shall be kept. Must be called on a runtime.
    pub(crate) async fn open(config: &UsageConfig, data_dir: &Path) -> Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        let writing = SyncPool::builder().name("usage").threads(1).build()?;
        let reading = SyncPool::builder().name("usage-read").threads(1).build()?;
        let (path, retention) = (data_dir.join(FILE), config.retention());
        let store = writing.run(move || UsageStore::open(&path, retention)).await?;
        let store = Arc::new(store.context("opening the usage records")?);
        let writer =
            Writer { store: store.clone(), pool: writing.clone(), next_pruning: Arc::default() };
        let queue = RecordQueue::start(writer, RecordQueueOptions::default());
        Ok(Some(Self { store, queue, writing, reading }))
    }

    /// Where records go.
    pub(crate) fn queue(&self) -> &RecordQueue {
        &self.queue
    }

    /// Reads records on a thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&UsageStore) -> Result<T, UsageError> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        Ok(self.reading.run(move || work(&store)).await??)
    }

    /// Writes what is left. Call it when no model is called any more.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.queue.close(LAST_RECORDS).await {
            tracing::error!(%error, "usage records are lost");
        }
        for pool in [&self.writing, &self.reading] {
            if let Err(error) = pool.shutdown(LAST_RECORDS).await {
                tracing::warn!(%error, "a thread of usage records did not end");
            }
        }
    }
}

/// Writes batches on the thread, and lets go of old records now and then.
struct Writer {
    store: Arc<UsageStore>,
    pool: SyncPool,
    /// In seconds since 1970.
    next_pruning: Arc<AtomicI64>,
}

impl RecordWriter for Writer {
    fn write(&self, batch: Arc<[CallRecord]>) -> BoxFuture<'static, Result<(), BoxError>> {
        let (store, next_pruning) = (self.store.clone(), self.next_pruning.clone());
        let job = self.pool.submit(move || {
            store.append(&batch)?;
            prune(&store, &next_pruning);
            Ok::<_, UsageError>(())
        });
        Box::pin(async move {
            let written = job.map_err(|error| error.during(Operation::Raw))?;
            Ok(written.await.map_err(|error| error.during(Operation::Raw))??)
        })
    }
}

/// The batch is written by now, so a failure here must not make it be written again.
fn prune(store: &UsageStore, next: &AtomicI64) {
    let now = Timestamp::now();
    if now.as_second() < next.load(Ordering::Relaxed) {
        return;
    }
    next.store(now.as_second() + SECONDS_BETWEEN_PRUNINGS, Ordering::Relaxed);
    match store.prune(now) {
        Ok(0) => {}
        Ok(gone) => tracing::info!(gone, "old usage records went"),
        Err(error) => {
            let error = crate::causes_line(&error);
            tracing::warn!(error, "old usage records could not be removed");
        }
    }
}
