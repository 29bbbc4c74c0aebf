//! How far ingestion is: once, or as it goes on.

use std::collections::HashMap;

use axum::Json;
use axum::response::Response;
use futures::{Stream, StreamExt, stream};
use rag_core::DatasetId;
use rag_ingest::{IngestEvent, Progress};
use serde_json::json;
use tokio::sync::watch;

use super::super::sse;
use super::with_store;
use crate::app::App;
use crate::http::schemas::events::IngestionEvent;

/// Totals since the server was started. They are those of the whole server; what is worked on is named to its tenant only.
#[utoipa::path(
    get,
    path = "/api/v2/ingest",
    responses((status = 200, description = "What was asked for", body = Progress)),
)]
pub(crate) async fn progress(app: App) -> Json<Progress> {
    let progress = app.pipeline.progress().borrow().clone();
    Json(shown(&mut Seen::new(app), progress).await)
}

/// What happens from now on, as server-sent events: each step of each document, and the totals whenever they change. A
/// reader that falls far behind misses steps, never the latest totals. The stream ends when the server stops.
#[utoipa::path(
    get,
    path = "/api/v2/ingest/events",
    responses((status = 200, description = "`IngestEvent`s, and totals, as they come", body = IngestionEvent, content_type = "text/event-stream")),
)]
pub(crate) async fn events(app: App) -> Response {
    let steps = own(Seen::new(app.clone()), app.pipeline.events_by_dataset());
    let steps = steps.map(|event| json!(event).to_string());
    let seen = Seen::new(app.clone());
    let totals = changes(app.pipeline.progress(), seen)
        .map(|progress| json!({ "event": "progress", "progress": progress }).to_string());
    let stopping = app.shutdown.stop.clone().cancelled_owned();
    sse::response(stream::select(steps, totals).take_until(stopping))
}

/// The totals now, and whenever they change. Changes between two reads are one.
fn changes(totals: watch::Receiver<Progress>, seen: Seen) -> impl Stream<Item = Progress> + Send {
    stream::unfold((totals, seen, true), |(mut totals, mut seen, first)| async move {
        if !first {
            totals.changed().await.ok()?;
        }
        let now = totals.borrow_and_update().clone();
        let now = shown(&mut seen, now).await;
        Some((now, (totals, seen, false)))
    })
}

/// The totals without what is worked on, where that is another tenant's.
async fn shown(seen: &mut Seen, mut progress: Progress) -> Progress {
    if let Some(dataset) = &progress.current_dataset
        && !seen.is_own(dataset).await
    {
        progress.current = None;
    }
    progress
}

/// What happens to documents of the caller's tenant, and to the whole.
fn own(
    seen: Seen,
    events: impl Stream<Item = (Option<DatasetId>, IngestEvent)> + Send + 'static,
) -> impl Stream<Item = IngestEvent> + Send {
    stream::unfold((seen, events.boxed()), |(mut seen, mut events)| async move {
        loop {
            let (dataset, event) = events.next().await?;
            let is_own = match &dataset {
                Some(dataset) => seen.is_own(dataset).await,
                None => true,
            };
            if is_own {
                return Some((event, (seen, events)));
            }
        }
    })
}

/// Which datasets are the caller's; asked of the store once for each.
struct Seen {
    app: App,
    known: HashMap<DatasetId, bool>,
}

impl Seen {
    fn new(app: App) -> Self {
        Self { app, known: HashMap::new() }
    }

    async fn is_own(&mut self, dataset: &DatasetId) -> bool {
        if let Some(known) = self.known.get(dataset) {
            return *known;
        }
        let (tenant, id) = (self.app.tenant(), dataset.clone());
        let found = with_store(&self.app, move |store| store.dataset_by_id(&tenant, &id)).await;
        let is_own = found.is_ok_and(|found| found.is_some());
        self.known.insert(dataset.clone(), is_own);
        is_own
    }
}
