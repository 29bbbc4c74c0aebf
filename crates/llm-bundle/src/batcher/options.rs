//! [`BatchOptions`]: how calls are joined.

use std::time::Duration;

/// How calls are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// How long a call waits for others at most, while it could run.
    pub longest_wait: Duration,
    /// How many texts a run has at most, where [`Limits::batch`](llm_core::Limits) does not say it.
    pub inputs: usize,
    /// How many tokens of text, roughly, a run has at most. A single call may have more.
    pub tokens: u64,
    /// How many runs of calls that could be joined go on at once, at least one. Calls beyond wait until one of these ends,
    /// however long that is: more runs would not be faster, fuller ones are.
    pub runs_at_once: usize,
    /// Whose calls may be joined.
    pub joins: Joins,
}

/// Whose calls may be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// Those of all callers: for a model that costs nobody anything.
    Anyone,
    /// Only those of the same tenant and API key, so that what the provider counts is one customer's. A call of unknown
    /// origin is never joined.
    SameCaller,
}

impl BatchOptions {
    /// For a model on this machine: 2 ms, 256 texts, 16,384 tokens, two runs at once, anyone's calls.
    pub fn local() -> Self {
        Self {
            longest_wait: Duration::from_millis(2),
            inputs: 256,
            tokens: 16_384,
            runs_at_once: 2,
            joins: Joins::Anyone,
        }
    }

    /// For a model behind a provider's API: 5 ms, 64 texts, 32,768 tokens, eight runs at once, the same caller's calls.
    pub fn remote() -> Self {
        Self {
            longest_wait: Duration::from_millis(5),
            inputs: 64,
            tokens: 32_768,
            runs_at_once: 8,
            joins: Joins::SameCaller,
        }
    }
}
