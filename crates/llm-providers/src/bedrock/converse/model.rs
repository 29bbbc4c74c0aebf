//! [`BedrockChat`]: a chat model that is asked through Converse.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{TryStreamExt, stream};
use http::header::{ACCEPT, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};

use super::super::errors;
use super::super::provider::{Host, Shared};
use super::decoder::{ConverseBytes, ConverseDecoder};
use super::request::render_request;
use crate::stream as event_stream;
use crate::transport;

/// A chat model. Made by [`Bedrock::chat`](crate::bedrock::Bedrock::chat).
pub(crate) struct BedrockChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl BedrockChat {
    pub(crate) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl ChatModel for BedrockChat {
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
    let operation = Operation::Chat;
    let mut headers = transport::extra_headers(operation, &request.extra_headers)?;
    let (action, accept) = if request.stream {
        ("converse-stream", "application/vnd.amazon.eventstream")
    } else {
        ("converse", "application/json")
    };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let (model, is_streamed) = (request.model.clone(), request.stream);
    let rendered = render_request(request)?;
    let body = rendered.body.into();
    let response = shared.ask(operation, &model, action, headers, &body).await?;
    drop(body);

    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ConverseDecoder::new(errors::request_id(response.headers()))
        .answers_by_tool(rendered.answers_by_tool);
    let transport = shared.transport(Host::Runtime);
    if is_streamed {
        let decoder = ConverseBytes::new(decoder, transport.options().max_event_bytes);
        let body = transport::body_stream(operation, response);
        return Ok(event_stream::reply_of_bytes(first, body, decoder));
    }
    let body = transport.read_body(operation, response).await?;
    whole(decoder, &body, first)
}

/// A failure before anything was said is the call's; a later one is the reply's.
fn whole(
    decoder: ConverseDecoder,
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
