//! [`CohereChat`]: a chat model, in either version.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{TryStreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};
use reqwest::Response;

use super::provider::Shared;
use super::v1::{self, AnswerDecoder};
use super::{ChatDecoder, RenderedRequest, api_warning, errors, request};
use crate::stream as event_stream;
use crate::transport;

/// What a model is asked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    V2,
    V1,
    Generate,
}

/// A chat model. Made by [`Cohere::chat`](super::Cohere::chat) and [`Cohere::generate`](super::Cohere::generate).
pub(super) struct CohereChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
    api: Api,
}

impl CohereChat {
    pub(super) fn new(shared: Arc<Shared>, info: ModelInfo, api: Api) -> Self {
        Self { shared, info: Arc::new(info), api }
    }
}

impl ChatModel for CohereChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, info, api) = (self.shared.clone(), self.info.clone(), self.api);
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let reply = ask(&shared, api, request).await.map_err(|error| named(error, &info))?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

async fn ask(shared: &Shared, api: Api, request: ChatRequest) -> Result<ChatReply, ModelError> {
    let operation = Operation::Chat;
    let mut headers = transport::extra_headers(operation, &request.extra_headers)?;
    let is_streamed = request.stream;
    let (path, rendered) = match api {
        Api::V2 => ("v2/chat", request::render_request(request, &shared.quirks)?),
        Api::V1 => ("v1/chat", v1::render_request(request, &shared.quirks)?),
        Api::Generate => ("v1/generate", v1::render_generate(request, &shared.quirks)?),
    };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept(api, is_streamed)));
    let RenderedRequest { body, warnings } = rendered;
    let response = shared.post(operation, path, headers, &body).await?;
    drop(body);
    let warnings = warnings.into_iter().chain(api_warning(response.headers()));
    let first = warnings.map(ChatEvent::Warning).collect();
    match api {
        Api::V2 => answer_v2(shared, response, is_streamed, first).await,
        Api::V1 | Api::Generate => answer_v1(shared, response, is_streamed, first).await,
    }
}

fn accept(api: Api, is_streamed: bool) -> &'static str {
    match (api, is_streamed) {
        (_, false) => "application/json",
        (Api::V2, true) => "text/event-stream, application/json",
        // Lines of JSON, under a name that only Cohere uses.
        (_, true) => "*/*",
    }
}

async fn answer_v2(
    shared: &Shared,
    response: Response,
    is_streamed: bool,
    first: Vec<ChatEvent>,
) -> Result<ChatReply, ModelError> {
    let (operation, transport) = (Operation::Chat, &shared.transport);
    let limit = transport.options().max_event_bytes;
    let decoder = ChatDecoder::new(errors::request_id(response.headers()));
    if is_event_stream(&response) {
        let body = transport::body_stream(operation, response);
        return Ok(event_stream::reply(first, body, decoder, limit));
    }
    if is_streamed {
        // Some servers stream under another content type, and some do not stream whatever they were asked.
        let body = transport::body_stream(operation, response);
        let (begins_as_json, body) = event_stream::begins_as_json(body).await?;
        if !begins_as_json {
            return Ok(event_stream::reply(first, body, decoder, limit));
        }
        let body = transport.read_stream(operation, body).await?;
        let (events, result) = decoder.whole(&body);
        return whole(first, events, result);
    }
    let body = transport.read_body(operation, response).await?;
    let (events, result) = decoder.whole(&body);
    whole(first, events, result)
}

async fn answer_v1(
    shared: &Shared,
    response: Response,
    is_streamed: bool,
    first: Vec<ChatEvent>,
) -> Result<ChatReply, ModelError> {
    let (operation, transport) = (Operation::Chat, &shared.transport);
    let limit = transport.options().max_event_bytes;
    let decoder = AnswerDecoder::new(errors::request_id(response.headers()));
    if is_event_stream(&response) {
        let body = transport::body_stream(operation, response);
        return Ok(event_stream::reply(first, body, decoder, limit));
    }
    if is_streamed {
        let body = transport::body_stream(operation, response);
        return Ok(event_stream::reply_of_lines(first, body, decoder, limit));
    }
    let body = transport.read_body(operation, response).await?;
    let (events, result) = decoder.whole(&body);
    whole(first, events, result)
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|name| name.to_str().ok());
    content_type.is_some_and(|name| name.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// A failure before anything was said is the call's; a later one is the reply's.
fn whole(
    first: Vec<ChatEvent>,
    events: Vec<ChatEvent>,
    result: Result<(), ModelError>,
) -> Result<ChatReply, ModelError> {
    let failure = match result {
        Err(error) if events.is_empty() => return Err(error),
        result => result.err().map(Err),
    };
    let events: Vec<_> = first.into_iter().chain(events).map(Ok).chain(failure).collect();
    Ok(ChatReply::new(stream::iter(events)))
}
