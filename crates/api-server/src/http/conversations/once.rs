//! `POST /api/v2/ask`: a question to a dialog that is described with it, and neither kept nor part of a session.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dialog_service::{DialogError, DialogEvent, NumberedEvent, Recorder, Trace, Turn, TurnFailure};
use futures::{Stream, StreamExt};
use llm_core::{ChatRequest, Message};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::parsed;
use super::super::problem::Problem;
use super::super::sse;
use super::{dialogs, events};
use crate::app::App;
use crate::attachments::{self, AttachmentError, GivenFile};
use crate::conversations::MOST_QUESTION;
use crate::dialogs::{Choice, DialogSettings, turn_of, unnamed};
use crate::http::schemas::events::TurnEvent;
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Conflict, Failures, Invalid};

/// A question with the dialog that is to answer it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuestionOnce, example = json!({
    "question": "How hot is water for green tea?",
    "dialog": { "datasets": ["default"] },
    "stream": false
}))]
struct Asked {
    question: String,
    /// How it is answered; as dialogs are set up.
    #[serde(default)]
    dialog: DialogSettings,
    #[serde(default)]
    attachments: Vec<GivenFile>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// Whether to give events as they come. Left out: yes.
    #[serde(default)]
    stream: Option<bool>,
}

/// Answers as typed events or, with `"stream": false`, whole. Who leaves ends the turn.
#[utoipa::path(
    post,
    path = "/api/v2/ask",
    request_body = Asked,
    responses((status = 200, description = "`DialogEvent`s as they come, or what came of them", content((native::AnswerOnce = "application/json"), (TurnEvent = "text/event-stream"))), Invalid, Conflict, Failures),
)]
pub(super) async fn ask(
    app: App,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let asked = parsed(&app, body, |body: &[u8]| serde_json::from_slice::<Asked>(body)).await;
    let asked = asked.map_err(|error| Problem::model(&error))?;
    let asked = asked.map_err(|error| Problem::invalid(error.to_string()))?;
    if asked.question.trim().is_empty() || asked.question.len() > MOST_QUESTION {
        return Err(Problem::invalid(format!("`question` has 1 to {MOST_QUESTION} bytes")));
    }
    dialogs::check(&app, &asked.dialog)?;
    let is_streamed = asked.stream.unwrap_or(true);
    let turn = turn(&app, asked).await?;
    let (recorder, trace) = (Recorder::new(&turn.attachments), turn.trace.clone());
    let answer = app.dialogs.answer(turn).boxed();
    match is_streamed {
        true => Ok(streamed(&app, answer)),
        false => whole(answer, recorder, &trace).await,
    }
}

async fn turn(app: &App, asked: Asked) -> Result<Turn, Problem> {
    let request =
        ChatRequest { messages: vec![Message::user(&asked.question)], ..ChatRequest::default() };
    let attachments = attachments::read(app, asked.attachments).await;
    let attachments = attachments.map_err(|error| match error {
        AttachmentError::Unreadable(reason) => Problem::invalid(reason),
        AttachmentError::Failed(error) => Problem::internal(&error),
    })?;
    let choice = Choice { attachments, parameters: asked.parameters, ..Choice::default() };
    let refused = |error| Problem::model(&error);
    let found = unnamed(app, asked.dialog).await.map_err(refused)?;
    let mut turn = turn_of(app, &app.bundle, found, request, choice).await.map_err(refused)?;
    turn.stop = app.shutdown.cut.child_token();
    Ok(turn)
}

fn streamed(
    app: &App,
    answer: impl Stream<Item = Result<DialogEvent, DialogError>> + Send + 'static,
) -> Response {
    let numbered = answer.enumerate().map(|(place, event)| {
        let event = event.map_err(|error| TurnFailure::from(&error));
        events::named(&NumberedEvent { id: place as u64 + 1, event })
    });
    events::held(app, sse::named(numbered))
}

async fn whole(
    answer: impl Stream<Item = Result<DialogEvent, DialogError>>,
    mut recorder: Recorder,
    trace: &Trace,
) -> Result<Response, Problem> {
    let mut answer = std::pin::pin!(answer);
    while let Some(event) = answer.next().await {
        let event = event.map_err(|error| TurnFailure::from(&error));
        recorder.take(&event);
        if let Err(failure) = event {
            return Err(Problem::turn(&failure));
        }
    }
    recorder.trace(trace);
    let mut shown = json!({ "answer": recorder.answer() });
    if let (Value::Object(shown), Ok(Value::Object(record))) =
        (&mut shown, serde_json::to_value(recorder.record()))
    {
        shown.extend(record);
    }
    Ok(Json(shown).into_response())
}
