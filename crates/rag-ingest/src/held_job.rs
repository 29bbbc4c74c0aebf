//! A claimed job while it is worked on: its lease is kept up, and it is given back when it is dropped undone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_bundle::Priority;
use rag_core::{ClaimedJob, IngestStage, StoreError, StoreErrorKind};
use tokio::sync::Notify;

use crate::artifacts::Artifacts;
use crate::pipeline::Shared;
use crate::{IngestEvent, IngestStore};

pub(crate) struct HeldJob {
    shared: Arc<Shared>,
    job: ClaimedJob,
    artifacts: Artifacts,
    stage: Mutex<IngestStage>,
    /// How much of the step is done.
    done: AtomicU64,
    /// Rung when the job was taken back.
    cancelled: Arc<Notify>,
    settled: AtomicBool,
}

/// A sign of life is a write to the store: short jobs need none.
const FIRST_SIGN: Duration = Duration::from_secs(2);

impl HeldJob {
    pub(crate) fn new(shared: Arc<Shared>, job: ClaimedJob) -> Self {
        shared.active.fetch_add(1, Ordering::AcqRel);
        if !shared.busy.swap(true, Ordering::AcqRel) {
            shared.begin_rate();
        }
        shared.progress.send_modify(|progress| {
            progress.current = Some(job.job.name.clone());
            progress.current_dataset = Some(job.job.dataset.clone());
        });
        let cancelled = Arc::new(Notify::new());
        if let Ok(mut held) = shared.held.lock() {
            held.insert(job.id, (job.document.clone(), cancelled.clone()));
        }
        let artifacts = Artifacts::new(shared.parts.store.clone(), shared.parts.pool.clone());
        Self {
            shared,
            job,
            artifacts,
            stage: Mutex::new(IngestStage::Read),
            done: AtomicU64::new(0),
            cancelled,
            settled: AtomicBool::new(false),
        }
    }

    pub(crate) fn job(&self) -> &ClaimedJob {
        &self.job
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where results of its dear steps are kept.
    pub(crate) fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Begins a step.
    pub(crate) fn enter(&self, stage: IngestStage) {
        if let Ok(mut current) = self.stage.lock() {
            *current = stage;
        }
        self.done.store(0, Ordering::Release);
        let (document, name) = (self.job.document.clone(), self.job.job.name.clone());
        let event = IngestEvent::Stage { document, name, stage };
        self.shared.tell_of(&self.job.job.dataset, event);
    }

    /// So many more of the step's parts (pictures, chunks) are done, `of` all.
    pub(crate) fn advanced(&self, more: u64, of: u64) {
        let done = self.done.fetch_add(more, Ordering::AcqRel) + more;
        let (document, name) = (self.job.document.clone(), self.job.job.name.clone());
        let event = IngestEvent::Advanced { document, name, stage: self.stage(), done, of };
        self.shared.tell_of(&self.job.job.dataset, event);
    }

    /// The job is ended in the store, or is no longer ours.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Returns when the job is taken back by [`Pipeline::cancel`](crate::Pipeline::cancel).
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }

    /// Extends the lease for as long as this is polled. Returns only when the job cannot be held on to.
    pub(crate) async fn keep(&self) -> StoreError {
        let lease = self.shared.options.lease;
        let mut pause = FIRST_SIGN.min(lease / 3);
        loop {
            tokio::time::sleep(pause).await;
            pause = Duration::from_secs(5).min(lease / 3);
            let (job, stage) = (self.job.clone(), self.stage());
            let advance = move |store: &dyn IngestStore| store.advance(&job, stage, lease);
            match self.shared.with_store_as(Priority::Interactive, advance).await {
                Ok(Err(error)) if error.kind() == StoreErrorKind::LeaseLost => return error,
                // The lease is long: the next sign may come through.
                Ok(Err(error)) => tracing::warn!(%error, "a job's lease could not be extended"),
                Err(error) => tracing::warn!(%error, "a job's lease could not be extended"),
                Ok(Ok(())) => {}
            }
        }
    }

    fn stage(&self) -> IngestStage {
        self.stage.lock().map_or(IngestStage::Read, |stage| *stage)
    }
}

impl Drop for HeldJob {
    fn drop(&mut self) {
        self.shared.active.fetch_sub(1, Ordering::AcqRel);
        if let Ok(mut held) = self.shared.held.lock() {
            held.remove(&self.job.id);
        }
        if self.settled.load(Ordering::Acquire) {
            return;
        }
        // Without a runtime the lease runs out instead.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (shared, job, artifacts) =
            (self.shared.clone(), self.job.clone(), self.artifacts.clone());
        let release = runtime.spawn(async move {
            // Whoever takes the job next finds all that was paid for.
            artifacts.settled().await;
            if let Err(error) = shared.with_store(move |store| store.release(&job)).await {
                tracing::warn!(%error, "a job could not be given back; its lease will run out");
            }
        });
        if let Ok(mut releases) = self.shared.releases.lock() {
            releases.retain(|release| !release.is_finished());
            releases.push(release);
        }
    }
}
