//! Embeddings: the request, the reply, and the model.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    Operation,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::chat::parse_usage;
use super::errors;
use super::provider::Shared;
use crate::Quirks;
use crate::transport;

/// An embedding model. Made by [`OpenAi::embedding`](super::OpenAi::embedding).
pub(super) struct OpenAiEmbedding {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl OpenAiEmbedding {
    pub(super) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl EmbeddingModel for OpenAiEmbedding {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        mut request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            ask(&shared, request)
                .await
                .map_err(|error| error.at_if_unknown(&info.name.provider, &info.name.model))
        })
    }
}

async fn ask(shared: &Shared, request: EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    if request.inputs.is_empty() {
        return Ok(EmbeddingResponse::default());
    }
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let (count, dimensions) = (request.inputs.len(), request.dimensions);
    let path = shared.path_for(&request.model, "embeddings");
    let body = render_embedding_request(request, &shared.quirks);
    let response = shared.post(operation, &path, headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    parse_embedding_response(&body, count, dimensions, &shared.quirks)
}

/// The body of `POST …/embeddings`. Numbers are asked for as numbers, which every provider knows.
pub fn render_embedding_request(request: EmbeddingRequest, quirks: &Quirks) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    body.insert("input".into(), request.inputs.into());
    if !quirks.no_encoding_format {
        body.insert("encoding_format".into(), "float".into());
    }
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".into(), dimensions.into());
    }
    if let Some(user) = request.user {
        body.insert("user".into(), user.into());
    }
    body.extend(request.extra_body);
    body
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    data: Option<Vec<Entry>>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

/// Numbers, or base64 of little-endian 32-bit floats.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

/// Reads the reply to a request with `count` inputs: vectors in the order of the inputs (by `index`, whatever the order of
/// the reply), as numbers or in base64.
///
/// # Errors
/// `Malformed` when a vector is missing, doubled or broken, when vectors differ in length, or when `dimensions` were
/// asked for and not given; the provider's failure when the body tells one.
pub fn parse_embedding_response(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
    quirks: &Quirks,
) -> Result<EmbeddingResponse, ModelError> {
    let body: Body = match serde_json::from_slice(body) {
        Ok(Body { data: None, .. }) => {
            let body = serde_json::from_slice(body).unwrap_or(Value::Null);
            return Err(errors::from_body(Operation::Embed, None, &body));
        }
        Ok(body) => body,
        Err(error) => return Err(malformed("this is no embedding reply").with_source(error)),
    };
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; count];
    let entries = body.data.unwrap_or_default();
    if entries.len() != count {
        return Err(malformed(format!("{} vectors came for {count} inputs", entries.len())));
    }
    for (position, entry) in entries.into_iter().enumerate() {
        let index = entry.index.unwrap_or(position);
        let place = vectors.get_mut(index).filter(|place| place.is_none());
        let place = place.ok_or_else(|| {
            malformed(format!("the vector of input {index} came twice or for nothing"))
        })?;
        *place = Some(numbers(entry.embedding)?);
    }
    let vectors: Vec<Vec<f32>> = vectors.into_iter().flatten().collect();
    check_lengths(&vectors, dimensions)?;
    let usage = parse_usage(body.usage, quirks).unwrap_or_default();
    Ok(EmbeddingResponse { vectors, model: body.model, usage, warnings: Vec::new() })
}

fn numbers(vector: Vector) -> Result<Vec<f32>, ModelError> {
    let numbers = match vector {
        Vector::Numbers(numbers) => numbers,
        Vector::Base64(text) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|error| malformed("a vector is no base64").with_source(error))?;
            let (chunks, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(malformed("a vector in base64 ends in the middle of a number"));
            }
            chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
    };
    if numbers.iter().all(|number| number.is_finite()) {
        Ok(numbers)
    } else {
        Err(malformed("a vector holds numbers that are not finite"))
    }
}

fn check_lengths(vectors: &[Vec<f32>], dimensions: Option<u32>) -> Result<(), ModelError> {
    let Some(first) = vectors.first() else {
        return Ok(());
    };
    let wanted = dimensions.map_or(first.len(), |dimensions| dimensions as usize);
    match vectors.iter().find(|vector| vector.is_empty() || vector.len() != wanted) {
        Some(vector) => Err(malformed(format!(
            "a vector has {} dimensions where {wanted} were expected",
            vector.len()
        ))),
        None => Ok(()),
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Embed, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(
        body: Value,
        count: usize,
        dimensions: Option<u32>,
    ) -> Result<Vec<Vec<f32>>, ErrorKind> {
        let body = body.to_string();
        parse_embedding_response(body.as_bytes(), count, dimensions, &Quirks::default())
            .map(|response| response.vectors)
            .map_err(|error| error.kind())
    }

    #[test]
    fn vectors_come_in_the_order_of_the_inputs() {
        let body = json!({ "data": [
            { "index": 1, "embedding": [3.0, 4.0] },
            { "index": 0, "embedding": "AACAPwAAAEA=" },
        ] });
        assert_eq!(parse(body, 2, Some(2)), Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
    }

    #[test]
    fn refuses_what_is_not_whole() {
        let entry =
            |index: usize, embedding: Value| json!({ "index": index, "embedding": embedding });
        for (data, count) in [
            (json!([]), 1),
            (json!([entry(0, json!([1.0])), entry(0, json!([1.0]))]), 2),
            (json!([entry(5, json!([1.0]))]), 1),
            (json!([entry(0, json!([1.0])), entry(1, json!([1.0, 2.0]))]), 2),
            (json!([entry(0, json!([]))]), 1),
            (json!([entry(0, json!("AACA"))]), 1),
            (json!([entry(0, json!("?"))]), 1),
            (json!([entry(0, json!("AADAfw=="))]), 1),
        ] {
            let found = parse(json!({ "data": data }), count, None);
            assert_eq!(found, Err(ErrorKind::Malformed), "{data}");
        }
        let found = parse(json!({ "data": [entry(0, json!([1.0]))] }), 1, Some(3));
        assert_eq!(found, Err(ErrorKind::Malformed));
    }

    #[test]
    fn tells_the_failure_in_a_successful_response() {
        let body = json!({ "error": { "message": "m", "code": 429 } });
        assert_eq!(parse(body, 1, None), Err(ErrorKind::RateLimit));
    }
}
