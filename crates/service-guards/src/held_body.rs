//! [`HeldBody`] and [`ShedLayer`]: the same limits for HTTP answers, whose body is the stream.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service, ServiceExt};

use crate::{Hold, InFlight, Rejection};

pin_project! {
    /// An HTTP body that keeps guards until it ends, fails or is dropped.
    pub struct HeldBody<B> {
        #[pin]
        body: B,
        guards: Vec<Box<dyn Any + Send>>,
    }
}

impl<B> HeldBody<B> {
    /// A body without guards yet.
    pub fn new(body: B) -> Self {
        Self { body, guards: Vec::new() }
    }
}

impl<B> Hold for HeldBody<B> {
    fn hold<G: Send + 'static>(mut self, guard: G) -> Self {
        self.guards.push(Box::new(guard));
        self
    }
}

impl<B> Hold for Response<HeldBody<B>> {
    fn hold<G: Send + 'static>(self, guard: G) -> Self {
        self.map(|body| body.hold(guard))
    }
}

impl<B: Body> Body for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = std::task::ready!(this.body.as_mut().poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            while this.guards.pop().is_some() {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for HeldBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody")
            .field("body", &self.body)
            .field("guards", &self.guards.len())
            .finish()
    }
}

/// Turns HTTP requests away at once when too many answers are under way. An answer counts until its body has ended.
///
/// The refusal is written by the endpoint's own function, since its wire format decides how an error looks; it
/// should have status 503 and a `retry-after` header.
#[derive(Clone, Debug)]
pub struct ShedLayer<F> {
    limit: InFlight,
    refuse: F,
}

impl<F> ShedLayer<F> {
    /// Endpoints behind this layer share `limit`; what it turns away is answered by `refuse`.
    pub fn new(limit: InFlight, refuse: F) -> Self {
        Self { limit, refuse }
    }
}

impl<S, F: Clone> Layer<S> for ShedLayer<F> {
    type Service = Shed<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Shed { inner, limit: self.limit.clone(), refuse: self.refuse.clone() }
    }
}

/// An HTTP service that sheds load.
#[derive(Clone, Debug)]
pub struct Shed<S, F> {
    inner: S,
    limit: InFlight,
    refuse: F,
}

impl<S, F, A, B> Service<Request<A>> for Shed<S, F>
where
    S: Service<Request<A>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    F: Fn(Rejection) -> Response<B>,
    A: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Buf,
{
    type Response = Response<HeldBody<B>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<HeldBody<B>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let permit = match self.limit.try_enter() {
            Ok(permit) => permit,
            Err(rejection) => {
                let refusal = (self.refuse)(rejection).map(HeldBody::new);
                return Box::pin(std::future::ready(Ok(refusal)));
            }
        };
        let inner = self.inner.clone();
        Box::pin(async move {
            let response = inner.oneshot(request).await?;
            Ok(response.map(HeldBody::new).hold(permit))
        })
    }
}
