//! Rerank through the agent runtime (`POST /rerank`): the request, the reply, and the model.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ErrorKind, ModelError, ModelInfo, Operation, RerankModel, RerankRequest, RerankResponse,
    ScoreType,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::merge::merge;
use super::provider::{Host, Shared};
use crate::ranking::rank;
use crate::transport;

/// What the operation takes at once.
const MAX_DOCUMENTS: usize = 1000;

/// A rerank model. Made by [`Bedrock::rerank`](super::Bedrock::rerank).
pub(super) struct BedrockRerank {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl BedrockRerank {
    pub(super) fn new(shared: Arc<Shared>, mut info: ModelInfo) -> Self {
        info.scores.get_or_insert(ScoreType::Probability);
        info.limits.batch.get_or_insert(MAX_DOCUMENTS as u32);
        Self { shared, info: Arc::new(info) }
    }
}

impl RerankModel for BedrockRerank {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn rerank(
        &self,
        mut request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            ask(&shared, request)
                .await
                .map_err(|error| error.at_if_unknown(&info.name.provider, &info.name.model))
        })
    }
}

async fn ask(shared: &Shared, request: RerankRequest) -> Result<RerankResponse, ModelError> {
    let operation = Operation::Rerank;
    if request.documents.is_empty() || request.top == Some(0) {
        return Ok(RerankResponse::default());
    }
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let count = request.documents.len();
    let body = render_rerank_request(request, &shared.region).into();
    let response = shared.post(operation, Host::Agent, "rerank", headers, &body).await?;
    let body = shared.transport(Host::Agent).read_body(operation, response).await?;
    parse_rerank_response(&body, count)
}

/// The body. A model's id becomes the ARN of that model in `region`; an ARN stays as it is. Without `top`, all documents
/// are asked for, where the service would give some.
pub fn render_rerank_request(request: RerankRequest, region: &str) -> Map<String, Value> {
    let arn = if request.model.starts_with("arn:") {
        request.model
    } else {
        format!("arn:{}:bedrock:{region}::foundation-model/{}", partition(region), request.model)
    };
    let count = request.documents.len();
    let sources: Vec<Value> = request
        .documents
        .into_iter()
        .map(|text| {
            let document = json!({ "type": "TEXT", "textDocument": { "text": text } });
            json!({ "type": "INLINE", "inlineDocumentSource": document })
        })
        .collect();
    let body = json!({
        "queries": [{ "type": "TEXT", "textQuery": { "text": request.query } }],
        "sources": sources,
        "rerankingConfiguration": {
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {
                "modelConfiguration": { "modelArn": arn },
                "numberOfResults": request.top.unwrap_or(count).min(count),
            },
        },
    });
    let mut body = match body {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    merge(&mut body, request.extra_body);
    body
}

/// The part of the AWS world that a region is in.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("cn-") => "aws-cn",
        _ => "aws",
    }
}

#[derive(Deserialize)]
struct Body {
    results: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    index: usize,
    #[serde(alias = "relevance_score", rename = "relevanceScore")]
    score: f32,
}

/// Reads the reply to a request with `count` documents: best first, ties by index.
///
/// # Errors
/// `Malformed` when it is none, when it names a document twice or one that was not sent, or a score is no number.
pub fn parse_rerank_response(body: &[u8], count: usize) -> Result<RerankResponse, ModelError> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no rerank reply").with_source(error))?;
    let entries = body.results.into_iter().map(|entry| (entry.index, entry.score));
    let results = rank(entries, count)?;
    Ok(RerankResponse { results, ..RerankResponse::default() })
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Rerank, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_models_arn() {
        let request = RerankRequest {
            model: "cohere.rerank-v3-5:0".into(),
            query: "q".into(),
            documents: vec!["a".into(), "b".into()],
            top: Some(9),
            ..RerankRequest::default()
        };
        let body = Value::Object(render_rerank_request(request, "us-west-2"));
        let config = &body["rerankingConfiguration"]["bedrockRerankingConfiguration"];
        let arn = "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0";
        assert_eq!(config["modelConfiguration"]["modelArn"], arn);
        assert_eq!(config["numberOfResults"], 2);
        assert_eq!(body["queries"][0]["textQuery"]["text"], "q");
        let text = &body["sources"][1]["inlineDocumentSource"]["textDocument"]["text"];
        assert_eq!(text, "b");
    }

    #[test]
    fn results_come_best_first() {
        let parse = |body: Value| parse_rerank_response(body.to_string().as_bytes(), 3);
        let entry = |index: usize, score: f64| json!({ "index": index, "relevanceScore": score });
        let body = json!({ "results": [entry(2, 0.1), entry(1, 0.5), entry(0, 0.5)] });
        let order: Vec<usize> =
            parse(body).unwrap().results.iter().map(|ranked| ranked.index).collect();
        assert_eq!(order, [0, 1, 2]);
        for body in [
            json!({ "results": [entry(3, 0.1)] }),
            json!({ "results": [entry(1, 0.1), entry(1, 0.2)] }),
            json!({ "results": [{ "index": 0 }] }),
            json!({}),
        ] {
            assert_eq!(parse(body).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}
