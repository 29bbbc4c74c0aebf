//! Waiting for models that are in trouble, so that an outage delays documents and does not fail them.

use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use llm_core::{ErrorKind, ModelError, Retry, RetryHint};
use tokio::time::Instant;

use crate::pipeline::Shared;
use crate::trouble::one_line;
use crate::{IngestEvent, Pause};

/// When models answered last, across all jobs: tells a model that is down from a text that it cannot take.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Option<Instant>>);

impl Answers {
    fn note(&self) {
        if let Ok(mut last) = self.0.lock() {
            *last = Some(Instant::now());
        }
    }

    fn since(&self, moment: Instant) -> bool {
        self.0.lock().is_ok_and(|last| last.is_some_and(|last| last > moment))
    }
}

/// Calls a model until it answers. A failure that is not the model's state is returned at once. Else the call is
/// repeated after a pause, longer each time, while the whole pipeline is seen to wait, until either
/// - it failed `model_attempts` times, and the model answered other calls meanwhile: then this one is at fault; or
/// - the pipeline's patience is over.
pub(crate) async fn ask<T, F>(shared: &Shared, call: impl Fn() -> F) -> Result<T, ModelError>
where
    F: Future<Output = Result<T, ModelError>>,
{
    let began = Instant::now();
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(answer) => {
                shared.answers.note();
                end_pause(shared);
                return Ok(answer);
            }
            Err(error) => error,
        };
        let others_pass = attempt >= shared.options.model_attempts && shared.answers.since(began);
        let left = shared.options.patience.saturating_sub(began.elapsed());
        let pause = pause(&error, attempt).filter(|pause| !others_pass && *pause <= left);
        let Some(pause) = pause else {
            end_pause(shared);
            return Err(error);
        };
        tracing::debug!(%error, attempt, ?pause, "a model is asked again");
        // A stumble is not worth telling.
        if attempt > 1 {
            begin_pause(shared, &error, pause);
        }
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

fn begin_pause(shared: &Shared, error: &ModelError, pause: Duration) {
    let until = (SystemTime::now() + pause).duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = i64::try_from(until.as_millis()).unwrap_or(i64::MAX);
    let paused = Pause { reason: one_line(error), until };
    tracing::info!(reason = paused.reason, ?pause, "ingestion waits for a model");
    shared.progress.send_modify(|progress| progress.paused = Some(paused.clone()));
    shared.tell(IngestEvent::Paused(paused));
}

fn end_pause(shared: &Shared) {
    shared.progress.send_if_modified(|progress| progress.paused.take().is_some());
}

/// How long to wait before another attempt, if one can help.
fn pause(error: &ModelError, attempt: u32) -> Option<Duration> {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(60);
    let growing = (FIRST * 2_u32.saturating_pow(attempt.saturating_sub(1)).min(1024)).min(LONGEST);
    match error.retry() {
        Retry::After(time) => Some(time),
        Retry::Now => Some(growing),
        // The retries below this one are used up, or a provider is left alone for now.
        Retry::Exhausted if error.is_refusal() || is_passing(error.kind()) => {
            Some(growing.max(4 * FIRST))
        }
        Retry::No | Retry::Exhausted => None,
    }
}

/// Whether such a failure tells of a state of the model that passes by itself.
fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RateLimit
            | ErrorKind::Overloaded
            | ErrorKind::Upstream
            | ErrorKind::Timeout
            | ErrorKind::Connection
    )
}

#[cfg(test)]
mod tests {
    use llm_core::Operation;

    use super::*;

    #[track_caller]
    fn check(kind: ErrorKind, retry: Retry, attempt: u32, expected: Option<u64>) {
        let error = ModelError::new(kind, Operation::Embed, "trouble").with_retry(retry);
        assert_eq!(pause(&error, attempt), expected.map(Duration::from_millis));
    }

    #[test]
    fn pauses_grow_to_a_minute_and_follow_the_provider() {
        check(ErrorKind::Overloaded, Retry::Now, 1, Some(250));
        check(ErrorKind::Overloaded, Retry::Now, 3, Some(1_000));
        check(ErrorKind::Overloaded, Retry::Now, 40, Some(60_000));
        check(ErrorKind::RateLimit, Retry::After(Duration::from_secs(90)), 1, Some(90_000));
        check(ErrorKind::Connection, Retry::Exhausted, 1, Some(1_000));
        check(ErrorKind::Authentication, Retry::Exhausted, 1, None);
        check(ErrorKind::ContextLength, Retry::No, 1, None);
    }
}
