//! [`AnthropicChat`]: a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{TryStreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};
use reqwest::Response;

use super::decoder::MessageDecoder;
use super::errors;
use super::provider::Shared;
use super::request::{Target, render_request};
use crate::stream as event_stream;
use crate::transport;

/// A chat model. Made by [`Anthropic::chat`](super::Anthropic::chat).
pub(super) struct AnthropicChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl AnthropicChat {
    pub(super) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl ChatModel for AnthropicChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let target = shared.target(info.limits.output_tokens);
            let reply =
                ask(&shared, request, &target).await.map_err(|error| named(error, &info))?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

async fn ask(
    shared: &Shared,
    request: ChatRequest,
    target: &Target,
) -> Result<ChatReply, ModelError> {
    let mut headers = transport::extra_headers(Operation::Chat, &request.extra_headers)?;
    let is_streamed = request.stream;
    let accept =
        if is_streamed { "text/event-stream, application/json" } else { "application/json" };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let path = shared.surface().path(&request.model, is_streamed);
    let rendered = render_request(request, target)?;
    shared.add_betas(&mut headers, &rendered.betas);
    let response = shared.post(Operation::Chat, &path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = MessageDecoder::new(errors::request_id(response.headers()));
    let limit = shared.transport().options().max_event_bytes;
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
        let body = shared.transport().read_stream(Operation::Chat, body).await?;
        return whole(decoder, &body, first);
    }
    let body = shared.transport().read_body(Operation::Chat, response).await?;
    whole(decoder, &body, first)
}

fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|name| name.to_str().ok());
    content_type.is_some_and(|name| name.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// A failure before anything was said is the call's; a later one is the reply's.
fn whole(
    decoder: MessageDecoder,
    body: &[u8],
    first: Vec<ChatEvent>,
) -> Result<ChatReply, ModelError> {
    let (events, result) = decoder.whole(body);
    let failure = match result {
        Err(error) if events.is_empty() => return Err(error),
        result => result.err().map(Err),
    };
    let events: Vec<_> = first.into_iter().chain(events).map(Ok).chain(failure).collect();
    Ok(ChatReply::new(stream::iter(events)))
}
