//! Embeddings of texts (`services/embeddings/text-embedding/text-embedding`).

use std::sync::Arc;

use llm_core::{
    EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo,
    Operation, Warning,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errors;
use super::provider::Shared;
use super::usage::parse_usage;
use crate::batches::in_batches;
use crate::merge::merge;
use crate::remote::Remote;
use crate::transport;
use crate::vectors::{check_lengths, finite, in_order, malformed};

const PATH: &str = "services/embeddings/text-embedding/text-embedding";

/// The most texts of one call of a model ("Text embedding", limits).
pub fn largest_batch(model: &str) -> u32 {
    match model {
        "text-embedding-v1" | "text-embedding-v2" => 25,
        _ => 10,
    }
}

/// An embedding model.
pub(super) fn model(shared: &Arc<Shared>, mut info: ModelInfo) -> Arc<dyn EmbeddingModel> {
    let most = largest_batch(&info.name.model);
    let batch = *info.limits.batch.get_or_insert(most);
    Arc::new(Remote::over(shared, info, move |shared: Arc<Shared>, request| async move {
        in_batches(request, Some(batch), |request| ask(&shared, request)).await
    }))
}

async fn ask(
    shared: &Shared,
    mut request: EmbeddingRequest,
) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let dropped = request.user.take().map(|_| Warning {
        code: "dropped_parameter".into(),
        param: Some("user".into()),
        message: "the model does not take `user`".into(),
    });
    let (count, dimensions) = (request.inputs.len(), request.dimensions);
    let body = render_embedding_request(request);
    let response = shared.post(operation, PATH, headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    let response = parse_embedding_response(&body, count, dimensions)?;
    Ok(EmbeddingResponse { warnings: dropped.into_iter().collect(), ..response })
}

/// The body of a call. [`EmbeddingRequest::extra_body`] is laid over it.
pub fn render_embedding_request(request: EmbeddingRequest) -> Map<String, Value> {
    let EmbeddingRequest { model, inputs, purpose, dimensions, extra_body, .. } = request;
    let mut parameters = Map::new();
    let purpose = match purpose {
        EmbeddingPurpose::Document => Some("document"),
        EmbeddingPurpose::Query => Some("query"),
        _ => None,
    };
    parameters.extend(purpose.map(|word| ("text_type".to_owned(), word.into())));
    parameters.extend(dimensions.map(|length| ("dimension".to_owned(), length.into())));
    let mut body = Map::from_iter([
        ("model".to_owned(), model.into()),
        ("input".to_owned(), json!({ "texts": inputs })),
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
    embeddings: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    text_index: Option<usize>,
    embedding: Vec<f32>,
}

/// Reads the reply to a call with `count` inputs: vectors in the order of the inputs.
///
/// # Errors
/// `Malformed` when vectors are missing, broken or differ in length, or when `dimensions` were asked for and not given;
/// the service's failure when the body tells one.
pub fn parse_embedding_response(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
) -> Result<EmbeddingResponse, ModelError> {
    let Body { output: Some(output), usage } = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no embedding reply").with_source(error))?
    else {
        let body = serde_json::from_slice(body).unwrap_or_default();
        return Err(errors::from_body(Operation::Embed, None, &body));
    };
    let entries = output.embeddings.into_iter();
    let vectors = in_order(entries.map(|entry| (entry.text_index, entry.embedding)), count)?;
    let vectors = vectors.into_iter().map(finite).collect::<Result<Vec<_>, _>>()?;
    check_lengths(&vectors, dimensions)?;
    let usage = parse_usage(usage).unwrap_or_default();
    Ok(EmbeddingResponse { vectors, usage, ..EmbeddingResponse::default() })
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;

    use super::*;

    #[test]
    fn bodies_name_the_purpose() {
        let request = EmbeddingRequest {
            model: "text-embedding-v4".into(),
            dimensions: Some(256),
            ..EmbeddingRequest::query("hi")
        };
        let expected = json!({
            "model": "text-embedding-v4", "input": { "texts": ["hi"] },
            "parameters": { "text_type": "query", "dimension": 256 },
        });
        assert_eq!(Value::Object(render_embedding_request(request)), expected);
    }

    #[test]
    fn vectors_come_in_the_order_of_the_inputs() {
        let parse =
            |body: Value, count| parse_embedding_response(body.to_string().as_bytes(), count, None);
        let entry =
            |index: usize, number: f32| json!({ "text_index": index, "embedding": [number] });
        let body = json!({
            "output": { "embeddings": [entry(1, 2.0), entry(0, 1.0)] }, "usage": { "total_tokens": 4 },
        });
        let response = parse(body.clone(), 2).unwrap();
        assert_eq!(response.vectors, [[1.0], [2.0]]);
        assert_eq!(response.usage.input_tokens, Some(4));
        assert_eq!(parse(body, 3).unwrap_err().kind(), ErrorKind::Malformed);
        let failed = json!({ "code": "Throttling", "message": "m" });
        assert_eq!(parse(failed, 1).unwrap_err().kind(), ErrorKind::RateLimit);
    }
}
