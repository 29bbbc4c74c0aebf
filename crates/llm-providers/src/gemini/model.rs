//! [`ask`]: a call of a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};

use super::decoder::ChatDecoder;
use super::errors;
use super::provider::Shared;
use super::request::render_request;
use crate::answer::{chat_headers, read_answer};

/// Asks.
///
/// # Errors
/// A failure before the first event; a later one is the reply's.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: ChatRequest,
) -> Result<ChatReply, ModelError> {
    const OPERATION: Operation = Operation::Chat;
    let headers = chat_headers(&request)?;
    let method = if request.stream { "streamGenerateContent" } else { "generateContent" };
    let (is_streamed, model) = (request.stream, request.model.clone());
    let rendered = render_request(request, shared.service)?;
    let response = shared.call(OPERATION, &model, method, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(errors::request_id(response.headers()));
    // Servers that do not know `alt=sse` answer with an array of chunks, which is read whole.
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}
