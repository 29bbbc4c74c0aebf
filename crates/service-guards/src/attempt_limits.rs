//! [`AttemptLimitsLayer`]: how long one attempt may be silent, before its first event and between two.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service, ServiceExt};

use crate::clock::after;
use crate::reply::Source;
use crate::{Rejection, Reply};

/// How long one attempt may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// From the call to its first event. Ends in [`Rejection::FirstEvent`].
    pub first_event: Duration,
    /// From the moment that the caller asks for a further event to that event. Ends in [`Rejection::Idle`]. The time
    /// that a slow caller takes before it asks does not count, for the first event neither.
    pub idle: Duration,
}

/// Which limits hold for a request: an [`AttemptLimits`] for all, or a function of the request.
pub trait ChooseLimits<R>: Clone + Send + 'static {
    /// The limits for this request.
    fn choose(&self, request: &R) -> AttemptLimits;
}

impl<R> ChooseLimits<R> for AttemptLimits {
    fn choose(&self, _: &R) -> AttemptLimits {
        *self
    }
}

impl<R, F> ChooseLimits<R> for F
where
    F: Fn(&R) -> AttemptLimits + Clone + Send + 'static,
{
    fn choose(&self, request: &R) -> AttemptLimits {
        self(request)
    }
}

/// Ends an attempt that is silent for too long. Stands inside the retries, so that each attempt has the whole time.
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimitsLayer<C> {
    limits: C,
}

impl<C> AttemptLimitsLayer<C> {
    /// Attempts are limited by what `limits` says for their request.
    pub fn new(limits: C) -> Self {
        Self { limits }
    }
}

impl<S, C: Clone> Layer<S> for AttemptLimitsLayer<C> {
    type Service = LimitedAttempt<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        LimitedAttempt { inner, limits: self.limits.clone() }
    }
}

/// A service whose attempts have limits.
#[derive(Clone, Debug)]
pub struct LimitedAttempt<S, C> {
    inner: S,
    limits: C,
}

impl<S, C, R, T, E> Service<R> for LimitedAttempt<S, C>
where
    S: Service<R, Response = Reply<T, E>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    C: ChooseLimits<R>,
    R: Send + 'static,
    T: Send + 'static,
    E: From<Rejection> + Send + 'static,
{
    type Response = Reply<T, E>;
    type Error = E;
    type Future = BoxFuture<'static, Result<Reply<T, E>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let inner = self.inner.clone();
        let limits = self.limits.choose(&request);
        Box::pin(async move {
            let mut timer = Box::pin(sleep(limits.first_event));
            let reply = tokio::select! {
                biased;
                head = inner.oneshot(request) => head?,
                () = timer.as_mut() => return Err(silent_at_first(limits).into()),
            };
            let left = timer.deadline().saturating_duration_since(Instant::now());
            let silence = silent_at_first(limits);
            Ok(reply.map_source(move |source| Watched {
                source,
                timer,
                idle: limits.idle,
                patience: left,
                silence,
                asked_until: None,
            }))
        })
    }
}

fn silent_at_first(limits: AttemptLimits) -> Rejection {
    Rejection::FirstEvent { limit: limits.first_event }
}

/// A stream that ends with an error when its source is silent for too long. What is ready is always handed out first.
struct Watched<T, E> {
    source: Source<T, E>,
    /// May stand at an earlier time than is meant: moving it at every event would cost more than the event, so it is
    /// moved when it fires too early.
    timer: Pin<Box<Sleep>>,
    idle: Duration,
    /// How long the source may make the caller wait for its next event, and what it ends in otherwise.
    patience: Duration,
    silence: Rejection,
    /// Since the caller waits for the next event: when it has waited long enough.
    asked_until: Option<Instant>,
}

impl<T, E: From<Rejection>> Stream for Watched<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(item) = Pin::new(&mut this.source).poll_next(cx) {
            this.patience = this.idle;
            this.silence = Rejection::Idle { limit: this.idle };
            this.asked_until = None;
            return Poll::Ready(item);
        }
        let patience = this.patience;
        let end = *this.asked_until.get_or_insert_with(|| after(Instant::now(), patience));
        if this.timer.deadline() > end {
            this.timer.as_mut().reset(end);
        }
        while this.timer.as_mut().poll(cx).is_ready() {
            if end <= Instant::now() {
                return Poll::Ready(Some(Err(this.silence.clone().into())));
            }
            this.timer.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
