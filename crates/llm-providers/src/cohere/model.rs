//! [`ask`]: a call of a chat model, in either version.

use std::sync::Arc;

use http::header::{ACCEPT, HeaderValue};
use llm_core::{ChatEvent, ChatReply, ChatRequest, ModelError, Operation};

use super::provider::Shared;
use super::{ChatDecoder, RenderedRequest, api_warning, errors, request, v1};
use crate::answer::{is_event_stream, read_answer};
use crate::stream::reply_of_lines;
use crate::transport;

/// What a model is asked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    V2,
    V1,
    Generate,
}

/// Asks.
///
/// # Errors
/// A failure before the first event; a later one is the reply's.
pub(super) async fn ask(
    shared: Arc<Shared>,
    api: Api,
    request: ChatRequest,
) -> Result<ChatReply, ModelError> {
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
    let request_id = errors::request_id(response.headers());
    let transport = &shared.transport;
    if api == Api::V2 {
        let decoder = ChatDecoder::new(request_id);
        return read_answer(transport, response, first, is_streamed, decoder).await;
    }
    let decoder = v1::ChatDecoder::new(request_id);
    if is_streamed && !is_event_stream(&response) {
        let limit = transport.options().max_event_bytes;
        let body = transport::body_stream(operation, response);
        return Ok(reply_of_lines(first, body, decoder, limit));
    }
    read_answer(transport, response, first, is_streamed, decoder).await
}

fn accept(api: Api, is_streamed: bool) -> &'static str {
    match (api, is_streamed) {
        (_, false) => "application/json",
        (Api::V2, true) => "text/event-stream, application/json",
        // Lines of JSON, under a name that only Cohere uses.
        (_, true) => "*/*",
    }
}
