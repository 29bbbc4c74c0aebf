//! [`model`]: a chat model of a server, asked for chat or for completions.

use std::sync::Arc;

use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};

use super::completion::render_completion;
use super::decoder::ChatDecoder;
use super::provider::Shared;
use super::request::{RenderedRequest, render_request};
use crate::SplitThink;
use crate::answer::whole;
use crate::openai::errors::request_id;
use crate::remote::Remote;
use crate::stream::reply_of_lines;
use crate::transport;

/// What a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/api/chat`
    Chat,
    /// `/api/generate`
    Generate,
}

impl Endpoint {
    fn path(self) -> &'static str {
        match self {
            Endpoint::Chat => "api/chat",
            Endpoint::Generate => "api/generate",
        }
    }

    fn render(self, request: ChatRequest) -> Result<RenderedRequest, ModelError> {
        match self {
            Endpoint::Chat => render_request(request),
            Endpoint::Generate => render_completion(request),
        }
    }
}

/// A chat model, asked at an endpoint.
pub(super) fn model(
    shared: &Arc<Shared>,
    info: ModelInfo,
    endpoint: Endpoint,
) -> Arc<dyn ChatModel> {
    let limit = info.limits.context_tokens;
    Arc::new(Remote::over(shared, info, move |shared: Arc<Shared>, request| async move {
        ask(&shared, request, endpoint, limit).await
    }))
}

async fn ask(
    shared: &Shared,
    request: ChatRequest,
    endpoint: Endpoint,
    model_limit: Option<u32>,
) -> Result<ChatReply, ModelError> {
    const OPERATION: Operation = Operation::Chat;
    let headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let is_streamed = request.stream;
    let RenderedRequest { mut body, warnings } = endpoint.render(request)?;
    shared.context.settle(model_limit, &mut body);
    shared.add_keep_alive(&mut body);
    let response = shared.post(OPERATION, endpoint.path(), headers, &body).await?;
    let first = warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(request_id(response.headers()));
    let decoder = SplitThink::new(decoder, shared.think_tags);
    if is_streamed {
        let limit = shared.transport.options().max_event_bytes;
        let body = transport::body_stream(OPERATION, response);
        return Ok(reply_of_lines(first, body, decoder, limit));
    }
    let body = shared.transport.read_body(OPERATION, response).await?;
    whole(decoder, &body, first)
}
