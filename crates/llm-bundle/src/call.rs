//! [`Call`]: a model as a tower service.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use llm_core::{ModelError, ModelName, Usage};
use service_guards::Priority;
use tokio::time::Instant;
use tower::Service;

use crate::attempt::Attempt;
use crate::cache::{CacheStatus, CacheUse};
use crate::caller::on_behalf_of;
use crate::modality::{Asking, Modality, ModelReply};
use crate::payee::Payee;
use crate::quota::Limits;
use crate::tally::{add, sum};

/// What a call carries besides its request.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// On whose behalf it is made.
    pub tenant: Option<Arc<str>>,
    /// The id of the API key that it is made with; never the key itself.
    pub key: Option<Arc<str>>,
    /// How much the key may use, where it has limits of its own.
    pub key_limits: Option<Arc<Limits>>,
    /// Whether somebody waits for it.
    pub priority: Priority,
    /// Where to note where the call has been, for a caller who wants to know.
    pub trail: Option<Arc<Trail>>,
    /// Whether it may be answered from the cache.
    pub cache: CacheUse,
    /// The providers that may see it, by name; `None`: all. Models of the provider `local` always may.
    pub providers: Option<Arc<BTreeSet<String>>>,
    /// The models that may be asked for by name; `None`: all.
    pub models: Option<ModelScope>,
}

impl CallContext {
    /// Whether the provider of that name may see it.
    pub(crate) fn allows(&self, provider: &str) -> bool {
        let names = self.providers.as_ref();
        names.is_none_or(|names| provider == LOCAL || names.contains(provider))
    }
}

/// Tells of each name of a model whether it may be asked for.
#[derive(Clone)]
pub struct ModelScope(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl ModelScope {
    /// Those for which `allows` is true.
    pub fn new(allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(allows))
    }

    /// Whether the model of this name may be asked for.
    pub fn allows(&self, name: &str) -> bool {
        (self.0)(name)
    }
}

impl fmt::Debug for ModelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModelScope")
    }
}

/// The provider of models that run in this process.
const LOCAL: &str = "local";

/// A request on its way through the guards.
#[derive(Clone, Debug)]
pub struct Asked<R> {
    /// The request.
    pub request: R,
    /// What it carries besides.
    pub context: CallContext,
    /// Where it has been; shared by its retries.
    pub trail: Arc<Trail>,
    /// Whether another target can be asked if this one fails, so that it is not tried again here.
    pub has_alternative: bool,
}

impl<R> Asked<R> {
    /// A request that sets out now.
    pub fn new(request: R, context: CallContext) -> Self {
        let trail = Arc::new(Trail::within(context.trail.clone()));
        Self { request, context, trail, has_alternative: false }
    }
}

/// Where a call has been. Each call has its own; a trail that a caller gives along ([`CallContext::trail`]) is told of all
/// calls that are made with it: it adds up their attempts and what these consumed, and names the target of the last.
#[derive(Debug)]
pub struct Trail {
    started: Instant,
    first_attempt: OnceLock<Duration>,
    attempts: AtomicU32,
    asked_last: Mutex<Option<Arc<Payee>>>,
    bills: Mutex<Vec<(Arc<Payee>, Bill)>>,
    cache: Mutex<Option<CacheStatus>>,
    /// That of the call which this one goes on with, after the caller who began it left.
    continues: OnceLock<Arc<Trail>>,
    /// The caller's.
    outer: Option<Arc<Trail>>,
}

/// What has been asked of somebody, and what that consumed as far as it is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bill {
    pub(crate) attempts: u32,
    pub(crate) usage: Usage,
    /// In US dollars, as far as it is known.
    pub(crate) cost: Option<f64>,
    /// Whether something was consumed whose price is known, but not how much of it.
    pub(crate) has_unknown_cost: bool,
}

impl Bill {
    fn add(&mut self, other: Bill) {
        let before = std::mem::take(self);
        *self = Bill {
            attempts: before.attempts + other.attempts,
            // The provider's own words stay where they are all there is.
            usage: if before.usage == Usage::default() {
                other.usage
            } else {
                sum(before.usage, other.usage)
            },
            cost: add(before.cost, other.cost),
            has_unknown_cost: before.has_unknown_cost || other.has_unknown_cost,
        };
    }
}

/// What was asked of a model, and what that consumed.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    /// The model.
    pub model: Arc<ModelName>,
    /// How often it was asked.
    pub attempts: u32,
    /// What it consumed.
    pub usage: Usage,
    /// In US dollars; `None` when nothing is known of its price, or of what was consumed.
    pub cost: Option<f64>,
    /// Whether something was consumed whose cost is not in `cost`, though the model has prices.
    pub has_unknown_cost: bool,
}

impl Spent {
    fn of(model: Arc<ModelName>, bill: Bill) -> Self {
        let Bill { attempts, usage, cost, has_unknown_cost } = bill;
        Self { model, attempts, usage, cost, has_unknown_cost }
    }
}

impl Default for Trail {
    fn default() -> Self {
        Self::new()
    }
}

impl Trail {
    /// A trail that begins now.
    pub fn new() -> Self {
        Self::within(None)
    }

    /// A trail that begins now, of a call that is told of to `outer` too.
    fn within(outer: Option<Arc<Trail>>) -> Self {
        Self {
            started: Instant::now(),
            first_attempt: OnceLock::new(),
            attempts: AtomicU32::new(0),
            asked_last: Mutex::new(None),
            bills: Mutex::default(),
            cache: Mutex::default(),
            continues: OnceLock::new(),
            outer,
        }
    }

    /// This trail, and those around it.
    fn all(&self) -> impl Iterator<Item = &Trail> {
        std::iter::successors(Some(self), |trail| trail.outer.as_deref())
    }

