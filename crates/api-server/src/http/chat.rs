//! `POST /v1/chat/completions`: any model, or a dialog, in the OpenAI dialect.

use std::pin::pin;

use async_stream::stream;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use llm_core::ChatReply;
use llm_providers::openai::chat::parse_request;
use llm_providers::openai::server::{ChunkWriter, ReplyHead, chat_body, error_body};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::{Call, created, parsed, read, stopping};
use super::schemas::chat::{CallHeaders, ChatCompletion, ChatCompletionRequest};
use super::schemas::events::AnswerEvent;
use super::schemas::refusals::ModelFailures;
use super::{Failure, sse};
use crate::app::App;

/// Answers, streamed or whole.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    params(CallHeaders),
    request_body = ChatCompletionRequest,
    responses((status = 200, description = "The answer, whole or as it comes", content((ChatCompletion = "application/json"), (AnswerEvent = "text/event-stream"))), ModelFailures),
)]
pub(super) async fn completions(
    app: App,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let call = Call::new(app.clone(), &headers)?;
    let incoming = parsed(&app, read(body)?, parse_request).await??;
    let request = incoming.request;
    let head = ReplyHead {
        id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
        model: request.model.clone(),
        created: created(),
    };
    let answered = match request.stream {
        true => {
            let writer = ChunkWriter::new(head, incoming.include_usage);
            call.streamed(request, |reply, cut| sse::response(chunks(reply, writer, cut))).await
        }
        false => call.whole(request, |response| chat_body(response, &head)).await,
    };
    Ok(answered?)
}

/// The texts of the events. A failure half-way, and a server that must stop, end it with an error.
fn chunks(
    mut reply: ChatReply,
    mut writer: ChunkWriter,
    cut: CancellationToken,
) -> impl Stream<Item = String> + Send {
    stream! {
        let mut cut = pin!(cut.cancelled_owned());
        loop {
            let event = tokio::select! {
                biased;
                event = reply.next() => event,
                () = &mut cut => {
                    yield error_body(&stopping()).to_string();
                    return;
                }
            };
            match event {
                Some(Ok(event)) => {
                    if let Some(text) = writer.chunk(event) {
                        yield text;
                    }
                }
                Some(Err(error)) => {
                    yield error_body(&error).to_string();
                    return;
                }
                None => break,
            }
        }
        for text in writer.end() {
            yield text;
        }
    }
}
