//! [`Call`]: a model as a tower service.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use llm_core::{ModelError, ModelName};
use service_guards::Priority;
use tokio::time::Instant;
use tower::Service;

use crate::caller::on_behalf_of;
use crate::modality::{Asking, Modality, ModelReply};
use crate::target::Card;

/// What a call carries besides its request.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// On whose behalf it is made.
    pub tenant: Option<Arc<str>>,
    /// The id of the API key that it is made with; never the key itself.
    pub key: Option<Arc<str>>,
    /// Whether somebody waits for it.
    pub priority: Priority,
    /// Where to note where the call has been, for a caller who wants to know.
    pub trail: Option<Arc<Trail>>,
}

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
        let trail = context.trail.clone().unwrap_or_default();
        Self { request, context, trail, has_alternative: false }
    }
}

/// Where a call has been. A trail that several calls share (the batches of one request, say) adds up their attempts and
/// names the target of the last.
#[derive(Debug)]
pub struct Trail {
    started: Instant,
    first_attempt: OnceLock<Duration>,
    attempts: AtomicU32,
    target: Mutex<Option<Arc<Card>>>,
}

impl Default for Trail {
    fn default() -> Self {
        Self::new()
    }
}

impl Trail {
    /// A trail that begins now.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            first_attempt: OnceLock::new(),
            attempts: AtomicU32::new(0),
            target: Mutex::new(None),
        }
    }

    fn attempt(&self, card: &Arc<Card>) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.first_attempt.get_or_init(|| self.started.elapsed());
        self.answered_by(card);
    }

    /// Of several that were asked, this one answers.
    pub(crate) fn answered_by(&self, card: &Arc<Card>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(card.clone());
    }

    pub(crate) fn card(&self) -> Option<Arc<Card>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The model that was asked last, once there was one.
    pub fn target(&self) -> Option<Arc<ModelName>> {
        self.card().map(|card| card.model.clone())
    }

    /// How often the model has been asked.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// From the call to its first attempt, once there was one.
    pub fn queued(&self) -> Option<Duration> {
        self.first_attempt.get().copied()
    }
}

/// A model as a [`tower::Service`]: the innermost one of a stack of guards. It is always ready, and each call is one
/// attempt. The request's model name is set to the one that the provider knows.
#[derive(Debug)]
pub struct Call<M: ?Sized> {
    model: Arc<M>,
    card: Arc<Card>,
}

impl<M: Modality + ?Sized> Call<M> {
    pub(crate) fn new(model: Arc<M>, card: Arc<Card>) -> Self {
        Self { model, card }
    }
}

impl<M: ?Sized> Clone for Call<M> {
    fn clone(&self) -> Self {
        Self { model: self.model.clone(), card: self.card.clone() }
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
        asked.trail.attempt(&self.card);
        M::address(&mut asked.request, &self.card.model.model);
        on_behalf_of(asked.context, || self.model.ask(asked.request))
    }
}
