//! [`MemoryLimits`]: counts for one process.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use lru::LruCache;
use service_guards::{Misfit, SlidingWindow, Taken};
use tokio::time::Instant;

use super::store::MINUTE;
use super::{Charge, Consumed, LimitStore, Measure, Refusal, Reservation, Scope};

/// Scopes that are remembered: about a kilobyte each while they are in use.
const SCOPES: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

/// When it is worth asking again whether a call has ended, if nobody tells.
const CALLS_END: Duration = Duration::from_millis(100);

const DAY: Duration = Duration::from_secs(86_400);

/// Counts in memory. Clones count together.
///
/// It remembers the 20,000 scopes that were used last. One that is forgotten begins anew, and so does everything with a
/// new process; limits that must survive that are counted elsewhere. An operation takes about a microsecond, under one lock.
#[derive(Clone)]
pub struct MemoryLimits {
    shared: Arc<Shared>,
}

struct Shared {
    started: Instant,
    /// The time of day at `started`, since 1970.
    started_at: Duration,
    counters: Mutex<Counters>,
}

struct Counters {
    scopes: LruCache<Scope, ScopeCounters>,
    /// How many scopes there have been.
    made: u64,
}

/// The counters of a scope.
struct ScopeCounters {
    /// Tells it from one of the same name that was forgotten.
    number: u64,
    requests: SlidingWindow,
    tokens: SlidingWindow,
    live: u64,
    day: u64,
    spent: u64,
}

/// When something happens.
#[derive(Clone, Copy)]
struct Moment {
    /// Since the store was made.
    since_start: Duration,
    /// Since 1970.
    time: Duration,
}

impl Moment {
    fn day(self) -> u64 {
        self.time.as_secs() / DAY.as_secs()
    }

