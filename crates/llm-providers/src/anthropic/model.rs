//! [`ask`]: a call of a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};

use super::decoder::MessageDecoder;
use super::errors;
use super::provider::Shared;
use super::request::render_request;
use crate::answer::{chat_headers, read_answer};

/// Asks a model that answers with at most `output_limit` tokens, where that is known.
///
/// # Errors
/// A failure before the first event; a later one is the reply's.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: ChatRequest,
    output_limit: Option<u32>,
) -> Result<ChatReply, ModelError> {
    let mut headers = chat_headers(&request)?;
    let is_streamed = request.stream;
    let target = shared.target(output_limit);
    let path = shared.surface().path(&request.model, is_streamed);
    let rendered = render_request(request, &target)?;
    shared.add_betas(&mut headers, &rendered.betas);
    let response = shared.post(Operation::Chat, &path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = MessageDecoder::new(errors::request_id(response.headers()));
    read_answer(shared.transport(), response, first, is_streamed, decoder).await
}
