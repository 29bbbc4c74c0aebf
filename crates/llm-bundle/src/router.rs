//! [`Router`]: asks the targets of a route, one after the other, until one answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, select};
use llm_core::{ErrorKind, ModelError, ModelInfo, Prices, Usage};
use service_guards::RetryBudget;
use tokio::time::{Instant, timeout};
use tower::Service;

use crate::call::Asked;
use crate::continuation::{self, Remaining};
use crate::modality::{Asking, Modality, ModelReply};
use crate::route::RouteOptions;
use crate::strategy::Candidate;
use crate::tally::estimated_tokens;
use crate::target::Target;

/// Tokens that an answer is taken to have, where the request does not say.
const ANSWER_TOKENS: u64 = 500;

/// The targets of a route.
pub(crate) struct Targets<M: Modality + ?Sized> {
    places: Vec<Place<M>>,
    options: RouteOptions,
    hedges: RetryBudget,
}

/// A target in a route's list.
pub(crate) struct Place<M: Modality + ?Sized> {
    pub(crate) target: Target<M>,
    /// Its number in the list; several keys of one provider share it.
    pub(crate) number: usize,
    pub(crate) weight: u32,
}

/// The targets that are left to ask, first one first.
pub(crate) type Plan = VecDeque<usize>;

impl<M: Modality + ?Sized> Targets<M> {
    pub(crate) fn new(places: Vec<Place<M>>, options: RouteOptions) -> Self {
        let share = options.hedge.map_or(0.0, |hedge| hedge.share);
        Self { places, options, hedges: RetryBudget::new(share, 3) }
    }

    /// A route with one target.
    pub(crate) fn one(target: Target<M>) -> Self {
        Self::new(vec![Place { target, number: 0, weight: 1 }], RouteOptions::default())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Target<M>> {
        self.places.iter().map(|place| &place.target)
    }

    pub(crate) fn options(&self) -> &RouteOptions {
        &self.options
    }

    /// What is known of the first target, with the longest context of all. `None` where there is no target.
    pub(crate) fn info(&self) -> Option<ModelInfo> {
        let mut info = self.iter().next()?.info().clone();
        let contexts = || self.iter().map(|target| target.info().limits.context_tokens);
        if contexts().all(|context| context.is_some()) {
            info.limits.context_tokens = contexts().flatten().max();
        }
        Some(info)
    }

    /// The target with this index, which came from a plan of this route.
    pub(crate) fn target(&self, at: usize) -> Option<&Target<M>> {
        self.places.get(at).map(|place| &place.target)
    }

    /// In which order to ask for this request.
    fn plan(&self, asked: &Asked<M::Request>) -> Plan {
        let candidates: Vec<Candidate> =
            self.places.iter().map(|place| place.candidate(asked)).collect();
        let mut plan: Plan = self.options.strategy.order(&candidates).into();
        if plan.iter().any(|at| self.allows(*at, asked)) {
            plan.retain(|at| self.allows(*at, asked));
        }
        plan
    }

    fn allows(&self, at: usize, asked: &Asked<M::Request>) -> bool {
        self.target(at).is_some_and(|target| asked.context.allows(&target.info().name.provider))
    }

    /// Asks one target; a second one beside it when the first is slow and the route hedges.
    async fn attempt(
        &self,
        at: usize,
        next: Option<usize>,
        asked: Asked<M::Request>,
    ) -> Result<ModelReply<M::Event>, ModelError> {
        let Some(patience) = self.hedge_after(at) else {
            return self.ask(at, asked).await;
        };
        self.hedges.deposit();
        let mut first = Box::pin(self.ask(at, asked.clone()));
        if let Ok(answer) = timeout(patience, &mut first).await {
            return answer;
        }
        if !self.hedges.withdraw() {
            return first.await;
        }
        tracing::debug!(?patience, "the target is slow, a second call is made");
        let trail = asked.trail.clone();
        let second_at = next.unwrap_or(at);
        let second = Box::pin(self.ask(second_at, asked));
        let (winner, answer) = match select(first, second).await {
            Either::Left((Err(_), second)) => (second_at, second.await),
            Either::Right((Err(_), first)) => (at, first.await),
            Either::Left((answer, _)) => (at, answer),
            Either::Right((answer, _)) => (second_at, answer),
        };
        if let Some(target) = self.target(winner) {
            trail.answered_by(target.payee());
        }
        answer
    }

    async fn ask(
        &self,
        at: usize,
        asked: Asked<M::Request>,
    ) -> Result<ModelReply<M::Event>, ModelError> {
        let Some(target) = self.target(at) else {
            return Err(no_target::<M>());
        };
        let begun = Instant::now();
        let reply = target.ask(asked).await?;
        target.latency().record(begun.elapsed());
        Ok(reply)
    }

    fn hedge_after(&self, at: usize) -> Option<Duration> {
        let hedge = self.options.hedge?;
        self.target(at)?.latency().percentile(hedge.percentile, hedge.least)
    }

    /// Whether to ask another target after this failure; narrows down which.
    pub(crate) fn falls_back(&self, error: &ModelError, failed: usize, plan: &mut Plan) -> bool {
        if !self.options.fallback.helps(error.kind()) {
            return false;
        }
        if error.kind() == ErrorKind::ContextLength {
            let context = |at: usize| self.target(at)?.info().limits.context_tokens;
            let too_small = context(failed);
            plan.retain(|at| match (context(*at), too_small) {
                (Some(context), Some(too_small)) => context > too_small,
                _ => true,
            });
        }
        !plan.is_empty()
    }
}

impl<M: Modality + ?Sized> Place<M> {
    fn candidate(&self, asked: &Asked<M::Request>) -> Candidate {
        let request = &asked.request;
        let info = self.target.info();
        let (live, waiting) = self.target.load();
        Candidate {
            place: self.number,
            weight: self.weight,
            busy: live + waiting,
            latency: self.target.latency().estimate(),
            cost: cost::<M>(request, info),
            fits: M::fits(request, info),
            rests: self.target.rests(asked.context.priority),
        }
    }
}

/// Roughly what the call would cost.
fn cost<M: Modality + ?Sized>(request: &M::Request, info: &ModelInfo) -> Option<f64> {
    let prices: &Prices = info.prices.as_ref()?;
    let usage = Usage {
        input_tokens: Some(estimated_tokens(M::input_bytes(request))),
        output_tokens: prices.output.map(|_| M::output_limit(request).unwrap_or(ANSWER_TOKENS)),
        ..Usage::default()
    };
    prices.cost(&usage)
}

fn no_target<M: Modality + ?Sized>() -> ModelError {
    ModelError::new(ErrorKind::NotFound, M::OPERATION, "the route has no target")
}

/// The targets of a route as one service.
pub(crate) struct Router<M: Modality + ?Sized> {
    targets: Arc<Targets<M>>,
}

impl<M: Modality + ?Sized> Router<M> {
    pub(crate) fn new(targets: Arc<Targets<M>>) -> Self {
        Self { targets }
    }
}

impl<M: Modality + ?Sized> Clone for Router<M> {
    fn clone(&self) -> Self {
        Self { targets: self.targets.clone() }
    }
}

impl<M: Modality + ?Sized> Service<Asked<M::Request>> for Router<M> {
    type Response = ModelReply<M::Event>;
    type Error = ModelError;
    type Future = Asking<M::Event>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Asked<M::Request>) -> Self::Future {
        match (self.targets.places.as_slice(), self.targets.options.hedge) {
            ([only], None) => only.target.ask(asked),
            _ => Box::pin(route(self.targets.clone(), asked)),
        }
    }
}

