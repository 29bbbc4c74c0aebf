//! [`BreakerLayer`]: a [`Breaker`] in front of a service, which learns from its answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use crate::reply::Source;
use crate::{Breaker, Judge, Pass, Rejection, Reply};

/// Puts a [`Breaker`] before a service. An answer counts as a success at its first event (or when it ends without
/// one), and as a failure if an error of the service ([`Judge`]) ends it, then or later. Stands inside the retries,
/// so that each attempt counts, and outside the limits of an attempt, so that silence counts.
#[derive(Clone, Debug)]
pub struct BreakerLayer(Breaker);

impl BreakerLayer {
    /// All services made by this layer share `breaker`.
    pub fn new(breaker: Breaker) -> Self {
        Self(breaker)
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService { inner, breaker: self.0.clone() }
    }
}

/// A service behind a [`Breaker`].
#[derive(Clone, Debug)]
pub struct BreakerService<S> {
    inner: S,
    breaker: Breaker,
}

impl<S, R, T, E> Service<R> for BreakerService<S>
where
    S: Service<R, Response = Reply<T, E>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
    T: Send + 'static,
    E: Judge + From<Rejection> + Send + 'static,
{
    type Response = Reply<T, E>;
    type Error = E;
    type Future = BoxFuture<'static, Result<Reply<T, E>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Self { inner, breaker } = self.clone();
        Box::pin(async move {
            let pass = breaker.pass()?;
            match inner.oneshot(request).await {
                Ok(reply) => Ok(reply.map_source(|source| Judged { source, pass: Some(pass) })),
                Err(error) => {
                    pass.failed(error.verdict());
                    Err(error)
                }
            }
        })
    }
}

/// A stream whose beginning and failure are reported.
struct Judged<T, E> {
    source: Source<T, E>,
    /// `None` once it has failed.
    pass: Option<Pass>,
}

impl<T, E: Judge> Stream for Judged<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let item = std::task::ready!(Pin::new(&mut this.source).poll_next(cx));
        match &item {
            Some(Err(error)) => {
                if let Some(pass) = this.pass.take() {
                    pass.failed(error.verdict());
                }
            }
            Some(Ok(_)) | None => {
                if let Some(pass) = &mut this.pass {
                    pass.began();
                }
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
