//! [`Quotas`]: which limits hold for whom.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_core::{ModelError, Prices};
use lru::LruCache;
use service_guards::{Attempt, LeftLine, Line, Priority};

use super::demand::Demand;
use super::refused::{Refused, too_many_wait};
use super::{Charge, LimitStore, Limits, Measure, MemoryLimits, Reservation, Scope};
use crate::call::{Asked, CallContext};
use crate::modality::Modality;

/// Lines that are kept. Who waits in a line that is forgotten goes on waiting there, beside those of the next one.
const LINES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// Is told of each refused call: whose limit it was, and `requests`, `tokens`, `concurrent`, `money`, or `queue` when too
/// many waited. Runs on the path of the call: it must neither block nor panic.
pub(super) type OnRefusal = Arc<dyn Fn(&Scope, &'static str) + Send + Sync>;

/// Which limits hold for whom, where they are counted, and how long a call may wait for what it needs. Cheap to clone;
/// clones share their waiting lines.
///
/// Limits of tenants and keys hold for calls with that tenant and key in their [`CallContext`]; limits of further
/// scopes, such as a provider, for all calls. A call has to fit into all of its limits at once.
///
/// What does not fit waits in line, interactive calls before batch, if it will fit within
/// [`longest_wait`](QuotasBuilder::longest_wait), and is refused at once otherwise. Calls of
/// [`Priority::Batch`](crate::Priority::Batch) see four fifths of all limits but money. There is one line for each set of scopes:
/// calls with the same tenant and key go in order, those of two keys of a tenant independently of each other.
#[derive(Clone)]
pub struct Quotas {
    inner: Arc<Inner>,
}

struct Inner {
    rules: Rules,
    store: Arc<dyn LimitStore>,
    longest_wait: Duration,
    longest_batch_wait: Duration,
    queue: usize,
    lines: Mutex<LruCache<Vec<Scope>, Arc<Line>>>,
    on_refusal: Option<OnRefusal>,
}

#[derive(Clone, Default)]
struct Rules {
    every_tenant: Limits,
    tenants: BTreeMap<String, Limits>,
    every_key: Limits,
    keys: BTreeMap<String, Limits>,
    always: Vec<(Scope, Limits)>,
}

impl Rules {
    /// Whose limits hold for a call.
    fn of<'a>(&'a self, context: &'a CallContext) -> impl Iterator<Item = (Scope, &'a Limits)> {
        let tenant = context.tenant.as_ref().map(|id| {
            (Scope::tenant(id.clone()), self.tenants.get(&**id).unwrap_or(&self.every_tenant))
        });
        let key = context.key.as_ref().map(|id| {
            let own = context.key_limits.as_deref().or_else(|| self.keys.get(&**id));
            (Scope::key(id.clone()), own.unwrap_or(&self.every_key))
        });
        let always = self.always.iter().map(|(scope, limits)| (scope.clone(), limits));
        tenant.into_iter().chain(key).chain(always).filter(|(_, limits)| limits.is_limited())
    }
}

/// Sets up [`Quotas`].
pub struct QuotasBuilder {
    rules: Rules,
    store: Option<Arc<dyn LimitStore>>,
    longest_wait: Duration,
    longest_batch_wait: Duration,
    queue: usize,
    on_refusal: Option<OnRefusal>,
}

impl Default for QuotasBuilder {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            store: None,
            longest_wait: Duration::from_secs(5),
            longest_batch_wait: Duration::from_secs(120),
            queue: 1_024,
            on_refusal: None,
        }
    }
}

impl QuotasBuilder {
    /// The limits of each tenant that has none of its own.
    pub fn every_tenant(mut self, limits: Limits) -> Self {
        self.rules.every_tenant = limits;
        self
    }

    /// The limits of one tenant.
    pub fn tenant(mut self, id: impl Into<String>, limits: Limits) -> Self {
        self.rules.tenants.insert(id.into(), limits);
        self
    }

    /// The limits of each API key that has none of its own.
    pub fn every_key(mut self, limits: Limits) -> Self {
        self.rules.every_key = limits;
        self
    }

    /// The limits of one API key, by its id.
    pub fn key(mut self, id: impl Into<String>, limits: Limits) -> Self {
        self.rules.keys.insert(id.into(), limits);
        self
    }

    /// Limits that hold for all calls together: those of a provider or a target.
    pub fn scope(mut self, scope: Scope, limits: Limits) -> Self {
        self.rules.always.push((scope, limits));
        self
    }

