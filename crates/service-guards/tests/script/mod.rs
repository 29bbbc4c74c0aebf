//! A service that answers as scripted, and a probe that sees what is alive.
#![allow(dead_code, unreachable_pub)] // Each test binary uses its part.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_stream::stream;
use futures::future::BoxFuture;
use service_guards::{Judge, Rejection, Reply, Retry, RetryHint, Verdict};
use tokio::time::sleep;
use tower::Service;

/// How a scripted call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not to be retried.
    No,
    /// To be retried.
    Now,
    /// To be retried after some seconds.
    After(u64),
}

/// The error of the scripted service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptError {
    Failed(Failure),
    Rejected(Rejection),
}

impl From<Rejection> for ScriptError {
    fn from(rejection: Rejection) -> Self {
        ScriptError::Rejected(rejection)
    }
}

impl RetryHint for ScriptError {
    fn retry(&self) -> Retry {
        match self {
            ScriptError::Failed(Failure::No) => Retry::No,
            ScriptError::Failed(Failure::Now) => Retry::Now,
            ScriptError::Failed(Failure::After(seconds)) => {
                Retry::After(Duration::from_secs(*seconds))
            }
            ScriptError::Rejected(Rejection::FirstEvent { .. }) => Retry::Now,
            ScriptError::Rejected(_) => Retry::No,
        }
    }
}

impl Judge for ScriptError {
    fn verdict(&self) -> Verdict {
        match self {
            ScriptError::Failed(Failure::No) => Verdict::Fine,
            ScriptError::Failed(Failure::After(seconds)) => {
                Verdict::Resting(Some(Duration::from_secs(*seconds)))
            }
            ScriptError::Failed(Failure::Now)
            | ScriptError::Rejected(Rejection::FirstEvent { .. } | Rejection::Idle { .. }) => {
                Verdict::Failing
            }
            ScriptError::Rejected(_) => Verdict::Nothing,
        }
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Script {
    refused: Option<Failure>,
    head_after: Duration,
    events: u32,
    each_after: Duration,
    fails: Option<Failure>,
    hangs: bool,
}

impl Script {
    /// So many events, all at once.
    pub fn events(events: u32) -> Self {
        Self {
            refused: None,
            head_after: Duration::ZERO,
            events,
            each_after: Duration::ZERO,
            fails: None,
            hangs: false,
        }
    }

    /// An error as the head.
    pub fn refusal(failure: Failure) -> Self {
        Self { refused: Some(failure), ..Self::events(0) }
    }

    /// The head takes this long.
    pub fn head_after(mut self, wait: Duration) -> Self {
        self.head_after = wait;
        self
    }

    /// Each event takes this long.
    pub fn each_after(mut self, wait: Duration) -> Self {
        self.each_after = wait;
        self
    }

    /// Fails after its events.
    pub fn failing(mut self, failure: Failure) -> Self {
        self.fails = Some(failure);
        self
    }

    /// Is silent for ever after its events.
    pub fn hanging(mut self) -> Self {
        self.hangs = true;
        self
    }
}

/// Sees what the service does.
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicUsize,
    live: AtomicUsize,
    most_live: AtomicUsize,
}

impl Probe {
    /// How often the service was called.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// How many calls are alive: heads being waited for, or streams not ended or dropped.
    pub fn live(&self) -> usize {
        self.0.live.load(Ordering::SeqCst)
    }

    /// How many were alive at once.
    pub fn most_live(&self) -> usize {
        self.0.most_live.load(Ordering::SeqCst)
    }

    fn begin(&self) -> Alive {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let live = self.0.live.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_live.fetch_max(live, Ordering::SeqCst);
        Alive(self.0.clone())
    }
}

struct Alive(Arc<Counts>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A service that answers each call with the next script; the last one serves all further calls.
#[derive(Clone, Debug)]
pub struct Scripted {
    scripts: Arc<Mutex<VecDeque<Script>>>,
    probe: Probe,
}

/// A service with one script for all calls.
pub fn service(script: Script, probe: &Probe) -> Scripted {
    scripted([script], probe)
}

/// A service with a script for each call.
pub fn scripted(scripts: impl IntoIterator<Item = Script>, probe: &Probe) -> Scripted {
    let scripts = Arc::new(Mutex::new(scripts.into_iter().collect()));
    Scripted { scripts, probe: probe.clone() }
}

impl Service<()> for Scripted {
    type Response = Reply<u32, ScriptError>;
    type Error = ScriptError;
    type Future = BoxFuture<'static, Result<Reply<u32, ScriptError>, ScriptError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), ScriptError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let mut scripts = self.scripts.lock().unwrap();
        let script = match scripts.len() {
            0 | 1 => scripts.front().unwrap().clone(),
            _ => scripts.pop_front().unwrap(),
        };
        let alive = self.probe.begin();
        Box::pin(play(script, alive))
    }
}

async fn play(script: Script, alive: Alive) -> Result<Reply<u32, ScriptError>, ScriptError> {
    pause(script.head_after).await;
    if let Some(failure) = script.refused {
        return Err(ScriptError::Failed(failure));
    }
    Ok(Reply::new(stream! {
        let _alive = alive;
        for event in 0..script.events {
            pause(script.each_after).await;
            yield Ok(event);
        }
        if let Some(failure) = script.fails {
            yield Err(ScriptError::Failed(failure));
        }
        if script.hangs {
            std::future::pending::<()>().await;
        }
    }))
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}
