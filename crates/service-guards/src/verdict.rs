//! [`Judge`]: what a failed call says about the health of the service that was asked.

use std::time::Duration;

/// What an outcome says about the service that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works: it answered, or refused for a reason that lies with the caller.
    Fine,
    /// It does not do its work.
    Failing,
    /// It wants to be left alone: for this long, or for a time that it does not know.
    Resting(Option<Duration>),
    /// Nothing: the call ended before the service could show how it is, or for a reason of our own.
    Nothing,
}

/// Errors that say something about the health of the service that was asked. Told apart from
/// [`RetryHint`](crate::RetryHint), since a refused key is not worth a retry, yet a reason to ask elsewhere.
pub trait Judge {
    /// What this error says.
    fn verdict(&self) -> Verdict;
}