    /// Where it is counted. Default: [`MemoryLimits`] of its own.
    pub fn store(mut self, store: Arc<dyn LimitStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// How long an interactive call may wait for what it needs. Default 5 s.
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// How long a call of [`Priority::Batch`] may wait. Default 2 minutes, twice the time in which a window empties.
    pub fn longest_batch_wait(mut self, wait: Duration) -> Self {
        self.longest_batch_wait = wait;
        self
    }

    /// How many calls may wait in one line. Default 1,024.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// Is told of each refused call: whose limit it was, and `requests`, `tokens`, `concurrent`, `money`, or `queue` when
    /// too many waited. Runs on the path of the call: it must neither block nor panic.
    pub fn on_refusal(
        mut self,
        told: impl Fn(&Scope, &'static str) + Send + Sync + 'static,
    ) -> Self {
        self.on_refusal = Some(Arc::new(told));
        self
    }

    /// The quotas.
    pub fn build(self) -> Quotas {
        let inner = Inner {
            rules: self.rules,
            store: self.store.unwrap_or_else(|| Arc::new(MemoryLimits::new())),
            longest_wait: self.longest_wait,
            longest_batch_wait: self.longest_batch_wait,
            queue: self.queue,
            lines: Mutex::new(LruCache::new(LINES)),
            on_refusal: self.on_refusal,
        };
        Quotas { inner: Arc::new(inner) }
    }
}

/// What a call has reserved, and the line that waits for what comes back of it.
pub(super) struct Reserved {
    pub(super) reservation: Box<dyn Reservation>,
    pub(super) line: Arc<Line>,
}

impl Quotas {
    /// Starts setting them up.
    pub fn builder() -> QuotasBuilder {
        QuotasBuilder::default()
    }

    /// Other limits, of this scope and for all calls, which are counted in the same place and refused in the same way.
    pub fn only(&self, scope: Scope, limits: Limits) -> Self {
        let inner = Inner {
            rules: Rules { always: vec![(scope, limits)], ..Rules::default() },
            lines: Mutex::new(LruCache::new(NonZeroUsize::MIN)),
            store: self.inner.store.clone(),
            on_refusal: self.inner.on_refusal.clone(),
            ..*self.inner
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where it is counted.
    pub fn store(&self) -> &Arc<dyn LimitStore> {
        &self.inner.store
    }

    /// What has to be reserved for a call. Empty when nothing limits it.
    pub(super) fn charges<M: Modality + ?Sized>(
        &self,
        asked: &Asked<M::Request>,
        prices: Option<&Prices>,
    ) -> Vec<Charge> {
        let mut scopes = self.inner.rules.of(&asked.context).peekable();
        if scopes.peek().is_none() {
            return Vec::new();
        }
        let demand = Demand::of::<M>(&asked.request);
        let priority = asked.context.priority;
        scopes
            .flat_map(|(scope, limits)| {
                let charges: Vec<_> = demand.charges(&scope, limits, prices, priority).collect();
                charges
            })
            .collect()
    }

    /// How long a call may wait: where somebody else can be asked, that is quicker.
    pub(super) fn patience<R>(&self, asked: &Asked<R>) -> Duration {
        match asked.context.priority {
            _ if asked.has_alternative => Duration::ZERO,
            Priority::Interactive => self.inner.longest_wait,
            Priority::Batch => self.inner.longest_batch_wait,
        }
    }

    /// Reserves all of it, now or within the longest wait.
    pub(super) async fn reserve<M: Modality + ?Sized>(
        &self,
        charges: Vec<Charge>,
        priority: Priority,
        longest_wait: Duration,
    ) -> Result<Reserved, ModelError> {
        let store = &self.inner.store;
        let line = self.line(&charges);
        let attempt = || async {
            match store.reserve(&charges).await {
                Ok(reservation) => Attempt::Got(reservation),
                Err(refusal) => match refusal.wait {
                    Some(wait) => Attempt::After(wait, refusal),
                    None => Attempt::Never(refusal),
                },
            }
        };
        match line.pass(priority, longest_wait, attempt).await {
            Ok(reservation) => Ok(Reserved { reservation, line }),
            Err(LeftLine::Refused { reason, .. }) => {
                let charge = charges.get(reason.charge).or(charges.first());
                let refused = charge.map(|charge| Refused { charge, wait: reason.wait, priority });
                self.tell(charge, charge.map_or("queue", |charge| charge.measure.as_str()));
                Err(match refused {
                    Some(refused) => refused.error(M::OPERATION),
                    None => too_many_wait(&charges, longest_wait, M::OPERATION),
                })
            }
            Err(LeftLine::TimedOut | LeftLine::Full) => {
                self.tell(charges.first(), "queue");
                Err(too_many_wait(&charges, longest_wait, M::OPERATION))
            }
        }
    }

    fn tell(&self, charge: Option<&Charge>, kind: &'static str) {
        if let (Some(on_refusal), Some(charge)) = (&self.inner.on_refusal, charge) {
            on_refusal(&charge.scope, kind);
        }
    }

    fn line(&self, charges: &[Charge]) -> Arc<Line> {
        let mut scopes: Vec<Scope> = charges.iter().map(|charge| charge.scope.clone()).collect();
        scopes.dedup();
        let mut lines = self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get_or_insert(scopes, || Arc::new(Line::new(self.inner.queue))).clone()
    }

    /// How much a scope has used or reserved of what is counted.
    pub async fn used(&self, scope: Scope, measure: Measure) -> u64 {
        let used = self.inner.store.read(&[(scope, measure)]).await;
        used.first().copied().unwrap_or(0)
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas")
            .field("store", &self.inner.store)
            .field("longest_wait", &self.inner.longest_wait)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for QuotasBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotasBuilder").finish_non_exhaustive()
    }
}
