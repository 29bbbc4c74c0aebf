//! [`InFlight`]: how many calls may live at once, and how many may wait for their turn.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service, ServiceExt};

use crate::{Hold, Rejection};

/// A limit of live calls with a bounded queue in front. Clones share it.
///
/// Calls enter in the order of asking. A call that gives up waiting frees its place at once. A [`Permit`] travels
/// inside the answer, so that a limit of two means two live *streams*.
#[derive(Clone)]
pub struct InFlight {
    shared: Arc<Shared>,
}

struct Shared {
    permits: Arc<Semaphore>,
    limit: usize,
    queue: usize,
    waiting: AtomicUsize,
}

/// The right to be under way; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    /// At most `limit` live calls (at least one is allowed) and at most `queue` that wait.
    pub fn new(limit: usize, queue: usize) -> Self {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(limit));
        Self { shared: Arc::new(Shared { permits, limit, queue, waiting: AtomicUsize::new(0) }) }
    }

    /// Enters now or waits for a turn; first come, first served. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Rejection::Busy`] at once when the queue is full, [`Rejection::Closed`] after [`close`](Self::close).
    pub async fn enter(&self) -> Result<Permit, Rejection> {
        match self.try_enter() {
            Err(Rejection::Busy { .. }) => {}
            entered => return entered,
        }
        let _place = self.queue_up()?;
        let permit = self.shared.permits.clone().acquire_owned().await;
        permit.map(|permit| Permit { _permit: permit }).map_err(|_| Rejection::Closed)
    }

    /// Enters only if that needs no waiting.
    ///
    /// # Errors
    /// [`Rejection::Busy`] when all places are taken or others wait, [`Rejection::Closed`] after
    /// [`close`](Self::close).
    pub fn try_enter(&self) -> Result<Permit, Rejection> {
        match self.shared.permits.clone().try_acquire_owned() {
            Ok(permit) => Ok(Permit { _permit: permit }),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(self.busy()),
            Err(tokio::sync::TryAcquireError::Closed) => Err(Rejection::Closed),
        }
    }

    /// Lets nobody in any more and turns away who waits. Calls under way go on.
    pub fn close(&self) {
        self.shared.permits.close();
    }

    /// How many calls may live at once.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// How many calls are alive.
    pub fn live(&self) -> usize {
        self.shared.limit.saturating_sub(self.shared.permits.available_permits())
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    fn busy(&self) -> Rejection {
        Rejection::Busy { limit: self.shared.limit }
    }

    fn queue_up(&self) -> Result<Place<'_>, Rejection> {
        let Shared { queue, waiting, .. } = &*self.shared;
        let one_more = |waiting: usize| (waiting < *queue).then_some(waiting + 1);
        match waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Place(waiting)),
            Err(_) => Err(self.busy()),
        }
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("limit", &self.limit())
            .field("live", &self.live())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// Puts an [`InFlight`] limit before a service: each answer holds its permit until it ends or is dropped.
#[derive(Clone, Debug)]
pub struct InFlightLayer(InFlight);

impl InFlightLayer {
    /// All services made by this layer share `limit`.
    pub fn new(limit: InFlight) -> Self {
        Self(limit)
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlightService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlightService { inner, limit: self.0.clone() }
    }
}

/// A service behind an [`InFlight`] limit.
#[derive(Clone, Debug)]
pub struct InFlightService<S> {
    inner: S,
    limit: InFlight,
}

impl<S, R> Service<R> for InFlightService<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Response: Hold,
    S::Error: From<Rejection>,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (inner, limit) = (self.inner.clone(), self.limit.clone());
        Box::pin(async move {
            let permit = limit.enter().await?;
            let answer = inner.oneshot(request).await?;
            Ok(answer.hold(permit))
        })
    }
}
