//! What a failed call says about trying again, and what a guard says when it refuses a call itself.

use std::time::Duration;

/// Whether trying again can help; decided where the failure was seen, asked by every layer above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// No: the request is at fault, or nothing is known. No other target will do better by itself.
    #[default]
    No,
    /// Yes, after the caller's own back-off.
    Now,
    /// Yes, but not before this long, as the other side asked.
    After(Duration),
    /// Not at this target (quota used up, key refused, breaker open, retries spent); another target may serve.
    Exhausted,
}

/// Errors that carry a [`Retry`] hint.
pub trait RetryHint {
    /// The hint.
    fn retry(&self) -> Retry;
}

/// Why a guard itself ended or refused a call. Services behind guards have an error with `From<Rejection>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The whole call, its stream included, took longer than allowed.
    #[error("the call did not finish within {limit:?}")]
    Deadline {
        /// The limit that was hit.
        limit: Duration,
    },
    /// No event arrived in time.
    #[error("no answer began within {limit:?}")]
    FirstEvent {
        /// The limit that was hit.
        limit: Duration,
    },
    /// The stream fell silent between two events.
    #[error("the answer fell silent for {limit:?}")]
    Idle {
        /// The limit that was hit.
        limit: Duration,
    },
    /// As many calls as allowed are running, and as many as allowed are waiting.
    #[error("{limit} calls are under way, and no more may wait")]
    Busy {
        /// The limit of live calls.
        limit: usize,
    },
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Closed,
}
