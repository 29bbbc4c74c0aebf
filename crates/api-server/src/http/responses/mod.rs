//! `/v1/responses`: any model, or a dialog, in OpenAI's newer dialect. Responses are kept unless the request says otherwise,
//! and can be gone on from by their id.

mod going_on;
mod keeping;
pub(super) mod kept;

use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use llm_core::{ChatEvent, ErrorKind, Extra, ModelError, Operation};
use llm_providers::openai::RequestError;
use llm_providers::openai::responses::server::{
    EventWriter, ResponseHead, ServerEvent, input_items, response_body,
};
use llm_providers::openai::responses::{IncomingResponse, parse_request_value};
use response_store::Whose;
use serde_json::Value;
use uuid::Uuid;

use super::Failure;
use super::answer::{self, Call, created, parsed, read, written};
use super::schemas::chat::CallHeaders;
use super::schemas::events::AnswerEvent;
use super::schemas::refusals::ModelFailures;
use super::schemas::responses::{ModelResponse, ResponseRequest};
use super::sse::{self, NamedEvent};
use crate::app::App;
use crate::responses::ResponsesError;
use keeping::Keeping;

/// The field that names the response to go on from.
const PREVIOUS: &str = "previous_response_id";

/// Answers, streamed or whole.
#[utoipa::path(
    post,
    path = "/v1/responses",
    params(CallHeaders),
    request_body = ResponseRequest,
    responses((status = 200, description = "The answer, whole or as it comes", content((ModelResponse = "application/json"), (AnswerEvent = "text/event-stream"))), ModelFailures),
)]
pub(super) async fn create(
    app: App,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let call = Call::new(app.clone(), &headers)?;
    let (mut incoming, input) = parsed(&app, read(body)?, parse).await??;
    let own = incoming.take_own_fields();
    refuse_what_is_not_done(&own)?;
    let is_kept = is_kept(&own)?.unwrap_or(app.config.responses.store);
    let previous = text(&own, PREVIOUS)?;
    if let Some(previous) = &previous {
        incoming = going_on::from(&app, previous, incoming).await?;
    }
    incoming.echo.insert("store".into(), is_kept.into());
    let request = incoming.request;
    let head = ResponseHead {
        id: format!("resp_{}", Uuid::new_v4().simple()),
        model: request.model.clone(),
        created: created(),
        echo: incoming.echo,
    };
    let keeping = is_kept.then(|| Keeping { app, id: head.id.clone(), previous, input });
    if request.stream {
        let writer = Writer { events: EventWriter::new(head), keeping };
        return Ok(call.streamed(request, |it, cut| sse::named(written(it, writer, cut))).await?);
    }
    let answered = call.asked(request).await?;
    let body = kept(keeping, response_body(&answered.response, &head)).await;
    Ok(answered.written(body))
}

/// The request, and its input as it is kept.
fn parse(body: &[u8]) -> Result<(IncomingResponse, Vec<Value>), RequestError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    let input = input_items(&value);
    Ok((parse_request_value(value)?, input))
}

/// Refuses what would need somebody who works on after the answer, or a thing that is not kept here.
fn refuse_what_is_not_done(own: &Extra) -> Result<(), ModelError> {
    let asks = |name: &&str| {
        own.get(*name).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
    };
    let Some(field) = ["conversation", "prompt", "background"].into_iter().find(asks) else {
        return Ok(());
    };
    let message = format!(
        "`{field}` is not supported; go on from a response with `{PREVIOUS}`, or send the whole conversation as `input`"
    );
    let error = ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message);
    Err(error.with_param(field))
}

/// What the request says of whether it is to be kept.
fn is_kept(own: &Extra) -> Result<Option<bool>, RequestError> {
    match own.get("store") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(store)) => Ok(Some(*store)),
        Some(_) => Err(RequestError::at("store", "must be true or false")),
    }
}

fn text(own: &Extra, name: &str) -> Result<Option<String>, RequestError> {
    match own.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(RequestError::at(name, "must be a string")),
    }
}

/// The response object, kept if it shall be.
async fn kept(keeping: Option<Keeping>, body: Value) -> Value {
    match keeping {
        Some(keeping) => keeping.keep(body).await,
        None => body,
    }
}

/// The responses that the caller sees: all of the tenant's or, with a key that opens some models or datasets only, those
/// that it asked for itself.
fn whose(app: &App) -> Whose {
    let caller = app.caller();
    Whose { tenant: app.tenant(), made_by: caller.key_id().filter(|_| caller.is_scoped()) }
}

/// A failure of the store that the caller cannot help.
fn failed(error: ResponsesError) -> Failure {
    match error {
        ResponsesError::Thread(error) => error.during(Operation::Chat).into(),
        ResponsesError::Store(error) => {
            let error = crate::causes_line(&error);
            tracing::error!(error, "a response was not found or removed");
            Failure::internal()
        }
    }
}

struct Writer {
    events: EventWriter,
    keeping: Option<Keeping>,
}

impl answer::EventWriter for Writer {
    fn write(&mut self, event: ChatEvent) -> Vec<NamedEvent> {
        self.events.push(event).into_iter().map(named).collect()
    }

    fn end(self) -> BoxFuture<'static, Vec<NamedEvent>> {
        async move {
            let mut ending = self.events.ending();
            ending.response = kept(self.keeping, ending.response).await;
            ending.written().into_iter().map(named).collect()
        }
        .boxed()
    }

    fn fail(self, error: &ModelError) -> Vec<NamedEvent> {
        self.events.fail(error).into_iter().map(named).collect()
    }
}

fn named(event: ServerEvent) -> NamedEvent {
    NamedEvent { id: None, name: event.name, data: event.data }
}
