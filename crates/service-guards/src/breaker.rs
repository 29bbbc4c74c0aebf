//! [`Breaker`]: leaves a service alone that fails, and finds out with single calls when it works again.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::health::{Health, Ticket};
use crate::{Rejection, RestCause, Verdict};

/// When a service is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// So many failures with no success between them, and one more for every twenty successes of the last ten seconds:
    /// among a thousand calls, a handful that fail one after the other is chance, not an outage.
    pub failures_in_a_row: u32,
    /// Or this share of the calls of the last ten seconds, in percent …
    pub failing_percent: u8,
    /// … when there were at least so many of them.
    pub failing_percent_of: u32,
    /// How long after a failure a single call tries again, and how long after that one the next.
    pub probe_interval: Duration,
    /// The same for a service that wants to be left alone and does not say how long.
    pub cooldown: Duration,
    /// A call that is dropped before its answer has begun counts as failed if it has lasted so long: a service that is
    /// silent until its callers' deadlines end is found out, too. One dropped sooner says nothing.
    pub patience: Duration,
    /// A service that asks for a longer rest than this is tried by a single call after this time.
    pub longest_rest: Duration,
}

impl Default for BreakerOptions {
    /// Five failures in a row, or half of at least 50 calls in ten seconds; a probe every 5 s; 60 s of rest for one that
    /// does not say how long, and at most 5 minutes for one that does. A minute of patience.
    fn default() -> Self {
        Self {
            failures_in_a_row: 5,
            failing_percent: 50,
            failing_percent_of: 50,
            probe_interval: Duration::from_secs(5),
            cooldown: Duration::from_secs(60),
            longest_rest: Duration::from_secs(300),
            patience: Duration::from_secs(60),
        }
    }
}

impl BreakerOptions {
    /// Failures are no reason to leave a service alone; only it can ask for a rest.
    pub fn ignoring_failures() -> Self {
        Self { failures_in_a_row: u32::MAX, failing_percent_of: u32::MAX, ..Self::default() }
    }
}

/// Refuses calls to a service that does not work, at once, so that callers can ask another one and the service is not
/// burdened while it recovers. Clones share it; there is one for each target.
///
/// - *Closed*: calls pass. It opens when too many fail ([`BreakerOptions`]).
/// - *Open*: calls are refused with [`Rejection::Resting`] for one [`probe_interval`](BreakerOptions::probe_interval).
/// - *Half open*: then one call passes, the probe, and the others are refused for a further interval. If it succeeds,
///   the breaker closes. If it fails, an interval begins anew. If it is dropped without a result, the next call is the
///   probe. A probe that hangs for longer than the interval does not stop the next, so a service that works again is
///   found within one interval, provided that somebody calls.
///
/// A service that asks for a rest of a certain length ([`Verdict::Resting`], [`rest`](Self::rest)) is not failing: it
/// is left alone for so long, and then all calls pass again. Results of calls that began before the breaker opened or
/// closed do not count any more, except that they can ask for a rest.
///
/// Asking and reporting cost a short lock each; the state is of fixed size.
#[derive(Clone)]
pub struct Breaker {
    health: Arc<Mutex<Health>>,
}

/// How a [`Breaker`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerStatus {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open {
        /// For how long.
        left: Duration,
        /// Why.
        cause: RestCause,
    },
    /// The time is up: the next call is a probe, or one is under way.
    HalfOpen,
}

impl Breaker {
    /// A closed one.
    pub fn new(options: BreakerOptions) -> Self {
        Self { health: Arc::new(Mutex::new(Health::new(Instant::now(), options))) }
    }

    /// Asks whether a call may pass. What comes of it is to be told to the [`Pass`].
    ///
    /// # Errors
    /// [`Rejection::Resting`] when it may not.
    pub fn pass(&self) -> Result<Pass, Rejection> {
        let now = Instant::now();
        match self.lock().pass(now) {
            Ok(ticket) => {
                Ok(Pass { breaker: self.clone(), ticket, since: now, stage: Stage::Waiting })
            }
            Err((left, cause)) => Err(Rejection::Resting { left, cause }),
        }
    }

    /// Lets the service rest for `wait` (at most [`BreakerOptions::longest_rest`]), as if it had asked for it. A longer
    /// rest that is under way stays.
    pub fn rest(&self, wait: Duration) {
        self.update(|health, now| health.rest(None, wait, now));
    }

    /// How it stands: for gauges, and for those who choose between services.
    pub fn status(&self) -> BreakerStatus {
        self.lock().status(Instant::now())
    }

    /// Whether a call would be refused now. When it is the time for a probe, it would not.
    pub fn is_resting(&self) -> bool {
        self.lock().rest_left(Instant::now()).is_some()
    }

    /// Updates the health, and writes to the log how it has changed, without the lock.
    fn update<T>(&self, update: impl FnOnce(&mut Health, Instant) -> T) -> T {
        let now = Instant::now();
        let mut health = self.lock();
        let before = health.status(now);
        let outcome = update(&mut health, now);
        let status = health.status(now);
        drop(health);
        if mem::discriminant(&before) != mem::discriminant(&status) {
            match status {
                BreakerStatus::Closed => tracing::info!("the service works again"),
                BreakerStatus::HalfOpen => {}
                BreakerStatus::Open { left, cause } => {
                    tracing::warn!(?left, "{cause}, and is left alone");
                }
            }
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("status", &self.status())
            .field("options", self.lock().options())
            .finish()
    }
}

/// A call that a [`Breaker`] let pass. Dropped without a word it says nothing, unless it has lasted for too long
/// ([`BreakerOptions::patience`]); if it was the probe, the next call is.
#[derive(Debug)]
#[must_use = "a breaker learns from what it is told"]
pub struct Pass {
    breaker: Breaker,
    ticket: Ticket,
    since: Instant,
    stage: Stage,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Begun,
    Failed,
}

impl Pass {
    /// The service has begun to answer, or has answered. Only the first time counts.
    pub fn began(&mut self) {
        if self.stage == Stage::Waiting {
            self.stage = Stage::Begun;
            let ticket = self.ticket;
            self.ticket = self.breaker.update(|health, now| health.began(ticket, now));
        }
    }

    /// The call has failed, before or after it [`began`](Self::began).
    pub fn failed(mut self, verdict: Verdict) {
        let ticket = self.ticket;
        let had_begun = self.stage == Stage::Begun;
        match verdict {
            Verdict::Nothing => {}
            Verdict::Fine => self.began(),
            Verdict::Resting(Some(Duration::ZERO)) => self.began(),
            Verdict::Failing => {
                self.breaker.update(|health, now| health.failed(ticket, had_begun, now));
            }
            Verdict::Resting(Some(wait)) => {
                self.breaker.update(|health, now| health.rest(Some(ticket), wait, now));
            }
            Verdict::Resting(None) => {
                self.breaker.update(|health, now| health.cool_down(ticket, now));
            }
        }
        self.stage = Stage::Failed;
    }

    fn was_waited_for_too_long(&self, health: &Health, now: Instant) -> bool {
        self.stage == Stage::Waiting && now - self.since >= health.options().patience
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // Most calls are over by now.
        if self.stage != Stage::Waiting && !self.ticket.is_probe() {
            return;
        }
        self.breaker.update(|health, now| match self.was_waited_for_too_long(health, now) {
            true => health.failed(self.ticket, false, now),
            false => health.said_nothing(self.ticket, now),
        });
    }
}
