//! The span of a request, for the collector of telemetry; it goes on where the caller's `traceparent` leads from.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::parts::Parts;
use crate::telemetry::TARGET;

/// Puts the request and the whole of its answer into a span. Without a collector it does nothing.
pub(super) async fn trace(
    State(app): State<Arc<Parts>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    if !app.current.load().config.telemetry.is_on() {
        return next.run(request).await;
    }
    let route = path.as_ref().map_or("other", MatchedPath::as_str);
    let span = begin(&request, route);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("error.type", status.as_str());
        span.record("otel.status_code", "ERROR");
    }
    response.map(|body| Body::new(InSpan { body, span }))
}

fn begin(request: &Request, route: &str) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "http.request",
        otel.name = %format_args!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    // It fails where no subscriber makes spans for a collector.
    let _ = span.set_parent(caller);
    span
}

/// A body that is made inside a span, which ends with it.
struct InSpan {
    body: Body,
    span: Span,
}

impl HttpBody for InSpan {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, span } = &mut *self;
        let _entered = span.enter();
        Pin::new(body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
