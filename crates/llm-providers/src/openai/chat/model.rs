//! [`ask`]: a call of a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};

use super::decoder::ChatDecoder;
use super::request::{RenderedRequest, render_request};
use crate::Quirks;
use crate::answer::{chat_headers, read_answer};
use crate::openai::errors;
use crate::openai::provider::Shared;
use crate::think::SplitThink;

/// How a request is written for an interface.
pub(in crate::openai) type Render = fn(ChatRequest, &Quirks) -> Result<RenderedRequest, ModelError>;

/// Asks.
///
/// # Errors
/// A failure before the first event; a later one is the reply's.
pub(in crate::openai) async fn ask(
    shared: Arc<Shared>,
    request: ChatRequest,
) -> Result<ChatReply, ModelError> {
    ask_at(shared, "chat/completions", render_request, request).await
}

/// Asks at one of the interfaces whose answers are alike.
///
/// # Errors
/// As [`ask`].
pub(in crate::openai) async fn ask_at(
    shared: Arc<Shared>,
    path: &str,
    render: Render,
    request: ChatRequest,
) -> Result<ChatReply, ModelError> {
    let headers = chat_headers(&request)?;
    let is_streamed = request.stream;
    let think_tags = shared.quirks.think_tags_of(&request.model);
    let path = shared.path_for(&request.model, path);
    let rendered = render(request, &shared.quirks)?;
    let response = shared.post(Operation::Chat, &path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(shared.quirks.clone(), errors::request_id(response.headers()));
    let decoder = SplitThink::new(decoder, think_tags);
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}
