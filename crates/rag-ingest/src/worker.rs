//! Workers: each claims a job, works it off, and takes the next.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rag_core::ClaimedJob;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::job::{self, Settled};
use crate::pipeline::Shared;
use crate::{IngestError, IngestEvent, Summary};

/// When workers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// When no job can be claimed.
    Idle,
    /// When they are told to.
    Stopped,
}

/// Runs workers until they end or `stop` completes.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    until: Until,
    stop: impl Future<Output = ()>,
) -> Result<Summary, IngestError> {
    let began = Instant::now();
    let (stopping, stopped) = watch::channel(false);
    // Dropped with this future, which ends the workers.
    let mut workers = JoinSet::new();
    for _ in 0..shared.workers() {
        workers.spawn(work(shared.clone(), until, stopped.clone()));
    }
    let mut summary = Summary::default();
    let finished = tokio::select! {
        finished = join(&mut workers, &mut summary) => Some(finished),
        () = stop => None,
    };
    let outcome = match finished {
        Some(outcome) => outcome,
        None => {
            stopping.send_replace(true);
            let rest = join(&mut workers, &mut summary);
            tokio::time::timeout(shared.options.grace, rest).await.unwrap_or(Ok(()))
        }
    };
    workers.shutdown().await;
    given_back(shared).await;
    outcome?;
    if until == Until::Idle {
        tell_idle(shared);
    }
    summary.elapsed = began.elapsed();
    summary.failed.sort();
    Ok(summary)
}

async fn join(
    workers: &mut JoinSet<Result<Summary, IngestError>>,
    summary: &mut Summary,
) -> Result<(), IngestError> {
    while let Some(ended) = workers.join_next().await {
        match ended {
            Ok(outcome) => summary.add(outcome?),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    Ok(())
}

async fn given_back(shared: &Shared) {
    let releases = shared.releases.lock().map(|mut releases| std::mem::take(&mut *releases));
    for release in releases.unwrap_or_default() {
        drop(release.await);
    }
}

async fn work(
    shared: Arc<Shared>,
    until: Until,
    mut stopped: watch::Receiver<bool>,
) -> Result<Summary, IngestError> {
    let mut summary = Summary::default();
    while !*stopped.borrow() {
        let submitted = shared.submitted.notified();
        match claim(&shared).await? {
            Some(claimed) => record(job::work_off(&shared, claimed).await?, &mut summary),
            None if until == Until::Idle => break,
            None => {
                tell_idle(&shared);
                tokio::select! {
                    () = submitted => {}
                    () = tokio::time::sleep(shared.options.poll) => {}
                    _ = stopped.changed() => {}
                }
            }
        }
    }
    Ok(summary)
}

async fn claim(shared: &Shared) -> Result<Option<ClaimedJob>, IngestError> {
    let (lease, attempts) = (shared.options.lease, shared.options.max_attempts);
    Ok(shared.with_store(move |store| store.claim(lease, attempts)).await??)
}

fn record(settled: Settled, summary: &mut Summary) {
    match settled {
        Settled::Done { chunks } => {
            summary.added += 1;
            summary.chunks += chunks;
        }
        Settled::Failed { name, reason } => summary.failed.push((name, reason)),
        Settled::NotOurs => {}
    }
}

/// Tells once after each time of work that none is left.
fn tell_idle(shared: &Shared) {
    if shared.active.load(Ordering::Acquire) == 0 && shared.busy.swap(false, Ordering::AcqRel) {
        shared.tell(IngestEvent::Idle);
    }
}
