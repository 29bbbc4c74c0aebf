//! The events of a turn, from any one on.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use dialog_service::{DialogEvent, LiveTurn, NumberedEvent};
use futures::StreamExt;
use rag_core::TurnId;
use service_guards::{HeldBody, Hold};

use super::super::problem::Problem;
use super::super::sse::{self, NamedEvent};
use super::{id, missing, with_store};
use crate::app::App;
use crate::http::schemas::events::TurnEvent;
use crate::http::schemas::refusals::{Gone, Invalid, Missing};

/// The header by which a reader says what it has seen.
const LAST_EVENT: &str = "last-event-id";

/// The events of a turn that is under way or ended lately, after that of `Last-Event-ID`, to its end.
#[utoipa::path(
    get,
    path = "/api/v2/turns/{id}/events",
    params(("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that was seen")),
    responses((status = 200, description = "`DialogEvent`s as they come", body = TurnEvent, content_type = "text/event-stream"), Invalid, Missing, Gone),
)]
pub(super) async fn of_turn(
    app: App,
    Path(asked): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, turn) = (app.tenant(), id::<TurnId>("turn", &asked)?);
    let seen = seen(&headers)?;
    if let Some(live) = app.conversations.live(&tenant, &turn) {
        return Ok(stream(&app, &live, seen));
    }
    match with_store(&app, move |store| store.turn(&tenant, &turn)).await? {
        Some(_) => {
            let hint = format!(
                "its events are not kept any more; GET /api/v2/turns/{asked} tells what came of it"
            );
            Err(Problem::gone(hint))
        }
        None => Err(missing("turn", &asked)),
    }
}

/// A response of the turn's events after this one. When its reader leaves, the turn goes on.
pub(super) fn stream(app: &App, live: &Arc<LiveTurn>, seen: u64) -> Response {
    held(app, sse::named(live.events(seen).map(|event| named(&event))))
}

/// The response, counted among the live streams for as long as it is read.
pub(super) fn held(app: &App, response: Response) -> Response {
    let place = app.metrics.live_stream();
    response.map(|body| axum::body::Body::new(HeldBody::new(body).hold(place)))
}

fn seen(headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(given) = headers.get(LAST_EVENT) else { return Ok(0) };
    let number = given.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| Problem::invalid("`Last-Event-ID` is the `id` of an event of this turn"))
}

pub(super) fn named(numbered: &NumberedEvent) -> NamedEvent {
    let (name, data) = match &numbered.event {
        Ok(event) => (name(event), serde_json::to_string(event)),
        Err(failure) => ("error", serde_json::to_string(failure)),
    };
    // All of it is plain data, with texts as keys.
    NamedEvent { id: Some(numbered.id), name, data: data.unwrap_or_default() }
}

fn name(event: &DialogEvent) -> &'static str {
    match event {
        DialogEvent::Started { .. } => "started",
        DialogEvent::Question { .. } => "question",
        DialogEvent::Retrieved { .. } => "retrieved",
        DialogEvent::Reasoning(_) => "reasoning",
        DialogEvent::Delta { .. } => "delta",
        DialogEvent::Citation(_) => "citation",
        DialogEvent::Annotation(_) => "annotation",
        DialogEvent::Tool(_)
        | DialogEvent::ToolCalled { .. }
        | DialogEvent::ToolReturned { .. } => "tool",
        DialogEvent::Audio { .. } => "audio",
        DialogEvent::Related { .. } => "related",
        DialogEvent::MindMap { .. } => "mind_map",
        DialogEvent::Warning { .. } => "warning",
        DialogEvent::Done(_) => "done",
        _ => "message",
    }
}
