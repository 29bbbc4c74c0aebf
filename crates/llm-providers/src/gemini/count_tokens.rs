//! Counting the tokens of a request without asking the model.

use http::HeaderMap;
use llm_core::{ChatRequest, ErrorKind, ModelError, Operation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::endpoint::Service;
use super::provider::Shared;
use super::request::render_request;
use crate::transport;

/// How many tokens a request has.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenCount {
    /// The whole prompt.
    pub total_tokens: u64,
    /// How many of them come from the provider's cache.
    #[serde(default)]
    pub cached_content_token_count: Option<u64>,
    /// Whatever else the provider tells (tokens per modality …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub(super) async fn ask(shared: &Shared, request: ChatRequest) -> Result<TokenCount, ModelError> {
    const OPERATION: Operation = Operation::CountTokens;
    let headers: HeaderMap = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let model = request.model.clone();
    let rendered = render_request(request, shared.service).map_err(|e| e.during(OPERATION))?;
    let body = count_body(shared.service, &model, rendered.body);
    let response = shared.call(OPERATION, &model, "countTokens", headers, &body).await?;
    let body = shared.transport.read_body(OPERATION, response).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let message = "this is no count of tokens";
        ModelError::new(ErrorKind::Malformed, OPERATION, message).with_source(error)
    })
}

/// The Gemini API takes the whole request in a field of its own; Vertex AI takes some of its fields.
fn count_body(service: Service, model: &str, mut body: Map<String, Value>) -> Map<String, Value> {
    match service {
        Service::GeminiApi => {
            body.insert("model".to_owned(), service.resource(model).into());
            Map::from_iter([("generateContentRequest".to_owned(), Value::Object(body))])
        }
        Service::Vertex => {
            const TAKEN: [&str; 4] = ["contents", "systemInstruction", "tools", "generationConfig"];
            body.retain(|name, _| TAKEN.contains(&name.as_str()));
            body
        }
    }
}
