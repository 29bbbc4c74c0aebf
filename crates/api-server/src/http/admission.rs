//! Who is let in when much is going on, and how long a body may take to arrive.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use rag_core::TenantId;
use service_guards::{HeldBody, Hold, InFlight, Permit};
use tokio::time::{Sleep, sleep};

use super::authenticate::refusal;
use super::dialect::Refused;
use crate::caller::Caller;
use crate::config::{AuthMode, Config};
use crate::parts::Parts;

/// The places of requests under way: so many in all, and of these a share at most for any one tenant, so that one that
/// takes all it can get leaves room for the others. Nobody waits: a request without a place is refused at once.
pub(crate) struct Places {
    all: InFlight,
    most_of_tenant: AtomicUsize,
    of_tenants: Arc<OfTenants>,
}

/// How many requests each tenant has under way; those without any are not in it.
#[derive(Default)]
struct OfTenants(Mutex<HashMap<TenantId, usize>>);

/// The right to be under way; given back when dropped.
pub(crate) struct Place {
    _permit: Permit,
    _of_tenant: Option<PlaceOfTenant>,
}

struct PlaceOfTenant {
    tenant: TenantId,
    of_tenants: Arc<OfTenants>,
}

/// How many places there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaceLimits {
    /// For all together.
    all: usize,
    /// For each tenant.
    tenant: usize,
}

impl From<&Config> for PlaceLimits {
    /// Where nobody is asked who it is, one tenant is all there is.
    fn from(config: &Config) -> Self {
        let all = config.server.max_requests.max(1);
        let share = match config.auth.mode {
            AuthMode::Local => 1.0,
            AuthMode::Keys => config.server.max_tenant_share,
        };
        Self { all, tenant: ((all as f64 * share).ceil() as usize).clamp(1, all) }
    }
}

impl Places {
    pub(crate) fn new(limits: PlaceLimits) -> Self {
        Self {
            all: InFlight::new(limits.all, 0),
            most_of_tenant: AtomicUsize::new(limits.tenant),
            of_tenants: Arc::default(),
        }
    }

    /// Changes how many there are. Those that are taken stay so.
    pub(crate) fn set_limits(&self, limits: PlaceLimits) {
        self.all.set_limit(limits.all);
        self.most_of_tenant.store(limits.tenant, Ordering::Relaxed);
    }

    /// A place for a request of this tenant, if there is one. Whose request is not known has to find one among all.
    fn enter(&self, tenant: Option<&TenantId>) -> Option<Place> {
        let most = self.most_of_tenant.load(Ordering::Relaxed);
        let of_tenant = match tenant {
            Some(tenant) => Some(self.of_tenants.enter(tenant, most)?),
            None => None,
        };
        Some(Place { _permit: self.all.try_enter().ok()?, _of_tenant: of_tenant })
    }
}

impl OfTenants {
    fn enter(self: &Arc<Self>, tenant: &TenantId, most: usize) -> Option<PlaceOfTenant> {
        let mut taken = self.lock();
        match taken.get_mut(tenant) {
            Some(count) if *count >= most => return None,
            Some(count) => *count += 1,
            None => drop(taken.insert(tenant.clone(), 1)),
        }
        Some(PlaceOfTenant { tenant: tenant.clone(), of_tenants: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PlaceOfTenant {
    fn drop(&mut self) {
        let mut taken = self.of_tenants.lock();
        if let Some(count) = taken.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

/// Lets the request in, or refuses it at once in the dialect of its address. Its place is held until its answer has ended.
/// A body that takes too long to arrive ends it.
pub(super) async fn admit(State(app): State<Arc<Parts>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let tenant = request.extensions().get::<Caller>().map(|caller| &caller.tenant);
    let Some(place) = app.places.enter(tenant) else {
        return refusal(&path, Refused::Busy);
    };
    let late = Arc::new(AtomicBool::new(false));
    let time = app.current.load().config.server.body_time();
    let request = request.map(|body| Body::new(InTime::new(body, time, late.clone())));
    let response = next.run(request).await;
    // Whoever read the body knows only that it did not come.
    if late.load(Ordering::Relaxed) && response.status().is_client_error() {
        return refusal(&path, Refused::TooSlow);
    }
    response.map(|body| Body::new(HeldBody::new(body).hold(place)))
}

/// A body that fails when it has not arrived in time.
struct InTime {
    body: Body,
    limit: Duration,
    /// There once something was waited for.
    time: Option<Pin<Box<Sleep>>>,
    late: Arc<AtomicBool>,
}

impl InTime {
    fn new(body: Body, limit: Duration, late: Arc<AtomicBool>) -> Self {
        Self { body, limit, time: None, late }
    }
}

impl http_body::Body for InTime {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let limit = self.limit;
        if let Some(time) = &mut self.time
            && time.as_mut().poll(cx).is_ready()
        {
            self.late.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(axum::Error::new("the body took too long to arrive"))));
        }
        let next = Pin::new(&mut self.body).poll_frame(cx);
        if next.is_pending() && self.time.is_none() {
            let mut time = Box::pin(sleep(limit));
            // Registers the waker; it is not over yet.
            let _ = time.as_mut().poll(cx);
            self.time = Some(time);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
