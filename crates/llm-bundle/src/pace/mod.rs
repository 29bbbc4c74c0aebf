//! [`Pace`]: how fast a target may be called, from what its provider tells of its limits and from how it fails.

mod allowance;
mod congestion;
mod layer;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use llm_core::{ErrorKind, ModelError, ModelName, RateLimitSink, RateLimits, Retry, RetryHint};
use lru::LruCache;
use service_guards::Priority;
use tokio::time::Instant;

use self::allowance::{Allowance, Cost, Reserve, Sent};
use self::congestion::Congestion;

pub use self::layer::{PaceLayer, Paced};

/// How a [`Pace`] behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceOptions {
    /// The share of each of the provider's limits that calls of [`Priority::Batch`] leave to interactive ones. Default
    /// 0.2.
    pub reserve: f64,
    /// How many calls may live at once when nothing is wrong. Default 256.
    pub in_flight: usize,
}

impl Default for PaceOptions {
    fn default() -> Self {
        Self { reserve: 0.2, in_flight: 256 }
    }
}

/// How fast a target may be called. Its clones are one.
///
/// - Where the provider says that nothing is left ([`RateLimits`]), no attempt is made until something is back. What is left
///   is counted down between two answers: calls exactly; tokens by a guess, which holds back none but batch. A limit whose
///   end the provider does not tell stops nobody who waits.
/// - Calls of [`Priority::Batch`] stop earlier and leave a share of each limit ([`PaceOptions::reserve`]), so that
///   ingestion never starves live chat on the same key.
/// - When the target refuses calls as too many ([`ErrorKind::RateLimit`], [`ErrorKind::Overloaded`]), the number of calls
///   that may live at once halves, down to one, and then grows by one for each window of successes.
///
/// Nothing waits here: a call without room is refused, with the time to wait in its hint.
#[derive(Clone)]
pub struct Pace {
    shared: Arc<Shared>,
}

struct Shared {
    reserve: f64,
    state: Mutex<State>,
    /// Told the new limit of live calls.
    steer: Box<dyn Fn(usize) + Send + Sync>,
}

struct State {
    allowance: Allowance,
    congestion: Congestion,
}

/// What a [`Pace`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceStatus {
    /// How many calls may live at once.
    pub in_flight_limit: usize,
    /// How many calls the provider still takes, where it has told.
    pub requests_left: Option<u64>,
    /// How many tokens of prompts the provider still takes, where it has told.
    pub tokens_left: Option<u64>,
    /// How long no call is made at all.
    pub resting: Option<Duration>,
}

impl Pace {
    /// The pace of a target of which nothing is known yet.
    pub fn new(options: PaceOptions) -> Self {
        Self::steering(options, |_| {})
    }

    /// The same; `steer` is told how many calls may live at once whenever that changes. It runs on the path of a call and
    /// must not call back.
    pub fn steering(options: PaceOptions, steer: impl Fn(usize) + Send + Sync + 'static) -> Self {
        let state = State {
            allowance: Allowance::default(),
            congestion: Congestion::new(options.in_flight),
        };
        let reserve = options.reserve.clamp(0.0, 1.0);
        Self {
            shared: Arc::new(Shared { reserve, state: Mutex::new(state), steer: Box::new(steer) }),
        }
    }

    /// The provider has told of its limits.
    pub fn told(&self, limits: &RateLimits) {
        self.shared.lock().allowance.told(limits, Instant::now());
    }

    /// Begins an attempt with a prompt of roughly this many tokens.
    ///
    /// # Errors
    /// How long until there is room for it.
    pub fn begin(&self, priority: Priority, tokens: u64) -> Result<Attempt, Duration> {
        let reserve = self.shared.reserve_of(priority);
        let mut state = self.shared.lock();
        let cost = Cost { requests: 1, tokens };
        let sent = state.allowance.send(cost, reserve, Instant::now())?;
        let halvings = state.congestion.halvings();
        drop(state);
        Ok(Attempt { pace: self.clone(), sent: Some(sent), halvings, is_judged: false })
    }

    /// What is known now.
    pub fn status(&self) -> PaceStatus {
        let (state, now) = (self.shared.lock(), Instant::now());
        let (requests_left, tokens_left) = state.allowance.left(now);
        PaceStatus {
            in_flight_limit: state.congestion.limit(),
            requests_left,
            tokens_left,
            resting: state.allowance.wait(Reserve::None, now),
        }
    }

