//! [`Call`]: a model as a tower service.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use llm_core::ModelError;
use service_guards::Priority;
use tokio::time::Instant;
use tower::Service;

use crate::modality::{Asking, Modality, ModelReply};

/// What a call carries besides its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// On whose behalf it is made.
    pub tenant: Option<Arc<str>>,
    /// The id of the API key that it is made with; never the key itself.
    pub key: Option<Arc<str>>,
    /// Whether somebody waits for it.
    pub priority: Priority,
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
}

impl<R> Asked<R> {
    /// A request that sets out now.
    pub fn new(request: R, context: CallContext) -> Self {
        Self { request, context, trail: Arc::new(Trail::new()) }
    }
}

/// Where a call has been.
#[derive(Debug)]
pub struct Trail {
    started: Instant,
    first_attempt: OnceLock<Duration>,
    attempts: AtomicU32,
}

impl Trail {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            first_attempt: OnceLock::new(),
            attempts: AtomicU32::new(0),
        }
    }

    fn attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.first_attempt.get_or_init(|| self.started.elapsed());
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
pub struct Call<M: ?Sized>(Arc<M>);

impl<M: Modality + ?Sized> Call<M> {
    /// Calls `model`.
    pub fn new(model: Arc<M>) -> Self {
        Self(model)
    }
}

impl<M: ?Sized> Clone for Call<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
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
        asked.trail.attempt();
        M::address(&mut asked.request, &self.0.model_info().name.model);
        self.0.ask(asked.request)
    }
}
