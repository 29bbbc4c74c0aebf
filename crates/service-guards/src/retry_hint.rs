//! What a failed call says about trying again, and what a guard says when it refuses a call itself.

use std::fmt;
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
    /// The call waited for its turn for too long.
    #[error("no turn came within {limit:?}")]
    QueueTimeout {
        /// The limit that was hit.
        limit: Duration,
    },
    /// The service is not asked for now: it failed too often, or it asked for a rest.
    #[error("{cause}, and is not asked for {left:?}")]
    Resting {
        /// How long the rest still takes.
        left: Duration,
        /// Why it rests.
        cause: RestCause,
    },
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Closed,
}

/// Why a service is not asked for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestCause {
    /// It failed too often, or said that it cannot serve for a time that it does not know.
    Failures,
    /// It asked for a rest of a certain length, after which it expects to be asked again.
    Asked,
}

impl fmt::Display for RestCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestCause::Failures => "the service failed too often",
            RestCause::Asked => "the service asked for a rest",
        })
    }
}
