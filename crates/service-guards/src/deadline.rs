//! [`DeadlineLayer`]: how long a call may take in all, its stream included.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service, ServiceExt};

use crate::clock::after;
use crate::reply::Source;
use crate::{Rejection, Reply};

/// Ends a call that has not finished in time with [`Rejection::Deadline`]: before its head as the future's error,
/// later as the last item. What the call held is dropped at that moment. Time counts from the call.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    limit: Duration,
}

impl DeadlineLayer {
    /// Calls may take `limit` in all.
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, limit: self.limit }
    }
}

/// A service with a total deadline.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    limit: Duration,
}

impl<S, R, T, E> Service<R> for Deadline<S>
where
    S: Service<R, Response = Reply<T, E>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
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
        let (inner, limit) = (self.inner.clone(), self.limit);
        let until = after(Instant::now(), limit);
        Box::pin(async move {
            let mut timer = Box::pin(sleep_until(until));
            let reply = tokio::select! {
                biased;
                head = inner.oneshot(request) => head?,
                () = timer.as_mut() => return Err(Rejection::Deadline { limit }.into()),
            };
            Ok(reply.map_source(move |source| Bounded { source, timer, limit }))
        })
    }
}

/// A stream that ends with an error when its time is up, even if more items are ready.
struct Bounded<T, E> {
    source: Source<T, E>,
    timer: Pin<Box<Sleep>>,
    limit: Duration,
}

impl<T, E: From<Rejection>> Stream for Bounded<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.timer.as_mut().poll(cx).is_ready() {
            let limit = self.limit;
            return Poll::Ready(Some(Err(Rejection::Deadline { limit }.into())));
        }
        Pin::new(&mut self.source).poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
