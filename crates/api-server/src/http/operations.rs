//! What orchestrators and Prometheus ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::schemas::native::Readiness;
use crate::parts::Parts;

/// The process runs.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "The process runs", body = String, content_type = "text/plain")),
)]
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// Everything is there; or what is missing, with 503.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, description = "Everything is there", body = Readiness), (status = 503, description = "Something is missing", body = Readiness)),
)]
pub(super) async fn ready(State(app): State<Arc<Parts>>) -> Response {
    let missing = app.readiness.missing();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": missing.is_empty(), "missing": missing }))).into_response()
}

/// All metrics, in the text format of OpenMetrics.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "All metrics", body = String, content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(State(app): State<Arc<Parts>>) -> Response {
    for (name, pool) in [("callers", &app.callers), ("models", &app.models)] {
        let status = pool.status();
        app.metrics.pool(name, status.queued, status.running);
    }
    if let Some(usage) = &app.usage {
        let status = usage.queue().status();
        app.metrics.usage(status.unwritten, status.failures);
    }
    let setup = app.current.load();
    if let Some(cache) = &setup.cache {
        app.metrics.cache(cache.bytes(), cache.is_failing());
    }
    app.metrics.targets(&setup.models_of_all.registry().targets_status());
    app.metrics.limits_shared(setup.quotas.store().is_shared());
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], app.metrics.render()).into_response()
}
