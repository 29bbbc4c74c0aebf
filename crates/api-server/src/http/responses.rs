//! `POST /v1/responses`: any model, or a dialog, in OpenAI's newer dialect. Nothing is stored: who goes on sends all.

use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use llm_core::{ChatEvent, ErrorKind, Extra, ModelError, Operation};
use llm_providers::openai::responses::parse_request;
use llm_providers::openai::responses::server::{
    EventWriter, ResponseHead, ServerEvent, response_body,
};
use serde_json::Value;
use uuid::Uuid;

use super::Failure;
use super::answer::{self, Call, created, parsed, read, written};
use super::schemas::chat::CallHeaders;
use super::schemas::refusals::ModelFailures;
use super::schemas::responses::{ModelResponse, ResponseRequest};
use super::sse::{self, NamedEvent};
use crate::app::App;

/// Answers, streamed or whole.
#[utoipa::path(
    post,
    path = "/v1/responses",
    params(CallHeaders),
    request_body = ResponseRequest,
    responses((status = 200, description = "The answer, whole or as it comes", content((ModelResponse = "application/json"), (String = "text/event-stream"))), ModelFailures),
)]
pub(super) async fn create(
    app: App,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let call = Call::new(app.clone(), &headers)?;
    let mut incoming = parsed(&app, read(body)?, parse_request).await??;
    refuse_state(&incoming.take_own_fields())?;
    let request = incoming.request;
    let head = ResponseHead {
        id: format!("resp_{}", Uuid::new_v4().simple()),
        model: request.model.clone(),
        created: created(),
        echo: incoming.echo,
    };
    let answered = match request.stream {
        true => {
            let writer = Writer(EventWriter::new(head));
            call.streamed(request, |reply, cut| sse::named(written(reply, writer, cut))).await
        }
        false => call.whole(request, |response| response_body(response, &head)).await,
    };
    Ok(answered?)
}

/// Refuses what would need an earlier response, or somebody who works on after the answer.
fn refuse_state(own: &Extra) -> Result<(), ModelError> {
    let asks = |name: &&str| {
        own.get(*name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
    };
    let fields = ["previous_response_id", "conversation", "prompt", "background"];
    let Some(field) = fields.into_iter().find(asks) else { return Ok(()) };
    let message = format!(
        "`{field}` is not supported: responses are not stored; send the whole conversation as `input`"
    );
    let error = ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message);
    Err(error.with_param(field))
}

struct Writer(EventWriter);

impl answer::EventWriter for Writer {
    fn write(&mut self, event: ChatEvent) -> Vec<NamedEvent> {
        self.0.push(event).into_iter().map(named).collect()
    }

    fn end(self) -> Vec<NamedEvent> {
        self.0.end().into_iter().map(named).collect()
    }

    fn fail(self, error: &ModelError) -> Vec<NamedEvent> {
        self.0.fail(error).into_iter().map(named).collect()
    }
}

fn named(event: ServerEvent) -> NamedEvent {
    NamedEvent { id: None, name: event.name, data: event.data }
}