    fn until_tomorrow(self) -> Duration {
        let tomorrow = Duration::from_secs((self.day() + 1) * DAY.as_secs());
        tomorrow.saturating_sub(self.time)
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLimits {
    /// Nothing used yet.
    pub fn new() -> Self {
        Self::with_scopes(SCOPES)
    }

    /// The same, remembering so many scopes.
    pub fn with_scopes(scopes: NonZeroUsize) -> Self {
        let counters = Counters { scopes: LruCache::new(scopes), made: 0 };
        let shared = Shared {
            started: Instant::now(),
            // A clock before 1970 has no days worth telling apart.
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            counters: Mutex::new(counters),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reserves at once; see [`LimitStore::reserve`].
    #[allow(clippy::missing_errors_doc)]
    pub fn try_reserve(&self, charges: &[Charge]) -> Result<Box<dyn Reservation>, Refusal> {
        let taken = self.shared.with(|counters, now| {
            counters.check(charges, now)?;
            Ok(charges.iter().map(|charge| counters.take(charge, now)).collect())
        })?;
        Ok(Box::new(MemoryReservation { taken, shared: self.shared.clone() }))
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Counters, Moment) -> T) -> T {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let since_start = self.started.elapsed();
        let time = self.started_at.saturating_add(since_start);
        act(&mut counters, Moment { since_start, time })
    }
}

impl Counters {
    fn of(&mut self, scope: &Scope) -> &mut ScopeCounters {
        let made = &mut self.made;
        self.scopes.get_or_insert_mut_ref(scope, || {
            *made += 1;
            ScopeCounters::new(*made)
        })
    }

    /// Whether all of it fits; else what takes longest.
    fn check(&mut self, charges: &[Charge], now: Moment) -> Result<(), Refusal> {
        let mut worst: Option<Refusal> = None;
        for (index, charge) in charges.iter().enumerate() {
            let wait = match self.of(&charge.scope).check(charge, now) {
                Ok(()) => continue,
                Err(Misfit::For(wait)) => Some(wait),
                Err(Misfit::Ever) => None,
            };
            let longer =
                |worst: Refusal| worst.wait.is_some() && (wait.is_none() || wait > worst.wait);
            if worst.is_none_or(longer) {
                worst = Some(Refusal { charge: index, wait });
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// Takes what is known to fit.
    fn take(&mut self, charge: &Charge, now: Moment) -> TakenOf {
        let counters = self.of(&charge.scope);
        let number = counters.number;
        TakenOf { charge: charge.clone(), number, what: counters.take(charge, now) }
    }

    fn settle(&mut self, taken: TakenOf, actual: u64, now: Moment) {
        let counters = self.scopes.get_mut(&taken.charge.scope);
        if let Some(counters) = counters.filter(|counters| counters.number == taken.number) {
            counters.settle(taken.what, actual, now);
        }
    }
}

impl ScopeCounters {
    fn new(number: u64) -> Self {
        let (requests, tokens) = (SlidingWindow::new(MINUTE), SlidingWindow::new(MINUTE));
        Self { number, requests, tokens, live: 0, day: 0, spent: 0 }
    }

    fn spent(&mut self, now: Moment) -> &mut u64 {
        if self.day != now.day() {
            (self.day, self.spent) = (now.day(), 0);
        }
        &mut self.spent
    }

    fn used(&mut self, measure: Measure, now: Moment) -> u64 {
        match measure {
            Measure::Requests => self.requests.sum(now.since_start),
            Measure::Tokens => self.tokens.sum(now.since_start),
            Measure::Concurrent => self.live,
            Measure::Money => *self.spent(now),
        }
    }

    fn check(&mut self, charge: &Charge, now: Moment) -> Result<(), Misfit> {
        let &Charge { amount, limit, .. } = charge;
        let wait = match charge.measure {
            Measure::Requests => return self.requests.check(amount, limit, now.since_start),
            Measure::Tokens => return self.tokens.check(amount, limit, now.since_start),
            Measure::Concurrent => CALLS_END,
            Measure::Money => now.until_tomorrow(),
        };
        let room = limit.checked_sub(amount).ok_or(Misfit::Ever)?;
        if self.used(charge.measure, now) <= room { Ok(()) } else { Err(Misfit::For(wait)) }
    }

    fn take(&mut self, charge: &Charge, now: Moment) -> What {
        let &Charge { amount, limit, measure, .. } = charge;
        let window = match measure {
            Measure::Requests => &mut self.requests,
            Measure::Tokens => &mut self.tokens,
            Measure::Concurrent => {
                self.live = self.live.saturating_add(amount);
                return What::Live(amount);
            }
            Measure::Money => {
                let spent = self.spent(now);
                *spent = spent.saturating_add(amount);
                return What::Spent { day: now.day(), amount };
            }
        };
        match window.take(amount, limit, now.since_start) {
            Ok(taken) => What::Taken(measure, taken),
            // It was checked under the same lock.
            Err(_) => What::Nothing,
        }
    }

    fn settle(&mut self, what: What, actual: u64, now: Moment) {
        match what {
            What::Taken(Measure::Requests, taken) => {
                self.requests.settle(taken, actual, now.since_start);
            }
            What::Taken(_, taken) => self.tokens.settle(taken, actual, now.since_start),
            What::Live(amount) => self.live = self.live.saturating_sub(amount),
            What::Spent { day, amount } => {
                let spent = self.spent(now);
                // What was too much yesterday is no money for today.
                let too_much = if day == now.day() { amount.saturating_sub(actual) } else { 0 };
                *spent =
                    spent.saturating_sub(too_much).saturating_add(actual.saturating_sub(amount));
            }
            What::Nothing => {}
        }
    }
}

/// What was taken for a charge.
struct TakenOf {
    charge: Charge,
    number: u64,
    what: What,
}

enum What {
    Taken(Measure, Taken),
    Live(u64),
    Spent { day: u64, amount: u64 },
    Nothing,
}

struct MemoryReservation {
    taken: Vec<TakenOf>,
    shared: Arc<Shared>,
}

impl MemoryReservation {
    fn end(&mut self, actual: impl Fn(&Charge) -> u64) {
        let taken = std::mem::take(&mut self.taken);
        self.shared.with(|counters, now| {
            for taken in taken {
                let actual = actual(&taken.charge);
                counters.settle(taken, actual, now);
            }
        });
    }
}

impl Reservation for MemoryReservation {
    fn settle(mut self: Box<Self>, consumed: &Consumed) {
        self.end(|charge| consumed.of(charge));
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            self.end(|charge| charge.amount);
        }
    }
}

impl fmt::Debug for MemoryReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let charges = self.taken.iter().map(|taken| &taken.charge);
        f.debug_list().entries(charges).finish()
    }
}

impl fmt::Debug for MemoryLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimits").finish_non_exhaustive()
    }
}

impl LimitStore for MemoryLimits {
    fn reserve<'a>(
        &'a self,
        charges: &'a [Charge],
    ) -> BoxFuture<'a, Result<Box<dyn Reservation>, Refusal>> {
        // Not before it is polled, and then at once: there is nothing between that a dropped future would leave behind.
        Box::pin(async { self.try_reserve(charges) })
    }

    fn read<'a>(&'a self, counters: &'a [(Scope, Measure)]) -> BoxFuture<'a, Vec<u64>> {
        let used = self.shared.with(|all, now| {
            let used = |(scope, measure): &(Scope, Measure)| {
                all.scopes.peek_mut(scope).map_or(0, |one| one.used(*measure, now))
            };
            counters.iter().map(used).collect()
        });
        Box::pin(std::future::ready(used))
    }
}
