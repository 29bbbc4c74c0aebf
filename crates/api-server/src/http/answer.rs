//! What the doors of `/v1` have in common: asking a model or a dialog, and writing events as they come.

use std::pin::pin;
use std::time::{SystemTime, UNIX_EPOCH};

use async_stream::stream;
use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use llm_bundle::Bundle;
use llm_bundle::tools::{ToolSet, as_chat};
use llm_core::{
    ChatEvent, ChatReply, ChatRequest, ChatResponse, ErrorKind, Hold, ModelError, ModelKind,
    Operation, Unsupported, Warning,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::cache::Caching;
use super::sse::NamedEvent;
use super::{Failure, unsupported};
use crate::app::App;
use crate::dialogs::{self, Choice};

/// A body that is larger than this is parsed on a thread of its own.
const PARSE_INLINE: usize = 128 << 10;

/// Reads a body with `parse`, away from the runtime where it is large.
pub(super) async fn parsed<T: Send + 'static, E: Send + 'static>(
    app: &App,
    body: Bytes,
    parse: impl FnOnce(&[u8]) -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, ModelError> {
    match body.len() > PARSE_INLINE {
        true => app.on_thread(Operation::Chat, move || parse(&body)).await,
        false => Ok(parse(&body)),
    }
}

/// One request of a chat, and what its headers say of it.
pub(super) struct Call {
    app: App,
    bundle: Bundle,
    caching: Caching,
    unsupported: Unsupported,
}

impl Call {
    /// As the headers say, else as is configured.
    ///
    /// # Errors
    /// A header that holds another word than it takes.
    pub(super) fn new(app: App, headers: &HeaderMap) -> Result<Self, Failure> {
        let unsupported = unsupported::choice(headers, app.config.server.unsupported)?;
        let caching = Caching::of(headers, &app.config.cache, ModelKind::Chat)?;
        let bundle = caching.bundle(&app.bundle);
        Ok(Self { app, bundle, caching, unsupported })
    }

    /// The whole answer, as `body` writes it.
    ///
    /// # Errors
    /// As the model's, or the dialog's.
    pub(super) async fn whole(
        self,
        request: ChatRequest,
        body: impl FnOnce(&ChatResponse) -> Value,
    ) -> Result<Response, ModelError> {
        let answered = self.asked(request).await?;
        let body = body(&answered.response);
        Ok(answered.written(body))
    }

    /// The whole answer, before it is written.
    ///
    /// # Errors
    /// As the model's, or the dialog's.
    pub(super) async fn asked(self, mut request: ChatRequest) -> Result<Answered, ModelError> {
        request.unsupported = self.unsupported;
        let response = ask_whole(self.app, &self.bundle, request).await?;
        Ok(Answered { response, caching: self.caching })
    }

    /// The answer as it comes, as `write` makes a response of it. Who holds it back ends with the token.
    ///
    /// # Errors
    /// As the model's, or the dialog's, until the answer is under way.
    pub(super) async fn streamed(
        self,
        mut request: ChatRequest,
        write: impl FnOnce(ChatReply, CancellationToken) -> Response,
    ) -> Result<Response, ModelError> {
        request.unsupported = self.unsupported;
        let reply = ask_streamed(self.app.clone(), &self.bundle, request).await?;
        let (warnings, reply) = begun(reply).await?;
        let reply = reply.hold(self.app.metrics.live_stream());
        let mut stream = write(reply, self.app.shutdown.cut.clone());
        unsupported::announce(stream.headers_mut(), &warnings);
        self.caching.announce(stream.headers_mut());
        Ok(stream)
    }
}

/// A whole answer.
pub(super) struct Answered {
    pub(super) response: ChatResponse,
    caching: Caching,
}

impl Answered {
    /// The response with this body.
    pub(super) fn written(self, body: Value) -> Response {
        let mut whole = Json(body).into_response();
        unsupported::announce(whole.headers_mut(), &self.response.warnings);
        self.caching.announce(whole.headers_mut());
        whole
    }
}

/// Seconds since the epoch.
pub(super) fn created() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs() as i64)
}

/// The bytes of a body, or why they are not there.
pub(super) fn read(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Failure> {
    body.map_err(|rejection| Failure::unreadable_body(rejection.status(), &rejection.body_text()))
}

/// Asks the dialog or model that the request names, for events.
async fn ask_streamed(
    app: App,
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
    app: App,
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
    let tools = app.setup.mcp.take(request).await?;
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

/// Writes the events of a streamed answer in a dialect that names them.
pub(super) trait EventWriter: Send + 'static {
    /// What a piece of the answer becomes.
    fn write(&mut self, event: ChatEvent) -> Vec<NamedEvent>;
    /// What comes after the last piece, when all that must be done before is done.
    fn end(self) -> BoxFuture<'static, Vec<NamedEvent>>;
    /// What ends an answer that fails half-way.
    fn fail(self, error: &ModelError) -> Vec<NamedEvent>;
}

/// The answer in a dialect that names its events. A failure half-way, and a server that must stop, end it with an error.
pub(super) fn written<W: EventWriter>(
    mut reply: ChatReply,
    mut writer: W,
    cut: CancellationToken,
) -> impl Stream<Item = NamedEvent> + Send {
    stream! {
        let mut cut = pin!(cut.cancelled_owned());
        let last = loop {
            let event = tokio::select! {
                biased;
                event = reply.next() => event,
                () = &mut cut => Some(Err(stopping())),
            };
            match event {
                Some(Ok(event)) => {
                    for event in writer.write(event) {
                        yield event;
                    }
                }
                Some(Err(error)) => break writer.fail(&error),
                None => break writer.end().await,
            }
        };
        for event in last {
            yield event;
        }
    }
}

/// Why a stream ends when the server does.
pub(super) fn stopping() -> ModelError {
    let message = "the server is stopping; ask again when it is back";
    ModelError::new(ErrorKind::Overloaded, Operation::Chat, message)
}
