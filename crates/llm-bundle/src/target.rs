//! [`Target`]: a model behind the guards of its own.

use std::fmt;
use std::sync::Arc;

use llm_core::{ErrorKind, ModelError, ModelInfo, ModelName};
use service_guards::{
    AttemptLimits, AttemptLimitsLayer, Breaker, BreakerLayer, BreakerStatus, InFlight,
    InFlightLayer, Priority, RetryBudget, RetryLayer, RetryOptions,
};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::call::{Asked, Call};
use crate::guarded::GuardOptions;
use crate::latency::Latency;
use crate::modality::{Asking, Modality, ModelReply};
use crate::pace::{Pace, PaceLayer, PaceOptions};
use crate::payee::Payee;
use crate::quota::{QuotaLayer, Quotas};

/// A model behind guards that hold for all who ask it, by whatever name. Clones share them.
///
/// From the outside in: quotas, in-flight limit, retries, breaker, limits of one attempt, the model.
pub struct Target<M: Modality + ?Sized> {
    shared: Arc<Shared<M>>,
}

struct Shared<M: Modality + ?Sized> {
    info: ModelInfo,
    payee: Arc<Payee>,
    in_flight: InFlight,
    breaker: Breaker,
    pace: Pace,
    latency: Latency,
    service: Stack<M>,
}

/// A service over calls to models of kind `M`, of whatever layers it consists.
pub(crate) type Stack<M> = BoxCloneSyncService<
    Asked<<M as Modality>::Request>,
    ModelReply<<M as Modality>::Event>,
    ModelError,
>;

impl<M: Modality + ?Sized> Target<M> {
    /// Puts its guards around `model`, with the quotas of its provider's account.
    pub fn new(model: Arc<M>, options: &GuardOptions, quotas: Option<Quotas>) -> Self {
        let info = model.model_info().clone();
        let in_flight = InFlight::with(options.in_flight);
        let breaker = Breaker::new(options.breaker);
        let places = in_flight.clone();
        let pace = PaceOptions { in_flight: options.in_flight.limit, ..PaceOptions::default() };
        let pace = Pace::steering(pace, move |limit| places.set_limit(limit));
        let call = Call::new(model);
        let payee = call.payee().clone();
        let quotas = quotas
            .map(|quotas| QuotaLayer::new(quotas, info.prices.clone()).paid_to(payee.clone()));
        let guards = (in_flight.clone(), breaker.clone(), pace.clone());
        let service = stack(call, options.clone(), quotas, guards);
        let latency = Latency::default();
        Self {
            shared: Arc::new(Shared { info, payee, in_flight, breaker, pace, latency, service }),
        }
    }

    /// What the model is and can do.
    pub fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    /// How many of its answers are alive, and how many calls wait.
    pub fn load(&self) -> (usize, usize) {
        (self.shared.in_flight.live(), self.shared.in_flight.waiting())
    }

    /// Whether it is left alone for now, because it failed too often or asked for it.
    pub fn breaker(&self) -> BreakerStatus {
        self.shared.breaker.status()
    }

    /// Whether a call of this priority would be refused now.
    pub(crate) fn rests(&self, priority: Priority) -> bool {
        self.shared.breaker.is_resting() || self.shared.pace.wait(priority).is_some()
    }

    /// How fast it may be called, by what its provider tells.
    pub fn pace(&self) -> &Pace {
        &self.shared.pace
    }

    /// How long it takes to its first event.
    pub(crate) fn latency(&self) -> &Latency {
        &self.shared.latency
    }

    /// Who is paid for its answers.
    pub(crate) fn payee(&self) -> &Arc<Payee> {
        &self.shared.payee
    }

    /// Asks. The future resolves when the answer has begun.
    pub(crate) fn ask(&self, asked: Asked<M::Request>) -> Asking<M::Event> {
        let name = &self.info().name;
        if !asked.context.allows(&name.provider) {
            let error = not_allowed::<M>(name);
            return Box::pin(async { Err(error) });
        }
        // The stack is always ready; waiting happens inside the call.
        self.shared.service.clone().call(asked)
    }
}

fn not_allowed<M: Modality + ?Sized>(name: &ModelName) -> ModelError {
    let provider = &name.provider;
    let message = format!(
        "the data may not be seen by `{provider}`; choose a model of a provider that may see it"
    );
    ModelError::new(ErrorKind::InvalidRequest, M::OPERATION, message)
        .at(provider, &name.model)
        .with_param("model")
}

/// The guards, outermost first.
fn stack<M: Modality + ?Sized>(
    call: Call<M>,
    options: GuardOptions,
    quotas: Option<QuotaLayer<M>>,
    (in_flight, breaker, pace): (InFlight, Breaker, Pace),
) -> Stack<M> {
    let budget = Arc::new(RetryBudget::new(options.retry_share, 10));
    let retry = options.retry;
    let retry = move |asked: &Asked<M::Request>| retries_of(asked, retry);
    let limits = move |asked: &Asked<M::Request>| limits_of::<M>(asked, &options);
    let service = ServiceBuilder::new()
        .option_layer(quotas)
        .layer(InFlightLayer::new(in_flight).by(|asked: &Asked<M::Request>| asked.context.priority))
        .layer(RetryLayer::new(retry, budget).until(M::commits))
        .layer(BreakerLayer::new(breaker).until(M::commits))
        .layer(PaceLayer::<M>::new(pace))
        .layer(AttemptLimitsLayer::new(limits))
        .service(call);
    BoxCloneSyncService::new(service)
}

/// Where somebody else can be asked, that is quicker than to wait for this target.
fn retries_of<R>(asked: &Asked<R>, options: RetryOptions) -> RetryOptions {
    if asked.has_alternative { RetryOptions { retries: 0, ..options } } else { options }
}

fn limits_of<M: Modality + ?Sized>(
    asked: &Asked<M::Request>,
    options: &GuardOptions,
) -> AttemptLimits {
    let at_once = M::answers_at_once(&asked.request);
    let first_event = match (at_once, asked.has_alternative) {
        (false, _) => options.first_event,
        (true, false) => options.deadline,
        // Half, so that there is time left to ask the other.
        (true, true) => options.deadline / 2,
    };
    AttemptLimits { first_event, idle: options.idle }
}

impl<M: Modality + ?Sized> Clone for Target<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<M: Modality + ?Sized> fmt::Debug for Target<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("model", &format_args!("{}", self.info().name))
            .field("in_flight", &self.shared.in_flight)
            .finish()
    }
}