    pub(crate) fn attempt(&self, payee: &Arc<Payee>) {
        for trail in self.all() {
            trail.attempts.fetch_add(1, Ordering::Relaxed);
            trail.first_attempt.get_or_init(|| trail.started.elapsed());
        }
        self.charge(payee, Bill { attempts: 1, ..Bill::default() });
        self.answered_by(payee);
    }

    /// Says who gives the answer. Every attempt says so by itself; where several run at once, it has to be said again
    /// of the one that wins.
    pub(crate) fn answered_by(&self, payee: &Arc<Payee>) {
        for trail in self.all() {
            *lock(&trail.asked_last) = Some(payee.clone());
        }
    }

    /// Who gives the answer: the model that was asked last.
    pub(crate) fn payee(&self) -> Option<Arc<Payee>> {
        lock(&self.asked_last).clone()
    }

    /// The model that was asked last, once there was one.
    pub fn target(&self) -> Option<Arc<ModelName>> {
        self.payee().map(|payee| payee.name.clone())
    }

    /// An attempt is over that consumed this.
    pub(crate) fn spend(&self, payee: &Arc<Payee>, usage: Usage) {
        let cost = payee.cost(&usage);
        let has_unknown_cost = cost.is_none() && payee.has_prices() && usage != Usage::default();
        self.charge(payee, Bill { attempts: 0, usage, cost, has_unknown_cost });
    }

    fn charge(&self, payee: &Arc<Payee>, bill: Bill) {
        for trail in self.all() {
            let mut bills = lock(&trail.bills);
            match bills.iter_mut().find(|(known, _)| Arc::ptr_eq(known, payee)) {
                Some((_, known)) => known.add(bill.clone()),
                None => bills.push((payee.clone(), bill.clone())),
            }
        }
    }

    /// What was asked of each model and what that consumed, as far as it is over, in the order in which they were first
    /// asked. Attempts that failed, lost a race or were cancelled are among them; what came from a cache is not.
    pub fn spent(&self) -> Vec<Spent> {
        let bills = lock(&self.bills);
        let mut spent: Vec<(Arc<ModelName>, Bill)> = Vec::new();
        for (payee, bill) in bills.iter() {
            match spent.iter_mut().find(|(model, _)| *model == payee.name) {
                Some((_, known)) => known.add(bill.clone()),
                None => spent.push((payee.name.clone(), bill.clone())),
            }
        }
        spent.into_iter().map(|(model, bill)| Spent::of(model, bill)).collect()
    }

    /// What all attempts at this target, or at all, have consumed as far as they are over, answered or not, each at its
    /// target's prices.
    pub(crate) fn bill(&self, payee: Option<&Payee>) -> Bill {
        let bills = lock(&self.bills);
        let counts = |of: &Arc<Payee>| payee.is_none_or(|payee| std::ptr::eq(&**of, payee));
        let mut whole = Bill::default();
        bills.iter().filter(|(of, _)| counts(of)).for_each(|(_, bill)| whole.add(bill.clone()));
        whole
    }

    /// How often a model has been asked.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// From the call to its first attempt, once there was one.
    pub fn queued(&self) -> Option<Duration> {
        self.first_attempt.get().copied()
    }

    /// What the cache did for the call, once it is known; `None` where no cache is set up. A caller's trail says of
    /// several calls what was done for the one that it spared least.
    pub fn cache(&self) -> Option<CacheStatus> {
        *lock(&self.cache)
    }

    pub(crate) fn set_cache(&self, status: CacheStatus) {
        *lock(&self.cache) = Some(status);
        for trail in self.all().skip(1) {
            let mut known = lock(&trail.cache);
            *known = Some(known.map_or(status, |known| known.or_dearer(status)));
        }
    }

    /// The call that left `earlier` is this one's from now on.
    pub(crate) fn go_on_with(&self, earlier: &Arc<Trail>) {
        self.continues.get_or_init(|| earlier.clone());
    }

    /// What was asked on behalf of this call: the trail of the call that it goes on with, else its own.
    pub(crate) fn of_models(&self) -> &Trail {
        self.continues.get().map_or(self, |trail| &**trail)
    }
}

/// A model as a [`tower::Service`]: the innermost one of a stack of guards. It is always ready, and each call is one
/// attempt. The request's model name is set to the one that the provider knows.
#[derive(Debug)]
pub struct Call<M: ?Sized> {
    model: Arc<M>,
    payee: Arc<Payee>,
}

impl<M: Modality + ?Sized> Call<M> {
    /// Calls `model`.
    pub fn new(model: Arc<M>) -> Self {
        let payee = Arc::new(Payee::of(model.model_info()));
        Self { model, payee }
    }

    /// Who is paid for the attempts.
    pub(crate) fn payee(&self) -> &Arc<Payee> {
        &self.payee
    }
}

impl<M: ?Sized> Clone for Call<M> {
    fn clone(&self) -> Self {
        Self { model: self.model.clone(), payee: self.payee.clone() }
    }
}

impl<M: Modality + ?Sized> Service<Asked<M::Request>> for Call<M> {
    type Response = ModelReply<M::Event>;
    type Error = ModelError;
    type Future = Asking<M::Event>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut asked: Asked<M::Request>) -> Self::Future {
        let mut attempt = Attempt::<M>::begin(&asked, &self.payee);
        M::address(&mut asked.request, &self.payee.name.model);
        let asking = on_behalf_of(asked.context, || self.model.ask(asked.request));
        Box::pin(async move {
            match asking.await {
                Ok(reply) => Ok(attempt.watch(reply)),
                Err(error) => {
                    attempt.failed();
                    Err(error)
                }
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
