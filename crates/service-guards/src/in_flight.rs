//! [`InFlight`]: how many calls may live at once, and how many may wait for their turn.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt};

use crate::admission::{self, Admission, Answer, Bounds};
use crate::{Hold, Priority, Rejection};

/// How many calls may live, and who may wait how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightOptions {
    /// How many calls may live at once; zero counts as one.
    pub limit: usize,
    /// How many calls of each class may wait, so that a queue full of [`Priority::Batch`] is no obstacle to
    /// [`Priority::Interactive`].
    pub queue: usize,
    /// How long a call may wait before it ends in [`Rejection::QueueTimeout`]. `None`: as long as its caller does.
    pub longest_wait: Option<Duration>,
    /// How much of the places batch may take, in percent of the limit, rounded down, at least one place.
    pub batch_percent: u8,
}

impl Default for InFlightOptions {
    /// 256 live calls, of them at most 80 % batch; 1,024 of each class may wait, as long as they like.
    fn default() -> Self {
        Self { limit: 256, queue: 1_024, longest_wait: None, batch_percent: 80 }
    }
}

/// A limit of live calls with a bounded queue in front. Clones share it.
///
/// - A place that becomes free goes to the [`Priority::Interactive`] call that has waited longest, and to a
///   [`Priority::Batch`] one only when no interactive call waits. Nobody is overtaken within a class.
/// - Batch never takes all places ([`InFlightOptions::batch_percent`]), unless there is only one. So a batch of any
///   size leaves room for a live chat.
/// - Batch goes on as long as interactive calls leave places free. While they take all of them and more are waiting, no
///   batch call gets in, however long that lasts; [`InFlightOptions::longest_wait`] bounds what it then waits.
/// - A [`Permit`] travels inside the answer, so that a limit of two means two live *streams*.
/// - A call that gives up waiting leaves at once, and if it was just let in, the next goes in its stead.
///
/// Entering costs a short lock; waiting costs a wake-up. There is no task behind it.
#[derive(Clone)]
pub struct InFlight {
    admission: Arc<Admission>,
    longest_wait: Option<Duration>,
}

/// The right to be under way; given back when dropped.
pub struct Permit {
    _permit: admission::Permit,
}

impl InFlight {
    /// At most `limit` live calls (at least one is allowed) and at most `queue` of each class that wait; otherwise the
    /// default of [`InFlightOptions`].
    pub fn new(limit: usize, queue: usize) -> Self {
        Self::with(InFlightOptions { limit, queue, ..InFlightOptions::default() })
    }

    /// A limit as `options` say.
    pub fn with(options: InFlightOptions) -> Self {
        let InFlightOptions { limit, queue, longest_wait, batch_percent } = options;
        let admission = Arc::new(Admission::new(Bounds { limit, queue, batch_percent }));
        Self { admission, longest_wait }
    }

    /// Enters as [`Priority::Interactive`], now or when it is its turn; as [`enter_as`](Self::enter_as).
    ///
    /// # Errors
    /// As [`enter_as`](Self::enter_as).
    pub async fn enter(&self) -> Result<Permit, Rejection> {
        self.enter_as(Priority::Interactive).await
    }

    /// Enters now or waits for a turn. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Rejection::Busy`] at once when the queue is full, [`Rejection::QueueTimeout`] after
    /// [`InFlightOptions::longest_wait`], [`Rejection::Closed`] after [`close`](Self::close).
    pub async fn enter_as(&self, priority: Priority) -> Result<Permit, Rejection> {
        let waiter = match self.admission.ask(priority)? {
            Answer::Enter(permit) => return Ok(Permit { _permit: permit }),
            Answer::Wait(waiter) => waiter,
        };
        let permit = match self.longest_wait {
            None => waiter.await?,
            Some(limit) => match tokio::time::timeout(limit, waiter).await {
                Ok(permit) => permit?,
                Err(_) => return Err(Rejection::QueueTimeout { limit }),
            },
        };
        Ok(Permit { _permit: permit })
    }

    /// Enters as [`Priority::Interactive`], only if that needs no waiting.
    ///
    /// # Errors
    /// [`Rejection::Busy`] when all places are taken, [`Rejection::Closed`] after [`close`](Self::close).
    pub fn try_enter(&self) -> Result<Permit, Rejection> {
        let permit = self.admission.try_enter(Priority::Interactive)?;
        Ok(Permit { _permit: permit })
    }

    /// Changes how many calls may live at once (at least one). More places wake who waits for them. With fewer, the
    /// calls under way go on, and nobody enters until there are fewer of them than places.
    pub fn set_limit(&self, limit: usize) {
        self.admission.set_limit(limit);
    }

    /// Lets nobody in any more and turns away who waits. Calls under way go on.
    pub fn close(&self) {
        self.admission.close();
    }

    /// How many calls may live at once.
    pub fn limit(&self) -> usize {
        self.admission.limit()
    }

    /// How many calls are alive.
    pub fn live(&self) -> usize {
        self.admission.live(&Priority::ALL)
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.admission.waiting(&Priority::ALL)
    }

    /// How many calls of a class are alive.
    pub fn live_as(&self, priority: Priority) -> usize {
        self.admission.live(&[priority])
    }

    /// How many calls of a class wait.
    pub fn waiting_as(&self, priority: Priority) -> usize {
        self.admission.waiting(&[priority])
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

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// How urgent a request is: one [`Priority`] for all, or a function of the request.
pub trait ChoosePriority<R>: Clone + Send + 'static {
    /// The priority of this request.
    fn choose(&self, request: &R) -> Priority;
}

impl<R> ChoosePriority<R> for Priority {
    fn choose(&self, _: &R) -> Priority {
        *self
    }
}

impl<R, F> ChoosePriority<R> for F
where
    F: Fn(&R) -> Priority + Clone + Send + 'static,
{
    fn choose(&self, request: &R) -> Priority {
        self(request)
    }
}

/// Puts an [`InFlight`] limit before a service: each answer holds its permit until it ends or is dropped.
#[derive(Clone, Debug)]
pub struct InFlightLayer<P = Priority> {
    limit: InFlight,
    priority: P,
}

impl InFlightLayer {
    /// All services made by this layer share `limit`. All requests are interactive.
    pub fn new(limit: InFlight) -> Self {
        Self { limit, priority: Priority::Interactive }
    }
}

impl<P> InFlightLayer<P> {
    /// Requests are as urgent as `priority` says.
    pub fn by<Q>(self, priority: Q) -> InFlightLayer<Q> {
        InFlightLayer { limit: self.limit, priority }
    }
}

impl<S, P: Clone> Layer<S> for InFlightLayer<P> {
    type Service = InFlightService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlightService { inner, limit: self.limit.clone(), priority: self.priority.clone() }
    }
}

/// A service behind an [`InFlight`] limit.
#[derive(Clone, Debug)]
pub struct InFlightService<S, P = Priority> {
    inner: S,
    limit: InFlight,
    priority: P,
}

impl<S, P, R> Service<R> for InFlightService<S, P>
where
    S: Service<R> + Clone + Send + 'static,
    S::Response: Hold,
    S::Error: From<Rejection>,
    S::Future: Send,
    P: ChoosePriority<R>,
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
        let priority = self.priority.choose(&request);
        Box::pin(async move {
            let permit = limit.enter_as(priority).await?;
            let answer = inner.oneshot(request).await?;
            Ok(answer.hold(permit))
        })
    }
}
