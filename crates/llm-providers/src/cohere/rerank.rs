//! Rerank (`POST /v2/rerank`, `POST /v1/rerank`): the request, the reply, and the model.

use std::sync::Arc;

use llm_core::{ErrorKind, ModelError, Operation, RerankRequest, RerankResponse, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::provider::Shared;
use super::usage::parse_usage;
use crate::openai::RequestError;
use crate::openai::fields::Fields;
use crate::ranking::rank;
use crate::transport;

/// More documents are not recommended in one call.
pub(super) const MAX_DOCUMENTS: u32 = 1000;

/// Scores.
///
/// # Errors
/// All or nothing.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: RerankRequest,
) -> Result<RerankResponse, ModelError> {
    let operation = Operation::Rerank;
    if request.documents.is_empty() || request.top == Some(0) {
        return Ok(RerankResponse::default());
    }
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let (model, count) = (request.model.clone(), request.documents.len());
    let body = render_rerank_request(request);
    let response = shared.post(operation, &shared.path("rerank"), headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    let response = parse_rerank_response(&body, count)?;
    Ok(RerankResponse { model: Some(model), ..response })
}

/// The body, in both versions. [`RerankRequest::extra_body`] comes last (`max_tokens_per_doc`, in v1
/// `max_chunks_per_doc` and `rank_fields`).
pub fn render_rerank_request(request: RerankRequest) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    body.insert("query".into(), request.query.into());
    body.insert("documents".into(), request.documents.into());
    if let Some(top) = request.top {
        body.insert("top_n".into(), top.into());
    }
    body.extend(request.extra_body);
    body
}

/// Reads the body, as a client writes it. What has no name in [`RerankRequest`] goes to [`RerankRequest::extra_body`].
///
/// # Errors
/// When a field is missing or has the wrong type (documents of v1 that are objects, too); the error names it.
pub fn parse_rerank_request(body: Value) -> Result<RerankRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    Ok(RerankRequest {
        model: fields.optional("model")?.unwrap_or_default(),
        query: fields.required("query")?,
        documents: fields.required("documents")?,
        top: fields.optional("top_n")?,
        extra_body: fields.rest(),
        ..RerankRequest::default()
    })
}

#[derive(Deserialize)]
struct Body {
    results: Vec<Entry>,
    #[serde(default)]
    meta: Value,
}

#[derive(Deserialize)]
struct Entry {
    index: usize,
    #[serde(rename = "relevance_score")]
    score: f32,
}

/// Reads the reply to a request with `count` documents: best first, ties by index.
///
/// # Errors
/// `Malformed` when it is none, when it names a document twice or one that was not sent, or a score is no number.
pub fn parse_rerank_response(body: &[u8], count: usize) -> Result<RerankResponse, ModelError> {
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        let message = "this is no rerank reply";
        ModelError::new(ErrorKind::Malformed, Operation::Rerank, message).with_source(error)
    })?;
    let entries = body.results.into_iter().map(|entry| (entry.index, entry.score));
    let results = rank(entries, count)?;
    Ok(RerankResponse { results, usage: billed(body.meta), ..RerankResponse::default() })
}

/// What a call without an answer in text consumed; its own object is what was billed.
pub(super) fn billed(meta: Value) -> Usage {
    let raw = meta.get("billed_units").cloned();
    Usage { raw, ..parse_usage(meta).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        let body = json!({
            "model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 1,
            "max_tokens_per_doc": 512,
        });
        let request = parse_rerank_request(body.clone()).unwrap();
        assert_eq!(request.top, Some(1));
        assert_eq!(Value::Object(render_rerank_request(request)), body);
        let error = parse_rerank_request(json!({ "query": "q", "documents": [{}] })).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("documents"));
    }

    #[test]
    fn replies_are_read() {
        let body = json!({
            "id": "i",
            "results": [
                { "index": 1, "relevance_score": 0.2, "document": { "text": "b" } },
                { "index": 0, "relevance_score": 0.9 },
            ],
            "meta": { "api_version": { "version": "2" }, "billed_units": { "search_units": 1 } },
        });
        let response = parse_rerank_response(body.to_string().as_bytes(), 2).unwrap();
        assert_eq!(response.results[0].index, 0);
        assert_eq!(response.usage.search_units, Some(1));
        for body in [json!({}), json!({ "results": [{ "index": 2, "relevance_score": 1.0 }] })] {
            let error = parse_rerank_response(body.to_string().as_bytes(), 2).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
        }
    }
}
