//! [`LimitStore`]: where it is counted how much has been used.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Measure, Scope};

/// The window of [`Measure::Requests`] and [`Measure::Tokens`].
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// An amount to be reserved of one counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose counter.
    pub scope: Scope,
    /// Which of them.
    pub measure: Measure,
    /// How much.
    pub amount: u64,
    /// What the counter must not exceed with it. Counters know no limits of their own, so that a new configuration
    /// holds from the next call on.
    pub limit: u64,
}

/// Why a reservation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which charge does not fit: of several the one that takes longest.
    pub charge: usize,
    /// How long until it is worth asking again: exact for windows and days unless something comes back before, a guess
    /// for calls under way. `None` when the amount is more than the limit.
    pub wait: Option<Duration>,
}

/// What a call used in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Calls that were made on behalf of who asked: one, or none when it never reached a model.
    pub requests: u64,
    /// Requests that providers were sent.
    pub attempts: u64,
    /// Tokens of prompt and answer.
    pub tokens: u64,
    /// What it cost; `None` when that cannot be told, so that what was reserved stays.
    pub nanodollars: Option<u64>,
}

impl Consumed {
    /// How much of what was charged.
    pub fn of(&self, charge: &Charge) -> u64 {
        match charge.measure {
            Measure::Requests if charge.scope.kind.counts_attempts() => self.attempts,
            Measure::Requests => self.requests,
            Measure::Tokens => self.tokens,
            Measure::Concurrent => 0,
            Measure::Money => self.nanodollars.unwrap_or(charge.amount),
        }
    }
}

/// Amounts that are reserved. Dropped without being settled, they count as used, except that the call counts as ended.
pub trait Reservation: Send + fmt::Debug {
    /// Replaces what was reserved by what was used. What was too much comes back to where it was taken from, exactly;
    /// what was too little is added, even beyond a limit. Never blocks; a store elsewhere learns it soon.
    fn settle(self: Box<Self>, consumed: &Consumed);
}

/// Counts how much has been used. Requests and tokens are counted over sliding windows of a minute that never exceed a limit
/// ([`SlidingWindow`](service_guards::SlidingWindow)), money by days of UTC.
pub trait LimitStore: Send + Sync + fmt::Debug {
    /// Reserves all of these amounts or none of them. No counter may occur twice. Dropping the future reserves nothing.
    ///
    /// # Errors
    /// What does not fit.
    fn reserve<'a>(
        &'a self,
        charges: &'a [Charge],
    ) -> BoxFuture<'a, Result<Box<dyn Reservation>, Refusal>>;

    /// How much of these counters is used or reserved.
    fn read<'a>(&'a self, counters: &'a [(Scope, Measure)]) -> BoxFuture<'a, Vec<u64>>;

    /// Waits until what has been settled so far is counted everywhere, for as long as that can be hoped for.
    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether others count with us at this moment: false for a store of one process, and for one whose server is gone.
    fn is_shared(&self) -> bool {
        false
    }
}
