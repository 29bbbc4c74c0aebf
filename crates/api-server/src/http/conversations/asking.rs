//! `POST /api/v2/dialogs/{name}/turns`: a question to a dialog, answered as typed events or whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dialog_service::LiveTurn;
use futures::StreamExt;
use rag_core::TurnId;

use super::super::answer::parsed;
use super::super::problem::Problem;
use super::{events, missing, refused, with_store};
use crate::app::App;
use crate::conversations::{AskError, Question, ask as begin, shown};
use crate::http::schemas::events::TurnEvent;
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Conflict, Failures, Invalid};

/// Begins a turn, and gives its events or, with `"stream": false`, what came of it. The headers name turn and session.
#[utoipa::path(
    post,
    path = "/api/v2/dialogs/{name}/turns",
    request_body = Question,
    responses((status = 200, description = "`DialogEvent`s as they come, or what came of them", content((native::Turn = "application/json"), (TurnEvent = "text/event-stream"))), Invalid, Conflict, Failures),
)]
pub(super) async fn ask(
    app: App,
    Path(dialog): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    // Files may be in it.
    let question = parsed(&app, body, |body: &[u8]| serde_json::from_slice::<Question>(body)).await;
    let question = question.map_err(|error| Problem::model(&error))?;
    let question = question.map_err(|error| Problem::invalid(error.to_string()))?;
    let is_streamed = question.stream.unwrap_or(true);
    let live = begin(&app, dialog, question).await.map_err(|error| match error {
        AskError::Invalid(detail) => Problem::invalid(detail),
        AskError::NotFound(detail) => Problem::not_found(detail),
        AskError::Model(error) => Problem::model(&error),
        AskError::Conversation(error) => refused(error),
        AskError::Failed(error) => Problem::internal(&error),
    })?;
    let mut response = match is_streamed {
        true => events::stream(&app, &live, 0),
        false => whole(&app, &live).await?,
    };
    let headers = response.headers_mut();
    for (name, id) in
        [("x-colloquy-turn", live.id.as_str()), ("x-colloquy-session", live.session.as_str())]
    {
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Waits for the turn to end. When its asker leaves meanwhile, it goes on.
async fn whole(app: &App, live: &Arc<LiveTurn>) -> Result<Response, Problem> {
    let mut events = std::pin::pin!(live.events(0));
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    if let Some(Err(failure)) = last.as_ref().map(|last| &last.event) {
        return Err(Problem::turn(failure));
    }
    let (tenant, id): (_, TurnId) = (app.tenant(), live.id.clone());
    let kept = with_store(app, move |store| store.turn(&tenant, &id)).await?;
    let kept = kept.ok_or_else(|| missing("turn", live.id.as_str()))?;
    Ok(Json(shown(&kept)).into_response())
}
