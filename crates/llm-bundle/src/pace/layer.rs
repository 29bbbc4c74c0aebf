//! [`PaceLayer`]: a [`Pace`] before a model.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use llm_core::{ErrorKind, ModelError, Retry};
use service_guards::Priority;
use tower::{Layer, Service};

use super::{Attempt, Pace};
use crate::call::Asked;
use crate::modality::{Asking, Modality, ModelReply};
use crate::tally::estimated_tokens;

/// Refuses attempts for which the target has no room, with [`ErrorKind::RateLimit`] and [`Retry::After`] the time until it
/// has, and learns from how the others end. Stands inside the retries, next to the breaker, so that a refused attempt is
/// tried again when there is room, or elsewhere.
pub struct PaceLayer<M: ?Sized> {
    pace: Pace,
    kind: PhantomData<fn() -> Box<M>>,
}

impl<M: ?Sized> PaceLayer<M> {
    /// Attempts keep this pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace, kind: PhantomData }
    }
}

impl<M: ?Sized> Clone for PaceLayer<M> {
    fn clone(&self) -> Self {
        Self::new(self.pace.clone())
    }
}

impl<S, M: ?Sized> Layer<S> for PaceLayer<M> {
    type Service = Paced<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Paced { inner, pace: self.pace.clone(), kind: PhantomData }
    }
}

/// A service that keeps a [`Pace`].
pub struct Paced<S, M: ?Sized> {
    inner: S,
    pace: Pace,
    kind: PhantomData<fn() -> Box<M>>,
}

impl<S: Clone, M: ?Sized> Clone for Paced<S, M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), pace: self.pace.clone(), kind: PhantomData }
    }
}

impl<S, M> Service<Asked<M::Request>> for Paced<S, M>
where
    M: Modality + ?Sized,
    S: Service<Asked<M::Request>, Response = ModelReply<M::Event>, Error = ModelError>,
    S::Future: Send + 'static,
{
    type Response = ModelReply<M::Event>;
    type Error = ModelError;
    type Future = Asking<M::Event>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, asked: Asked<M::Request>) -> Self::Future {
        let priority = asked.context.priority;
        let tokens = estimated_tokens(M::input_bytes(&asked.request));
        let mut attempt = match self.pace.begin(priority, tokens) {
            Ok(attempt) => attempt,
            Err(wait) => {
                return Box::pin(std::future::ready(Err(
                    no_room(wait, priority).during(M::OPERATION)
                )));
            }
        };
        let asking = self.inner.call(asked);
        Box::pin(async move {
            let answer = asking.await;
            attempt.answered();
            match answer {
                Ok(reply) => Ok(reply.map_source(|source| Watched { source, attempt })),
                Err(error) => {
                    attempt.failed(&error);
                    Err(error)
                }
            }
        })
    }
}

fn no_room(wait: Duration, priority: Priority) -> ModelError {
    let message = match priority {
        Priority::Interactive => format!("the provider's limit is used up for another {wait:.1?}"),
        Priority::Batch => format!(
            "what is left of the provider's limit is kept for interactive calls for another {wait:.1?}"
        ),
    };
    ModelError::new(ErrorKind::RateLimit, llm_core::Operation::Raw, message)
        .with_retry(Retry::After(wait))
        .as_refusal()
}

/// A stream that tells its attempt how it goes.
struct Watched<S> {
    source: S,
    attempt: Attempt,
}

impl<S, T> Stream for Watched<S>
where
    S: Stream<Item = Result<T, ModelError>> + Unpin,
{
    type Item = Result<T, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = std::task::ready!(Pin::new(&mut self.source).poll_next(cx));
        match &item {
            Some(Ok(_)) => self.attempt.succeeded(),
            Some(Err(error)) => self.attempt.failed(error),
            None => {}
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}
