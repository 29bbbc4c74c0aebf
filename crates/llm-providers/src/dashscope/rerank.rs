//! Rerank of texts (`services/rerank/text-rerank/text-rerank`).

use std::sync::Arc;

use llm_core::{
    ErrorKind, ModelError, ModelInfo, Operation, RerankModel, RerankRequest, RerankResponse,
    ScoreType,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errors;
use super::provider::Shared;
use super::usage::parse_usage;
use crate::merge::merge;
use crate::ranking::rank;
use crate::remote::Remote;
use crate::transport;

const PATH: &str = "services/rerank/text-rerank/text-rerank";

/// What the service takes at once ("Text rerank", limits).
const MAX_DOCUMENTS: u32 = 500;

/// A rerank model.
pub(super) fn model(shared: &Arc<Shared>, mut info: ModelInfo) -> Arc<dyn RerankModel> {
    info.scores.get_or_insert(ScoreType::Probability);
    info.limits.batch.get_or_insert(MAX_DOCUMENTS);
    Arc::new(Remote::over(shared, info, ask))
}

async fn ask(shared: Arc<Shared>, request: RerankRequest) -> Result<RerankResponse, ModelError> {
    let operation = Operation::Rerank;
    if request.documents.is_empty() || request.top == Some(0) {
        return Ok(RerankResponse::default());
    }
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let (count, top) = (request.documents.len(), request.top);
    let body = render_rerank_request(request);
    let response = shared.post(operation, PATH, headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    parse_rerank_response(&body, count, top)
}

/// The body of a call. [`RerankRequest::extra_body`] is laid over it.
pub fn render_rerank_request(request: RerankRequest) -> Map<String, Value> {
    let RerankRequest { model, query, documents, top, extra_body, .. } = request;
    let mut parameters = Map::from_iter([("return_documents".to_owned(), Value::from(false))]);
    parameters.extend(top.map(|top| ("top_n".to_owned(), top.into())));
    let mut body = Map::from_iter([
        ("model".to_owned(), model.into()),
        ("input".to_owned(), json!({ "query": query, "documents": documents })),
        ("parameters".to_owned(), parameters.into()),
    ]);
    merge(&mut body, extra_body);
    body
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    output: Option<Output>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Output {
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    index: usize,
    relevance_score: f32,
}

/// Reads the reply to a request with `count` documents: best first, ties by index, at most `top`.
///
/// # Errors
/// `Malformed` when it is none, when it names a document twice or one that was not sent, or a score is no number; the
/// service's failure when the body tells one.
pub fn parse_rerank_response(
    body: &[u8],
    count: usize,
    top: Option<usize>,
) -> Result<RerankResponse, ModelError> {
    let Body { output: Some(output), usage } = serde_json::from_slice(body).map_err(|error| {
        ModelError::new(ErrorKind::Malformed, Operation::Rerank, "this is no rerank reply")
            .with_source(error)
    })?
    else {
        let body = serde_json::from_slice(body).unwrap_or_default();
        return Err(errors::from_body(Operation::Rerank, None, &body));
    };
    let entries = output.results.into_iter().map(|entry| (entry.index, entry.relevance_score));
    let mut results = rank(entries, count)?;
    results.truncate(top.unwrap_or(usize::MAX));
    let usage = parse_usage(usage).unwrap_or_default();
    Ok(RerankResponse { results, usage, ..RerankResponse::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_have_their_shape() {
        let request = RerankRequest {
            model: "gte-rerank-v2".into(),
            query: "q".into(),
            documents: vec!["a".into(), "b".into()],
            top: Some(1),
            ..RerankRequest::default()
        };
        let expected = json!({
            "model": "gte-rerank-v2", "input": { "query": "q", "documents": ["a", "b"] },
            "parameters": { "return_documents": false, "top_n": 1 },
        });
        assert_eq!(Value::Object(render_rerank_request(request)), expected);
        let entry = |index: usize, score: f32| json!({ "index": index, "relevance_score": score });
        let parse = |body: Value| parse_rerank_response(body.to_string().as_bytes(), 2, Some(1));
        let body = json!({ "output": { "results": [entry(1, 0.2), entry(0, 0.9)] }, "usage": { "total_tokens": 7 } });
        let response = parse(body).unwrap();
        assert_eq!((response.results.len(), response.results[0].index), (1, 0));
        assert_eq!(response.usage.input_tokens, Some(7));
        let body = json!({ "output": { "results": [entry(2, 0.2)] } });
        assert_eq!(parse(body).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
