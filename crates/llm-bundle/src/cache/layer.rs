//! [`CacheLayer`]: the cache as a tower layer before a route's calls.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt};
use llm_core::{ErrorKind, ModelError};
use service_guards::Priority;
use tower::{Layer, Service, ServiceExt};

use super::entry::Tape;
use super::event::CacheableEvent;
use super::flight::{Arrival, Flights, Follower, Source};
use super::key::CacheKey;
use super::policy::CacheStatus;
use super::request::CacheableRequest;
use super::{Cache, Plan};
use crate::call::Asked;
use crate::modality::{Asking, Modality, ModelReply};

/// Requests with more text, sound or pictures are taken up on a thread of their own: hashing so much would hold up other
/// calls.
const HASHED_HERE: usize = 256 << 10;

/// Answers calls of one route from a [`Cache`], and makes equal ones under way one. Stands outside of the route's limits
/// and deadline, inside of its meter.
///
/// - What a call wants is [`CallContext::cache`](crate::CallContext::cache); what it got is
///   [`Trail::cache`](crate::Trail::cache).
/// - A kept answer comes as the events that it was, without the pauses, streamed or not.
/// - Equal calls of one tenant, API key and priority that are under way at once are one call to the model. All see all of
///   its events as they come, and its failure if it fails. It goes on as long as one of them is there.
pub struct CacheLayer<M: Modality + ?Sized> {
    cache: Cache,
    route: Arc<str>,
    flights: Arc<Flights<FlightKey, M::Event>>,
}

impl<M: Modality + ?Sized> CacheLayer<M> {
    /// Answers from `cache`. `route` names who answers: two routes that may answer differently must differ in it.
    pub fn new(cache: Cache, route: impl Into<Arc<str>>) -> Self {
        Self { cache, route: route.into(), flights: Arc::default() }
    }
}

impl<M: Modality + ?Sized> Clone for CacheLayer<M> {
    fn clone(&self) -> Self {
        let Self { cache, route, flights } = self;
        Self { cache: cache.clone(), route: route.clone(), flights: flights.clone() }
    }
}

impl<M: Modality + ?Sized> fmt::Debug for CacheLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("cache", &self.cache)
            .field("route", &self.route)
            .finish()
    }
}

impl<S, M: Modality + ?Sized> Layer<S> for CacheLayer<M> {
    type Service = Cached<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Cached { inner, layer: self.clone() }
    }
}

/// A service with a cache before it.
pub struct Cached<S, M: Modality + ?Sized> {
    inner: S,
    layer: CacheLayer<M>,
}

impl<S: Clone, M: Modality + ?Sized> Clone for Cached<S, M> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, M: Modality + ?Sized> fmt::Debug for Cached<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

/// Whose calls may be one: limits and errors of another key, or a place in another queue, are not the caller's.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FlightKey {
    key: CacheKey,
    api_key: Option<Arc<str>>,
    is_batch: bool,
    looks_up: bool,
    compares: bool,
}

impl<S, M> Service<Asked<M::Request>> for Cached<S, M>
where
    M: Modality + ?Sized,
    S: Service<Asked<M::Request>, Response = ModelReply<M::Event>, Error = ModelError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = ModelReply<M::Event>;
    type Error = ModelError;
    type Future = Asking<M::Event>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ModelError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Asked<M::Request>) -> Self::Future {
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Box::pin(async move {
            let (asked, plan) = planned::<M>(&layer.cache, &layer.route, asked).await?;
            let Some(plan) = plan else {
                asked.trail.set_cache(CacheStatus::Bypass);
                return inner.oneshot(asked).await;
            };
            begun(layer.follow(plan, inner, asked)).await
        })
    }
}

impl<M: Modality + ?Sized> CacheLayer<M> {
    /// Joins the call that asks the same, or begins it.
    fn follow<S>(
        &self,
        plan: Plan,
        inner: S,
        asked: Asked<M::Request>,
    ) -> Follower<FlightKey, M::Event>
    where
        S: Service<Asked<M::Request>, Response = ModelReply<M::Event>, Error = ModelError>
            + Send
            + 'static,
        S::Future: Send,
    {
        let key = FlightKey {
            key: plan.key,
            api_key: asked.context.key.clone(),
            is_batch: asked.context.priority == Priority::Batch,
            looks_up: plan.looks_up,
            compares: plan.question.is_some(),
        };
        let cache = self.cache.clone();
        let most_bytes = cache.inner.max_entry_bytes;
        let trail = asked.trail.clone();
        self.flights.join(&key, trail, most_bytes, || source::<M, S>(cache, plan, inner, asked))
    }
}

/// What the call is looked up by; off the runtime if the request is large.
async fn planned<M: Modality + ?Sized>(
    cache: &Cache,
    route: &Arc<str>,
    asked: Asked<M::Request>,
) -> Result<(Asked<M::Request>, Option<Plan>), ModelError> {
    if asked.request.weight() <= HASHED_HERE {
        let plan = cache.plan(M::KIND, route, &asked.request, &asked.context);
        return Ok((asked, plan));
    }
    let (cache, route) = (cache.clone(), route.clone());
    let work = move || {
        let plan = cache.plan(M::KIND, &route, &asked.request, &asked.context);
        (asked, plan)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        let message = "the request could not be taken up: the runtime is stopping";
        ModelError::new(ErrorKind::Internal, M::OPERATION, message).with_source(error)
    })
}

/// The answer: a kept one, else the model's, which is kept when it is whole.
fn source<M, S>(cache: Cache, plan: Plan, inner: S, asked: Asked<M::Request>) -> Source<M::Event>
where
    M: Modality + ?Sized,
    S: Service<Asked<M::Request>, Response = ModelReply<M::Event>, Error = ModelError>
        + Send
        + 'static,
    S::Future: Send,
{
    let events = try_stream!({
        match cache.look_up::<M::Event>(&plan).await {
            Ok(found) => {
                yield Arrival::From(found.status);
                for event in found.events {
                    yield Arrival::Event(event, 0);
                }
            }
            Err(meaning) => {
                yield Arrival::From(CacheStatus::Miss);
                let mut tape = Tape::new(cache.inner.max_entry_bytes, plan.items);
                let mut reply = inner.oneshot(asked).await?;
                while let Some(event) = reply.try_next().await? {
                    let size = tape.push(&event);
                    if M::Event::IS_WHOLE {
                        cache.keep(&plan, meaning.clone(), &mut tape);
                        yield Arrival::Last(event);
                    } else {
                        yield Arrival::Event(event, size);
                    }
                }
                drop(reply);
                cache.keep(&plan, meaning, &mut tape);
            }
        }
    });
    events.boxed()
}

/// The reply with its first event at hand, or the failure that came in its place.
async fn begun<E: CacheableEvent>(
    mut follower: Follower<FlightKey, E>,
) -> Result<ModelReply<E>, ModelError> {
    match follower.try_next().await? {
        Some(event) => Ok(ModelReply::new(follower).unread(event)),
        None => Ok(ModelReply::new(follower)),
    }
}
