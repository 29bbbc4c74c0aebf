//! `POST /v1/messages` and `/v1/messages/count_tokens`: any model, or a dialog, in the Anthropic dialect.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use llm_core::{ChatEvent, ModelError, Operation};
use llm_providers::anthropic::server::{
    EventWriter, ReplyHead, WireEvent, count_tokens_body, message_body,
};
use llm_providers::anthropic::{parse_count_tokens_request, parse_request};
use llm_tokens::TokenCounter;
use serde_json::Value;
use uuid::Uuid;

use super::answer::{self, Call, parsed, read, written};
use super::failure::AnthropicFailure;
use super::schemas::chat::CallHeaders;
use super::schemas::events::AnswerEvent;
use super::schemas::messages::{CountTokensRequest, MessageAnswer, MessageRequest, TokenCount};
use super::schemas::refusals::MessageFailures;
use super::sse::{self, NamedEvent};
use crate::app::App;

/// Answers, streamed or whole.
#[utoipa::path(
    post,
    path = "/v1/messages",
    params(CallHeaders),
    request_body = MessageRequest,
    responses((status = 200, description = "The answer, whole or as it comes", content((MessageAnswer = "application/json"), (AnswerEvent = "text/event-stream"))), MessageFailures),
)]
pub(super) async fn create(
    app: App,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, AnthropicFailure> {
    let call = Call::new(app.clone(), &headers)?;
    let request = parsed(&app, read(body)?, parse_request).await??;
    let head =
        ReplyHead { id: format!("msg_{}", Uuid::new_v4().simple()), model: request.model.clone() };
    let answered = match request.stream {
        true => {
            let writer = Writer(EventWriter::new(head));
            call.streamed(request, |reply, cut| sse::named(written(reply, writer, cut))).await
        }
        false => call.whole(request, |response| message_body(response, &head)).await,
    };
    Ok(answered?)
}

/// Estimates the tokens of a request; nobody is asked.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    request_body = CountTokensRequest,
    responses((status = 200, description = "What was asked for", body = TokenCount), MessageFailures),
)]
pub(super) async fn count_tokens(
    app: App,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, AnthropicFailure> {
    let request = parsed(&app, read(body)?, parse_count_tokens_request).await??;
    let count = move || TokenCounter::estimating().count_request(&request);
    let count = app.on_thread(Operation::CountTokens, count).await?;
    Ok(Json(count_tokens_body(u64::from(count.tokens))))
}

struct Writer(EventWriter);

impl answer::EventWriter for Writer {
    fn write(&mut self, event: ChatEvent) -> Vec<NamedEvent> {
        self.0.events(event).into_iter().map(named).collect()
    }

    fn end(self) -> BoxFuture<'static, Vec<NamedEvent>> {
        Box::pin(std::future::ready(self.0.end().into_iter().map(named).collect()))
    }

    fn fail(self, error: &ModelError) -> Vec<NamedEvent> {
        vec![named(EventWriter::error(error))]
    }
}

fn named(event: WireEvent) -> NamedEvent {
    NamedEvent { id: None, name: event.name, data: event.data }
}
