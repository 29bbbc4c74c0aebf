//! [`ask`]: a call of a chat model.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};
use serde_json::Value;

use super::decoder::{ChatDecoder, Increments};
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
    let mut headers = chat_headers(&request)?;
    if request.stream {
        let name = HeaderName::from_static("x-dashscope-sse");
        headers.insert(name, HeaderValue::from_static("enable"));
    }
    let is_streamed = request.stream;
    let rendered = render_request(request)?;
    let parameters = rendered.body.get("parameters");
    let asked = parameters.and_then(|parameters| parameters.get("incremental_output"));
    let increments = match asked {
        Some(Value::Bool(true)) => Increments::Deltas,
        _ => Increments::Whole,
    };
    let path = rendered.generation.path();
    let response = shared.post(Operation::Chat, path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(increments);
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}