    /// How long a call of this priority would have to wait; `None` for now. For choosing among targets.
    pub fn wait(&self, priority: Priority) -> Option<Duration> {
        self.shared.lock().allowance.wait(self.shared.reserve_of(priority), Instant::now())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve_of(&self, priority: Priority) -> Reserve {
        match priority {
            Priority::Interactive => Reserve::None,
            Priority::Batch => Reserve::Share(self.reserve),
        }
    }
}

/// Hears of one target's limits, under whatever names.
impl RateLimitSink for Pace {
    fn seen(&self, _: &str, _: &str, limits: &RateLimits) {
        self.told(limits);
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// An attempt under way. Dropped without a word, it counts as made, and as neither success nor failure.
#[derive(Debug)]
#[must_use = "an attempt lasts until it is dropped"]
pub struct Attempt {
    pace: Pace,
    /// `None` once the head of the answer has come.
    sent: Option<Sent>,
    halvings: u64,
    is_judged: bool,
}

impl Attempt {
    /// The head of the answer has come.
    pub fn answered(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.pace.shared.lock().allowance.answered(sent);
        }
    }

    /// The answer has begun. Counts once.
    pub fn succeeded(&mut self) {
        self.judge(|congestion, _| congestion.succeeded());
    }

    /// The attempt has failed, before its answer or in the middle of it.
    pub fn failed(&mut self, error: &ModelError) {
        if !matches!(error.kind(), ErrorKind::RateLimit | ErrorKind::Overloaded) {
            return;
        }
        // A failure in the middle of an answer that had begun well is still a sign of load.
        self.is_judged = false;
        self.judge(Congestion::overloaded);
        if let (ErrorKind::RateLimit, Retry::After(wait)) = (error.kind(), error.retry()) {
            self.pace.shared.lock().allowance.rest(wait, Instant::now());
        }
    }

    fn judge(&mut self, judge: impl FnOnce(&mut Congestion, u64) -> bool) {
        if std::mem::replace(&mut self.is_judged, true) {
            return;
        }
        let mut state = self.pace.shared.lock();
        if judge(&mut state.congestion, self.halvings) {
            // Under the lock, so that the last change is the one that is told last.
            (self.pace.shared.steer)(state.congestion.limit());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.answered();
    }
}

/// How many paces are found by name. Names come from callers, so there has to be a bound; a pace beyond it hears no more.
const KNOWN_PACES: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The paces of all targets, by the names of their models and, where a provider has several keys, by the number of the key:
/// what the transports of providers tell finds its target here. It does not keep them alive. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Paces {
    known: Arc<Mutex<KnownPaces>>,
}

/// By name of the model and number of the key.
type KnownPaces = LruCache<(ModelName, usize), Weak<Shared>>;

impl Default for Paces {
    fn default() -> Self {
        Self { known: Arc::new(Mutex::new(LruCache::new(KNOWN_PACES))) }
    }
}

impl Paces {
    /// From now on `pace` hears of the limits of this model with this key, the first of which has the number 0. Replaces
    /// the one that did.
    pub fn add(&self, model: ModelName, key: usize, pace: &Pace) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put((model, key), Arc::downgrade(&pace.shared));
    }

    /// The pace of this model with this key, if a target has it.
    pub fn get(&self, model: ModelName, key: usize) -> Option<Pace> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(model, key))?.upgrade().map(|shared| Pace { shared })
    }

    /// Who hears what is told to a provider's key with this number: for the transport that has this key.
    pub fn of_key(&self, key: usize) -> Arc<dyn RateLimitSink> {
        Arc::new(PacesOfKey { paces: self.clone(), key })
    }
}

impl fmt::Debug for Paces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paces").finish_non_exhaustive()
    }
}

struct PacesOfKey {
    paces: Paces,
    key: usize,
}

impl RateLimitSink for PacesOfKey {
    fn seen(&self, provider: &str, model: &str, limits: &RateLimits) {
        if let Some(pace) = self.paces.get(ModelName::new(provider, model), self.key) {
            pace.told(limits);
        }
    }
}
