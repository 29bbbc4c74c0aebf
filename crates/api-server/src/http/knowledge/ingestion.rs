//! How far ingestion is: once, or as it goes on.

use axum::Json;
use axum::response::Response;
use futures::{StreamExt, stream};
use rag_ingest::{IngestEvent, Progress};
use serde_json::json;
use tokio::sync::watch;

use super::super::sse;
use crate::app::App;

/// Totals since the server was started.
#[utoipa::path(
    get,
    path = "/api/v2/ingest",
    responses((status = 200, description = "What was asked for", body = Progress)),
)]
pub(crate) async fn progress(app: App) -> Json<Progress> {
    Json(app.pipeline.progress().borrow().clone())
}

/// What happens from now on, as server-sent events: each step of each document, and the totals whenever they change. A
/// reader that falls far behind misses steps, never the latest totals. The stream ends when the server stops.
#[utoipa::path(
    get,
    path = "/api/v2/ingest/events",
    responses((status = 200, description = "`IngestEvent`s, and totals, as they come", body = IngestEvent, content_type = "text/event-stream")),
)]
pub(crate) async fn events(app: App) -> Response {
    let steps = app.pipeline.events().map(|event| json!(event).to_string());
    let totals = changes(app.pipeline.progress())
        .map(|progress| json!({ "event": "progress", "progress": progress }).to_string());
    let stopping = app.shutdown.stop.clone().cancelled_owned();
    sse::response(stream::select(steps, totals).take_until(stopping))
}

/// The totals now, and whenever they change. Changes between two reads are one.
fn changes(totals: watch::Receiver<Progress>) -> impl futures::Stream<Item = Progress> + Send {
    stream::unfold((totals, true), |(mut totals, first)| async move {
        if !first {
            totals.changed().await.ok()?;
        }
        let now = totals.borrow_and_update().clone();
        Some((now, (totals, false)))
    })
}
