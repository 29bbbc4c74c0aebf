//! [`Canary`]: small requests, one after the other, whose waiting tells whether a runtime is held up.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use llm_bundle::Bundle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::models::ask;

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks until it is stopped.
pub(crate) struct Canary {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Vec<Duration>>>,
}

/// How long requests took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latencies {
    pub(crate) count: usize,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Canary {
    /// Begins, on this runtime.
    pub(crate) fn start(bundle: Bundle, model: &'static str) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut taken = Vec::new();
            while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                let began = Instant::now();
                ask(&bundle, model).await?;
                taken.push(began.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            Ok(taken)
        });
        Self { stop, task }
    }

    /// Stops, and tells.
    ///
    /// # Errors
    /// When a request failed.
    pub(crate) async fn stop(self) -> Result<Latencies> {
        // It ends by itself only by a failure, which its result tells.
        let _ = self.stop.send(());
        let mut taken = self.task.await??;
        ensure!(!taken.is_empty(), "nothing was asked");
        taken.sort_unstable();
        let at = |share: f64| taken[((taken.len() - 1) as f64 * share).round() as usize];
        Ok(Latencies { count: taken.len(), median: at(0.5), p99: at(0.99), longest: at(1.0) })
    }
}
