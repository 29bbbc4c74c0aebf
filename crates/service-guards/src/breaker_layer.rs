//! [`BreakerLayer`]: a [`Breaker`] in front of a service, which learns from its answers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use crate::reply::Source;
use crate::{Breaker, Judge, Pass, Rejection, Reply};

/// Puts a [`Breaker`] before a service. An answer counts as a success when it begins (at its first event, or when it
/// ends without one), and as a failure if an error of the service ([`Judge`]) ends it, then or later. Stands inside the
/// retries, so that each attempt counts, and outside the limits of an attempt, so that silence counts.
pub struct BreakerLayer<T> {
    breaker: Breaker,
    commits: fn(&T) -> bool,
}

impl<T> BreakerLayer<T> {
    /// All services made by this layer share `breaker`. Any event is the beginning of an answer.
    pub fn new(breaker: Breaker) -> Self {
        Self { breaker, commits: |_| true }
    }

    /// The same, where only events that `commits` accepts are the beginning of an answer; a notice that the call was
    /// accepted is none, for example.
    pub fn until(mut self, commits: fn(&T) -> bool) -> Self {
        self.commits = commits;
        self
    }
}

impl<T> Clone for BreakerLayer<T> {
    fn clone(&self) -> Self {
        Self { breaker: self.breaker.clone(), commits: self.commits }
    }
}

impl<T> fmt::Debug for BreakerLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl<S, T> Layer<S> for BreakerLayer<T> {
    type Service = BreakerService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService { inner, layer: self.clone() }
    }
}

/// A service behind a [`Breaker`].
#[derive(Debug)]
pub struct BreakerService<S, T> {
    inner: S,
    layer: BreakerLayer<T>,
}

impl<S: Clone, T> Clone for BreakerService<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, R, T, E> Service<R> for BreakerService<S, T>
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
        let inner = self.inner.clone();
        let BreakerLayer { breaker, commits } = self.layer.clone();
        Box::pin(async move {
            let pass = breaker.pass()?;
            match inner.oneshot(request).await {
                Ok(reply) => {
                    Ok(reply.map_source(move |source| Judged { source, commits, pass: Some(pass) }))
                }
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
    commits: fn(&T) -> bool,
    /// `None` once it has failed.
    pass: Option<Pass>,
}

impl<T, E: Judge> Stream for Judged<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let item = std::task::ready!(Pin::new(&mut this.source).poll_next(cx));
        let has_begun = match &item {
            Some(Ok(event)) => (this.commits)(event),
            Some(Err(error)) => {
                if let Some(pass) = this.pass.take() {
                    pass.failed(error.verdict());
                }
                false
            }
            None => true,
        };
        if has_begun && let Some(pass) = &mut this.pass {
            pass.began();
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
