//! [`RateLimits`]: how much more a provider lets its caller do for now, as the heads of its responses tell.

use std::fmt;
use std::time::Duration;

/// One limit of a provider: so many requests or tokens in a window. `None` where the response did not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// How much fits when nothing is used.
    pub limit: Option<u64>,
    /// How much fits still. May be above the limit where a provider allows bursts.
    pub remaining: Option<u64>,
    /// How long from the response until the whole limit is free again.
    pub reset: Option<Duration>,
    /// How long the window is, where the header's name or a further header says so.
    pub window: Option<Duration>,
    /// How it comes back until then.
    pub refill: Refill,
}

impl RateLimit {
    /// Whether the response told nothing of this limit.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// How a limit comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refill {
    /// All of it when the window begins anew; also where nothing is known, since this is the later of the two.
    #[default]
    AtReset,
    /// Bit by bit, as in a leaking bucket: after half the time to the reset, half of what is used is free again.
    Steady,
}

/// What the head of one response tells of a provider's limits. Where a provider counts over several windows, each limit
/// is the one of which the least is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls.
    pub requests: RateLimit,
    /// Tokens of prompt and answer together.
    pub tokens: RateLimit,
    /// Tokens of the prompt, where they are counted apart.
    pub input_tokens: RateLimit,
    /// Tokens of the answer, where they are counted apart.
    pub output_tokens: RateLimit,
    /// How long the provider asks not to be called at all.
    pub retry_after: Option<Duration>,
}

impl RateLimits {
    /// Whether the response told nothing.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// Hears what providers tell of their limits, beside the answers themselves.
pub trait RateLimitSink: Send + Sync {
    /// The head of a response to a call of `model` at `provider` told this, just now; heads of failures tell, too, and a
    /// head that tells nothing is passed over. Runs on the path of the call: it must neither block nor panic.
    fn seen(&self, provider: &str, model: &str, limits: &RateLimits);
}

impl fmt::Debug for dyn RateLimitSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimitSink")
    }
}

/// Hears nothing.
impl RateLimitSink for () {
    fn seen(&self, _: &str, _: &str, _: &RateLimits) {}
}
