//! [`ask`]: a call of a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};
use reqwest::Response;

use super::decoder::ResponsesDecoder;
use super::request::render_request;
use crate::answer::{chat_headers, read_answer};
use crate::openai::errors;
use crate::openai::provider::Shared;
use crate::think::{SplitThink, ThinkTags};

/// Asks.
///
/// # Errors
/// A failure before the first event; a later one is the reply's.
pub(in crate::openai) async fn ask(
    shared: Arc<Shared>,
    request: ChatRequest,
) -> Result<ChatReply, ModelError> {
    let headers = chat_headers(&request)?;
    let is_streamed = request.stream;
    let think_tags = shared.quirks.think_tags_of(&request.model);
    let rendered = render_request(request, &shared.quirks)?;
    let response = shared.post(Operation::Chat, "responses", headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    read(&shared, response, first, is_streamed, think_tags).await
}

/// The reply that a response makes. Some servers stream under another content type, and some do not stream whatever they
/// were asked.
pub(super) async fn read(
    shared: &Shared,
    response: Response,
    first: Vec<ChatEvent>,
    is_streamed: bool,
    think_tags: ThinkTags,
) -> Result<ChatReply, ModelError> {
    let decoder = ResponsesDecoder::new(errors::request_id(response.headers()));
    let decoder = SplitThink::new(decoder, think_tags);
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}
