//! `POST /v1/chat/completions`: any model, or a dialog, in the OpenAI dialect.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_stream::stream;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use llm_bundle::Bundle;
use llm_bundle::tools::{ToolSet, as_chat};
use llm_core::{
    ChatEvent, ChatReply, ChatRequest, ChatResponse, ErrorKind, Hold, ModelError, ModelKind,
    Operation, Warning,
};
use llm_providers::openai::chat::parse_request;
use llm_providers::openai::server::{ChunkWriter, ReplyHead, chat_body, error_body};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cache::Caching;
use super::{Failure, sse, unsupported};
use crate::app::App;
use crate::dialogs::{self, Choice};

/// A body that is larger than this is parsed on a thread of its own.
const PARSE_INLINE: usize = 128 << 10;

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
    let mut incoming = if body.len() > PARSE_INLINE {
        app.on_thread(Operation::Chat, move || parse_request(&body)).await??
    } else {
        parse_request(&body)?
    };
    incoming.request.unsupported = unsupported;
    let model = incoming.request.model.clone();
    let streamed = incoming.request.stream;
    let head = ReplyHead {
        id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
        model,
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs() as i64),
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

/// The bytes of a body, or why they are not there.
pub(super) fn read(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Failure> {
    body.map_err(|rejection| Failure::unreadable_body(rejection.status(), &rejection.body_text()))
}

/// Asks the dialog or model that the request names, for events.
async fn ask_streamed(
    app: Arc<App>,
    bundle: &Bundle,
    mut request: ChatRequest,
) -> Result<ChatReply, ModelError> {
    let tools = tools(&app, &mut request).await?;
    match (dialogs::named(&request), tools) {
        (Some(name), _) => {
            let turn = dialogs::turn(app.clone(), bundle, name, request, Choice::default()).await?;
            Ok(dialogs::as_chat(app.dialogs.answer(turn)))
        }
        (None, Some(tools)) => Ok(as_chat(bundle.with_tools(tools).chat_stream(request))),
        (None, None) => bundle.chat_stream(request).await,
    }
}

/// Asks for the whole answer. A model behind a provider gives it in one piece; a dialog always streams inside.
async fn ask_whole(
    app: Arc<App>,
    bundle: &Bundle,
    mut request: ChatRequest,
) -> Result<ChatResponse, ModelError> {
    if dialogs::named(&request).is_some() {
        return ChatResponse::collect(ask_streamed(app, bundle, request).await?).await;
    }
    match tools(&app, &mut request).await? {
        Some(tools) => Ok(bundle.with_tools(tools).chat(request).await?.response),
        None => bundle.chat(request).await,
    }
}

/// The tools of MCP servers that the request means, taken out of it.
async fn tools(app: &App, request: &mut ChatRequest) -> Result<Option<ToolSet>, ModelError> {
    let tools = app.mcp.take(request).await?;
    if tools.is_some() && dialogs::named(request).is_some() {
        let message = "a dialog takes no tools of MCP servers; ask a model";
        let error = ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message);
        return Err(error.with_param("tools"));
    }
    Ok(tools)
}

/// How many events may come before the answer, at most.
const HEAD_EVENTS: usize = 64;

/// Waits for the first event that shows the answer to be under way, so that a failure before it is a status, and not
/// an event of a stream that began well. Also tells what was warned of until then.
async fn begun(reply: ChatReply) -> Result<(Vec<Warning>, ChatReply), ModelError> {
    let is_under_way =
        |event: &ChatEvent| !matches!(event, ChatEvent::Started(_) | ChatEvent::Warning(_));
    let reply = reply.read_ahead(HEAD_EVENTS, is_under_way).await?;
    let warnings = reply.at_hand().filter_map(|event| match event {
        ChatEvent::Warning(warning) => Some(warning.clone()),
        _ => None,
    });
    Ok((warnings.collect(), reply))
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

fn stopping() -> ModelError {
    let message = "the server is stopping; ask again when it is back";
    ModelError::new(ErrorKind::Overloaded, Operation::Chat, message)
}
