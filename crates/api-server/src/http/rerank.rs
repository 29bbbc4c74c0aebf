//! `POST /v1/rerank`, in the shape that Jina and Cohere share.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use llm_core::{ErrorKind, ModelError, Operation, RerankRequest};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::answer::{parsed, read};
use super::schemas::models::Ranking;
use super::schemas::refusals::ModelFailures;
use crate::app::App;

/// Documents of one request.
const MOST_DOCUMENTS: usize = 10_000;

/// What to order, and for what.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = RerankRequest, example = json!({
    "model": "local/lexical",
    "query": "How hot is water for green tea?",
    "documents": ["Water for green tea has 80 degrees.", "Coffee takes 94."]
}))]
pub(super) struct Asked {
    #[serde(default)]
    model: String,
    query: String,
    documents: Vec<Document>,
    #[serde(default, alias = "top_k")]
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
}

/// A document: its text, bare or wrapped.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = RerankDocument)]
enum Document {
    Bare(String),
    Wrapped { text: String },
}

/// Scores documents for a question, the best first.
#[utoipa::path(
    post,
    path = "/v1/rerank",
    request_body = Asked,
    responses((status = 200, description = "What was asked for", body = Ranking), ModelFailures),
)]
pub(super) async fn create(
    app: App,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let asked =
        parsed(&app, read(body)?, |body: &[u8]| serde_json::from_slice::<Asked>(body)).await?;
    let asked = asked.map_err(|error| Failure::invalid(&error.to_string()))?;
    if asked.documents.len() > MOST_DOCUMENTS {
        return Err(Failure::invalid(&format!("`documents` are {MOST_DOCUMENTS} at most")));
    }
    let documents: Vec<String> = asked
        .documents
        .into_iter()
        .map(|document| match document {
            Document::Bare(text) | Document::Wrapped { text } => text,
        })
        .collect();
    let returned = asked.return_documents.then(|| documents.clone());
    let request = RerankRequest {
        model: asked.model.clone(),
        query: asked.query,
        documents,
        top: asked.top_n,
        ..RerankRequest::default()
    };
    let response = app.bundle.rerank(request).await?;
    let mut results = Vec::new();
    for ranked in &response.results {
        let mut result = json!({ "index": ranked.index, "relevance_score": ranked.relevance.unwrap_or(ranked.score) });
        if let Some(documents) = &returned {
            let text = documents.get(ranked.index).ok_or_else(unknown)?;
            result["document"] = json!({ "text": text });
        }
        results.push(result);
    }
    Ok(Json(json!({
        "id": Uuid::new_v4(),
        "object": "list",
        "model": asked.model,
        "results": results,
        "usage": { "total_tokens": response.usage.total_tokens().unwrap_or(0) },
    })))
}

fn unknown() -> ModelError {
    let message = "the model ranked a document that it was not given";
    ModelError::new(ErrorKind::Malformed, Operation::Rerank, message)
}
