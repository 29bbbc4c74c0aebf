//! `POST /v1/chat/completions`: any model, or a dialog, in the OpenAI dialect.

use std::sync::Arc;

use async_stream::stream;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use llm_core::{ChatReply, Hold, ModelKind};
use llm_providers::openai::chat::parse_request;
use llm_providers::openai::server::{ChunkWriter, ReplyHead, chat_body, error_body};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::{ask_streamed, ask_whole, begun, created, parsed, read, stopping};
use super::cache::Caching;
use super::{Failure, sse, unsupported};
use crate::app::App;

/// Answers, streamed or whole.
pub(super) async fn completions(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let unsupported = unsupported::choice(&headers, app.config.server.unsupported)?;
    let caching = Caching::of(&headers, &app.config.cache, ModelKind::Chat)?;
    let bundle = caching.bundle(&app.bundle);
    let body = read(body)?;
    let mut incoming = parsed(&app, body, parse_request).await??;
    incoming.request.unsupported = unsupported;
    let model = incoming.request.model.clone();
    let streamed = incoming.request.stream;
    let head = ReplyHead {
        id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
        model,
        created: created(),
    };
    if !streamed {
        let response = ask_whole(app, &bundle, incoming.request).await?;
        let mut whole = Json(chat_body(&response, &head)).into_response();
        unsupported::announce(whole.headers_mut(), &response.warnings);
        caching.announce(whole.headers_mut());
        return Ok(whole);
    }
    let reply = ask_streamed(app.clone(), &bundle, incoming.request).await?;
    let (warnings, reply) = begun(reply).await?;
    let reply = reply.hold(app.metrics.live_stream());
    let writer = ChunkWriter::new(head, incoming.include_usage);
    let mut stream = sse::response(chunks(reply, writer, app.shutdown.cut.clone()));
    unsupported::announce(stream.headers_mut(), &warnings);
    caching.announce(stream.headers_mut());
    Ok(stream)
}

/// The texts of the events. A failure half-way, and a server that must stop, end it with an error.
fn chunks(
    mut reply: ChatReply,
    mut writer: ChunkWriter,
    cut: CancellationToken,
) -> impl Stream<Item = String> + Send {
    stream! {
        loop {
            let event = tokio::select! {
                biased;
                event = reply.next() => event,
                () = cut.cancelled() => {
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