/// The whole story of a route: asks target after target, until one answers or asking another cannot help.
async fn route<M: Modality + ?Sized>(
    targets: Arc<Targets<M>>,
    asked: Asked<M::Request>,
) -> Result<ModelReply<M::Event>, ModelError> {
    let plan = targets.plan(&asked);
    let remaining = Remaining { targets, plan, asked };
    let (reply, remaining) = remaining.ask_next().await?;
    Ok(continuation::guard(reply, remaining))
}

impl<M: Modality + ?Sized> Remaining<M> {
    /// Asks the targets that are left, up to the first that answers.
    ///
    /// # Errors
    /// The failure of the last one that was asked.
    pub(crate) async fn ask_next(mut self) -> Result<(ModelReply<M::Event>, Self), ModelError> {
        let mut failure = None;
        while let Some(at) = self.plan.pop_front() {
            let mut asked = self.asked.clone();
            asked.has_alternative = !self.plan.is_empty();
            let next = self.plan.front().copied();
            let answer = self.targets.attempt(at, next, asked).await;
            let error = match answer.and_then(|reply| self.unfiltered(reply)) {
                Ok(reply) => return Ok((reply, self)),
                Err(error) => error,
            };
            if !self.targets.falls_back(&error, at, &mut self.plan) {
                return Err(error);
            }
            tracing::warn!(%error, "the next target is asked");
            failure = Some(error);
        }
        Err(failure.unwrap_or_else(no_target::<M>))
    }

    /// An answer that was cut by a filter before it began counts as a failure where another target may do better.
    fn unfiltered(&self, reply: ModelReply<M::Event>) -> Result<ModelReply<M::Event>, ModelError> {
        let may_fall_back = !self.plan.is_empty() && self.targets.options.fallback.content_filter;
        if may_fall_back && reply.at_hand().last().is_some_and(M::is_filtered) {
            let message = "the provider's policy cut the answer before it began";
            return Err(ModelError::new(ErrorKind::ContentFilter, M::OPERATION, message));
        }
        Ok(reply)
    }
}
