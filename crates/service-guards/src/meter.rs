//! [`MeterLayer`]: reports exactly once how a call ended, also when nobody waited for its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tracing::{Instrument, Span};

use crate::Reply;
use crate::reply::Source;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its reply came to its end, or was left after a whole answer ([`Observer::is_whole`]).
    Completed,
    /// It failed, before or after its first event.
    Failed,
    /// It was dropped before it ended.
    Cancelled,
}

/// What a meter knows of any call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// From the call to its first event, where there was one.
    pub first_event: Option<Duration>,
    /// From the call to its end.
    pub total: Duration,
    /// How many events were handed out.
    pub items: u64,
}

/// Watches one call. All methods run on the path of the call (and `ended` possibly in a `Drop`): they must neither
/// block nor panic.
pub trait Observer<T, E>: Send + 'static {
    /// The span that the call runs in: entered whenever the call or its stream is polled.
    fn span(&self) -> Span {
        Span::none()
    }

    /// What has to be there before the call goes in and must be waited for: a place for what will be recorded of it,
    /// say. `None` when nothing is missing, which costs nothing. An error ends the call as failed. The wait is part of
    /// the call's time, and to leave during it is a cancellation.
    fn prepare(&mut self) -> Option<BoxFuture<'_, Result<(), E>>> {
        None
    }

    /// An event is handed out.
    fn item(&mut self, _item: &T) {}

    /// The call fails. The error is handed on as this gives it back, so that the observer can add what it knows.
    fn failed(&mut self, error: E) -> E {
        error
    }

    /// Whether the events so far are a whole answer, so that who drops the reply now has not cancelled anything.
    fn is_whole(&self) -> bool {
        false
    }

    /// The call has ended. Called exactly once, whatever happens.
    fn ended(self, summary: Summary);
}

/// Gives each call an [`Observer`], made by a function of the request.
#[derive(Clone, Copy, Debug)]
pub struct MeterLayer<F> {
    observe: F,
}

impl<F> MeterLayer<F> {
    /// `observe` makes the observer of a request.
    pub fn new(observe: F) -> Self {
        Self { observe }
    }
}

impl<S, F: Clone> Layer<S> for MeterLayer<F> {
    type Service = Meter<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Meter { inner, observe: self.observe.clone() }
    }
}

/// A service whose calls are observed.
#[derive(Clone, Debug)]
pub struct Meter<S, F> {
    inner: S,
    observe: F,
}

impl<S, F, O, R, T, E> Service<R> for Meter<S, F>
where
    S: Service<R, Response = Reply<T, E>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    F: FnMut(&R) -> O,
    O: Observer<T, E>,
    R: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Response = Reply<T, E>;
    type Error = E;
    type Future = BoxFuture<'static, Result<Reply<T, E>, E>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let mut run = Run::new((self.observe)(&request));
        let inner = self.inner.clone();
        Box::pin(async move {
            if let Err(error) = run.prepare().await {
                return Err(run.failed(error));
            }
            let head = inner.oneshot(request).instrument(run.span.clone()).await;
            match head {
                Ok(reply) => Ok(reply.map_source(move |source| Metered { source, run })),
                Err(error) => Err(run.failed(error)),
            }
        })
    }
}

/// One call under observation. Its `Drop` reports what nobody saw to its end.
struct Run<O, T, E>
where
    O: Observer<T, E>,
{
    observer: Option<O>,
    span: Span,
    started: Instant,
    first_event: Option<Duration>,
    items: u64,
    _event: std::marker::PhantomData<fn(T, E)>,
}

impl<O: Observer<T, E>, T, E> Run<O, T, E> {
    fn new(observer: O) -> Self {
        let span = observer.span();
        Self {
            observer: Some(observer),
            span,
            started: Instant::now(),
            first_event: None,
            items: 0,
            _event: std::marker::PhantomData,
        }
    }

    async fn prepare(&mut self) -> Result<(), E> {
        match self.observer.as_mut().and_then(Observer::prepare) {
            Some(missing) => missing.await,
            None => Ok(()),
        }
    }

    fn item(&mut self, item: &T) {
        self.items += 1;
        if self.first_event.is_none() {
            self.first_event = Some(self.started.elapsed());
        }
        if let Some(observer) = self.observer.as_mut() {
            observer.item(item);
        }
    }

    fn failed(&mut self, error: E) -> E {
        let error = match self.observer.as_mut() {
            Some(observer) => observer.failed(error),
            None => error,
        };
        self.end(Outcome::Failed);
        error
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(observer) = self.observer.take() {
            let _entered = self.span.enter();
            observer.ended(Summary {
                outcome,
                first_event: self.first_event,
                total: self.started.elapsed(),
                items: self.items,
            });
        }
    }
}

impl<O: Observer<T, E>, T, E> Drop for Run<O, T, E> {
    fn drop(&mut self) {
        let whole = self.observer.as_ref().is_some_and(Observer::is_whole);
        self.end(if whole { Outcome::Completed } else { Outcome::Cancelled });
    }
}

/// A stream under observation. The source stands first: it is dropped before the end is reported.
struct Metered<O: Observer<T, E>, T, E> {
    source: Source<T, E>,
    run: Run<O, T, E>,
}

impl<O: Observer<T, E>, T, E> Unpin for Metered<O, T, E> {}

impl<O: Observer<T, E>, T, E> Stream for Metered<O, T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { source, run } = &mut *self;
        let item = {
            let _entered = run.span.enter();
            std::task::ready!(Pin::new(source).poll_next(cx))
        };
        Poll::Ready(match item {
            Some(Ok(item)) => {
                run.item(&item);
                Some(Ok(item))
            }
            Some(Err(error)) => Some(Err(run.failed(error))),
            None => {
                run.end(Outcome::Completed);
                None
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
