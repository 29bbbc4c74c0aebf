//! [`Allowance`]: what a provider still takes, from what it last told, counted down between two tellings. Pure: the time
//! is a parameter.

use std::time::Duration;

use llm_core::{RateLimit, RateLimits, Refill};
use tokio::time::Instant;

/// How long an exhausted limit is believed at most. Limits of days are asked anew each hour, since somebody may have paid
/// for more.
const LONGEST_TRUST: Duration = Duration::from_secs(3_600);

/// How long a limit is believed whose provider does not say when it comes back.
const SHORT_TRUST: Duration = Duration::from_secs(1);

/// What a provider still takes.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    requests: Counter,
    tokens: Counter,
    input_tokens: Counter,
    output_tokens: Counter,
    /// Until when the provider asked not to be called.
    rests_until: Option<Instant>,
    /// How often the provider has told.
    tellings: u64,
    /// What has been sent and is not answered: whether the provider has counted it already is not known.
    pending: Cost,
}

/// What a call takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) requests: u64,
    /// Tokens of the prompt, roughly.
    pub(super) tokens: u64,
}

/// A call that has been sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    cost: Cost,
    tellings: u64,
}

/// What a call must leave to others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reserve {
    /// Nothing.
    None,
    /// This share of each limit.
    Share(f64),
}

impl Allowance {
    /// Sends a call if there is room for it.
    ///
    /// # Errors
    /// How long until there is.
    pub(super) fn send(
        &mut self,
        cost: Cost,
        reserve: Reserve,
        now: Instant,
    ) -> Result<Sent, Duration> {
        match self.wait(reserve, now) {
            Some(wait) => Err(wait),
            None => {
                self.pending.requests += cost.requests;
                self.pending.tokens = self.pending.tokens.saturating_add(cost.tokens);
                Ok(Sent { cost, tellings: self.tellings })
            }
        }
    }

    /// How long until there is room; `None` for now.
    pub(super) fn wait(&self, reserve: Reserve, now: Instant) -> Option<Duration> {
        let rest = self.rests_until.and_then(|until| until.checked_duration_since(now));
        let Cost { requests, tokens } = self.pending;
        // How many tokens a call has is a guess until it is answered. Nobody who waits is refused for a guess.
        let guess = |counter: &Counter| match reserve {
            Reserve::None => 0,
            Reserve::Share(_) => counter.spent.saturating_add(tokens),
        };
        let counters = [
            self.requests.wait(self.requests.spent.saturating_add(requests), reserve, now),
            self.tokens.wait(guess(&self.tokens), reserve, now),
            self.input_tokens.wait(guess(&self.input_tokens), reserve, now),
            self.output_tokens.wait(0, reserve, now),
        ];
        let waits = counters.into_iter().flatten().chain(rest);
        waits.max().filter(|wait| !wait.is_zero())
    }

    /// The head of the answer to a call has come, or none will. Counts the call unless the provider has told since it was
    /// sent, and so has counted it.
    pub(super) fn answered(&mut self, sent: Sent) {
        let Cost { requests, tokens } = sent.cost;
        self.pending.requests = self.pending.requests.saturating_sub(requests);
        self.pending.tokens = self.pending.tokens.saturating_sub(tokens);
        if sent.tellings == self.tellings {
            self.requests.spend(requests);
            self.tokens.spend(tokens);
            self.input_tokens.spend(tokens);
        }
    }

    /// The provider has told.
    pub(super) fn told(&mut self, limits: &RateLimits, now: Instant) {
        self.tellings += 1;
        for (counter, limit) in [
            (&mut self.requests, limits.requests),
            (&mut self.tokens, limits.tokens),
            (&mut self.input_tokens, limits.input_tokens),
            (&mut self.output_tokens, limits.output_tokens),
        ] {
            if !limit.is_unknown() {
                *counter = Counter { told: Some((limit, now)), spent: 0 };
            }
        }
        if let Some(wait) = limits.retry_after {
            self.rest(wait, now);
        }
    }

    /// Nothing is sent for so long.
    pub(super) fn rest(&mut self, wait: Duration, now: Instant) {
        let until = now + wait.min(LONGEST_TRUST);
        self.rests_until = Some(self.rests_until.map_or(until, |rests| rests.max(until)));
    }

    /// How many calls and how many tokens of prompts are left, where that is known.
    pub(super) fn left(&self, now: Instant) -> (Option<u64>, Option<u64>) {
        let Cost { requests, tokens } = self.pending;
        let left = |counter: &Counter, pending: u64| {
            counter.left(counter.spent.saturating_add(pending), now)
        };
        let tokens_left = [left(&self.tokens, tokens), left(&self.input_tokens, tokens)];
        (left(&self.requests, requests), tokens_left.into_iter().flatten().min())
    }
}

/// One limit, as last told, and what was spent since.
#[derive(Debug, Default)]
struct Counter {
    told: Option<(RateLimit, Instant)>,
    spent: u64,
}

impl Counter {
    fn spend(&mut self, amount: u64) {
        self.spent = self.spent.saturating_add(amount);
    }

    /// How long what was told holds; then nothing is known.
    fn trust(limit: &RateLimit) -> Duration {
        limit.reset.or(limit.window).unwrap_or(SHORT_TRUST).min(LONGEST_TRUST)
    }

    /// How much comes back in a second, where it comes bit by bit.
    fn per_second(limit: &RateLimit) -> Option<f64> {
        let (Refill::Steady, Some(whole), Some(reset)) = (limit.refill, limit.limit, limit.reset)
        else {
            return None;
        };
        let used = whole.checked_sub(limit.remaining?)?;
        let rate = used as f64 / reset.as_secs_f64();
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }

    /// How much is left, of which `taken` has gone since; `None` where nothing is known.
    fn left(&self, taken: u64, now: Instant) -> Option<u64> {
        let (limit, at) = self.told.as_ref()?;
        let age = now.saturating_duration_since(*at);
        if age >= Self::trust(limit) {
            return None;
        }
        let back = Self::per_second(limit).map_or(0.0, |rate| rate * age.as_secs_f64()) as u64;
        let free = limit.remaining?.saturating_add(back);
        // A burst may leave more than the limit.
        let free =
            limit.limit.map_or(free, |whole| free.min(whole.max(limit.remaining.unwrap_or(0))));
        Some(free.saturating_sub(taken))
    }

    /// How long until more is left than the reserve.
    fn wait(&self, taken: u64, reserve: Reserve, now: Instant) -> Option<Duration> {
        let left = self.left(taken, now)?;
        let (limit, at) = self.told.as_ref()?;
        let kept = match (reserve, limit.limit) {
            (Reserve::Share(share), Some(whole)) => (whole as f64 * share).ceil() as u64,
            _ => 0,
        };
        // Without a time to wait for, trying costs one refused call at most; that is for callers who wait.
        let may_try = reserve == Reserve::None && limit.reset.is_none();
        if left > kept || may_try {
            return None;
        }
        let end = Self::trust(limit).saturating_sub(now.saturating_duration_since(*at));
        let missing = (kept - left).saturating_add(1) as f64;
        let steady = Self::per_second(limit).map(|rate| missing / rate);
        let steady = steady.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(steady.map_or(end, |wait| wait.min(end)))
    }
}

#[cfg(test)]
mod tests;
