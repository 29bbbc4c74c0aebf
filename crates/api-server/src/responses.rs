//! [`Responses`]: answers that callers may go on from by their id.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use llm_bundle::{PoolError, SyncPool};
use rag_core::TenantId;
use response_store::{ResponseStore, ResponseStoreError, StoredResponse, Whose};

use crate::config::ResponsesConfig;

/// The file in the data directory.
pub(crate) const FILE: &str = "responses.sqlite";

/// How long what is being written may take when everything ends.
const LAST_JOBS: Duration = Duration::from_secs(10);

/// What is too old is looked for this often.
const SECONDS_BETWEEN_SWEEPS: i64 = 3_600;

/// Responses that are kept, and a thread that reads and writes them, so that no answer waits for other work. Cheap to
/// clone.
#[derive(Clone)]
pub(crate) struct Responses {
    store: Arc<ResponseStore>,
    thread: SyncPool,
    /// In seconds since 1970.
    next_sweep: Arc<AtomicI64>,
}

/// Why a response was not kept, found or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResponsesError {
    /// The thread has too much to do, or is gone.
    #[error("no thread reads or writes responses")]
    Thread(#[from] PoolError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] ResponseStoreError),
}

impl Responses {
    /// Opens the file in this directory.
    pub(crate) async fn open(config: &ResponsesConfig, data_dir: &Path) -> Result<Self> {
        let thread = SyncPool::builder().name("responses").threads(1).build()?;
        let (path, bounds) = (data_dir.join(FILE), config.bounds());
        let store = thread.run(move || ResponseStore::open(&path, bounds)).await?;
        let store = Arc::new(store.context("opening the responses that are kept")?);
        Ok(Self { store, thread, next_sweep: Arc::default() })
    }

    /// Keeps a response, which is written out on the thread, since it may be long. When this returns, it is on the disk.
    pub(crate) async fn keep(
        &self,
        tenant: TenantId,
        response: impl FnOnce() -> StoredResponse + Send + 'static,
    ) -> Result<(), ResponsesError> {
        let next_sweep = self.next_sweep.clone();
        self.on_thread(move |store| {
            store.keep(&tenant, &response())?;
            sweep(store, &next_sweep);
            Ok(())
        })
        .await
    }

    /// The response of this id.
    pub(crate) async fn find(
        &self,
        whose: Whose,
        id: String,
    ) -> Result<Option<StoredResponse>, ResponsesError> {
        self.on_thread(move |store| store.find(&whose, &id)).await
    }

    /// The response and all that it goes on from, the first one first.
    pub(crate) async fn conversation(
        &self,
        whose: Whose,
        id: String,
    ) -> Result<Option<Vec<StoredResponse>>, ResponsesError> {
        self.on_thread(move |store| store.conversation(&whose, &id)).await
    }

    /// Removes the response of this id; whether there was one.
    pub(crate) async fn delete(&self, whose: Whose, id: String) -> Result<bool, ResponsesError> {
        self.on_thread(move |store| store.delete(&whose, &id)).await
    }

    /// Finishes what is being written.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.thread.shutdown(LAST_JOBS).await {
            tracing::warn!(%error, "the thread of responses did not end");
        }
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ResponseStore) -> Result<T, ResponseStoreError> + Send + 'static,
    ) -> Result<T, ResponsesError> {
        let store = self.store.clone();
        Ok(self.thread.run(move || work(&store)).await??)
    }
}

/// The response is written by now, so a failure here is only told.
fn sweep(store: &ResponseStore, next: &AtomicI64) {
    let now = Timestamp::now();
    if now.as_second() < next.load(Ordering::Relaxed) {
        return;
    }
    next.store(now.as_second() + SECONDS_BETWEEN_SWEEPS, Ordering::Relaxed);
    match store.sweep(now) {
        Ok(0) => {}
        Ok(gone) => tracing::info!(gone, "old responses went"),
        Err(error) => {
            let error = crate::causes_line(&error);
            tracing::warn!(error, "old responses could not be removed");
        }
    }
}
