//! How many tokens a chat request has, by the provider's own count (`POST /model/{model}/count-tokens`).

use http::HeaderMap;
use llm_core::{ChatRequest, ErrorKind, ModelError, Operation};
use serde_json::{Map, Value, json};

use super::converse::render_request;
use super::provider::{Host, Shared};
use crate::transport;

/// What of Converse's body is counted; the operation refuses the rest.
const COUNTED: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

pub(super) async fn ask(shared: &Shared, request: ChatRequest) -> Result<u64, ModelError> {
    let operation = Operation::CountTokens;
    let headers: HeaderMap = transport::extra_headers(operation, &request.extra_headers)?;
    let model = request.model.clone();
    let body = render_count_request(request)?.into();
    let response = shared.ask(operation, &model, "count-tokens", headers, &body).await?;
    let body = shared.transport(Host::Runtime).read_body(operation, response).await?;
    parse_count(&body)
}

/// The body: what counts of the chat request's.
///
/// # Errors
/// As [`render_request`].
pub fn render_count_request(request: ChatRequest) -> Result<Map<String, Value>, ModelError> {
    let mut converse = render_request(request)?.body;
    converse.retain(|name, _| COUNTED.contains(&name.as_str()));
    Ok(Map::from_iter([("input".to_owned(), json!({ "converse": converse }))]))
}

/// Reads the count.
///
/// # Errors
/// `Malformed` when there is none.
pub fn parse_count(body: &[u8]) -> Result<u64, ModelError> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("inputTokens").and_then(Value::as_u64).ok_or_else(|| {
        ModelError::new(ErrorKind::Malformed, Operation::CountTokens, "this is no token count")
    })
}
