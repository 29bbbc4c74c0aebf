//! [`OpenAiChat`]: a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{TryStreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};
use reqwest::Response;

use super::decoder::ChatDecoder;
use super::request::render_request;
use crate::openai::errors;
use crate::openai::provider::Shared;
use crate::stream as event_stream;
use crate::transport;

/// A chat model. Made by [`OpenAi::chat`](crate::openai::OpenAi::chat).
pub(crate) struct OpenAiChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl OpenAiChat {
    pub(crate) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl ChatModel for OpenAiChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let reply = ask(&shared, request).await.map_err(|error| named(error, &info))?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

async fn ask(shared: &Shared, request: ChatRequest) -> Result<ChatReply, ModelError> {
    let mut headers = transport::extra_headers(Operation::Chat, &request.extra_headers)?;
    let accept =
        if request.stream { "text/event-stream, application/json" } else { "application/json" };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let is_streamed = request.stream;
    let path = shared.path_for(&request.model, "chat/completions");
    let rendered = render_request(request, &shared.quirks)?;
    let response = shared.post(Operation::Chat, &path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(shared.quirks.clone(), errors::request_id(response.headers()));
    let limit = shared.transport.options().max_event_bytes;
    if is_event_stream(&response) {
        let body = transport::body_stream(Operation::Chat, response);
        return Ok(event_stream::reply(first, body, decoder, limit));
    }
    if is_streamed {
        // Some servers stream under another content type, and some do not stream whatever they were asked.
        let body = transport::body_stream(Operation::Chat, response);
        let (begins_as_json, body) = event_stream::begins_as_json(body).await?;
        if !begins_as_json {
            return Ok(event_stream::reply(first, body, decoder, limit));
        }
        let body = shared.transport.read_stream(Operation::Chat, body).await?;
        return whole(decoder, &body, first);
    }
    let body = shared.transport.read_body(Operation::Chat, response).await?;
    whole(decoder, &body, first)
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|name| name.to_str().ok());
    content_type.is_some_and(|name| name.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// A failure before anything was said is the call's; a later one is the reply's.
fn whole(
    decoder: ChatDecoder,
    body: &[u8],
    first: Vec<ChatEvent>,
) -> Result<ChatReply, ModelError> {
    let (events, result) = decoder.whole(body);
    if events.is_empty() {
        result?;
        return Ok(ChatReply::new(stream::empty()));
    }
    let events = first.into_iter().chain(events).map(Ok).chain(result.err().map(Err));
    Ok(ChatReply::new(stream::iter(events.collect::<Vec<_>>())))
}
