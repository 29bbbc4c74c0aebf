//! Embeddings: `/api/embed`, and the older `/api/embeddings` with one text a call.

use std::sync::Arc;

use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, Operation, Usage,
    Warning,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::errors;
use super::provider::Shared;
use crate::batches::in_batches;
use crate::merge::merge;
use crate::openai::RequestError;
use crate::openai::fields::Fields;
use crate::remote::Remote;
use crate::transport;
use crate::vectors::{check_lengths, finite, malformed};

/// Texts in one call. The server takes any number and computes a few at a time: this bounds what a failure costs.
const BATCH: u32 = 256;

/// Where texts are embedded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddingEndpoint {
    /// `/api/embed`, in every server since 0.3.0: many texts a call, vectors of length one.
    #[default]
    Embed,
    /// `/api/embeddings`, of older servers: one text a call, vectors as the model made them.
    Embeddings,
}

impl EmbeddingEndpoint {
    fn path(self) -> &'static str {
        match self {
            EmbeddingEndpoint::Embed => "api/embed",
            EmbeddingEndpoint::Embeddings => "api/embeddings",
        }
    }

    fn batch(self) -> u32 {
        match self {
            EmbeddingEndpoint::Embed => BATCH,
            EmbeddingEndpoint::Embeddings => 1,
        }
    }
}

/// An embedding model.
pub(super) fn model(shared: &Arc<Shared>, mut info: ModelInfo) -> Arc<dyn EmbeddingModel> {
    let most = shared.embedding_endpoint.batch();
    let batch = (*info.limits.batch.get_or_insert(most)).min(most);
    Arc::new(Remote::over(shared, info, move |shared: Arc<Shared>, request| async move {
        in_batches(request, Some(batch), |request| ask(&shared, request)).await
    }))
}

async fn ask(
    shared: &Shared,
    mut request: EmbeddingRequest,
) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    let endpoint = shared.embedding_endpoint;
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let warnings = drop_unknown(&mut request, endpoint);
    let (count, dimensions) = (request.inputs.len(), request.dimensions);
    let mut body = render_embedding_request(request, endpoint);
    shared.add_keep_alive(&mut body);
    let response = shared.post(operation, endpoint.path(), headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    let response = parse_embedding_response(&body, count, dimensions)?;
    Ok(EmbeddingResponse { warnings, ..response })
}

/// Takes out what the endpoint has no field for.
fn drop_unknown(request: &mut EmbeddingRequest, endpoint: EmbeddingEndpoint) -> Vec<Warning> {
    let is_old = endpoint == EmbeddingEndpoint::Embeddings;
    let dropped = [
        ("user", request.user.take().is_some()),
        ("dimensions", is_old && request.dimensions.take().is_some()),
    ];
    let dropped = dropped.into_iter().filter(|(_, is_dropped)| *is_dropped);
    dropped
        .map(|(param, _)| Warning {
            code: "dropped_parameter".into(),
            param: Some(param.into()),
            message: format!("the model does not take `{param}`"),
        })
        .collect()
}

/// The body of a call. A text that does not fit the model is cut by the server, unless `truncate: false` is in
/// [`EmbeddingRequest::extra_body`], which is laid over the body.
pub fn render_embedding_request(
    request: EmbeddingRequest,
    endpoint: EmbeddingEndpoint,
) -> Map<String, Value> {
    let EmbeddingRequest { model, mut inputs, dimensions, extra_body, .. } = request;
    let mut body = Map::from_iter([("model".to_owned(), Value::from(model))]);
    match endpoint {
        EmbeddingEndpoint::Embed => {
            body.insert("input".to_owned(), inputs.into());
            body.extend(dimensions.map(|length| ("dimensions".to_owned(), length.into())));
        }
        EmbeddingEndpoint::Embeddings => {
            body.insert("prompt".to_owned(), inputs.pop().unwrap_or_default().into());
        }
    }
    merge(&mut body, extra_body);
    body
}

/// Reads the body of a call of either endpoint. What has no name in the vocabulary goes to
/// [`EmbeddingRequest::extra_body`].
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field.
pub fn parse_embedding_request(body: Value) -> Result<EmbeddingRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let inputs = match fields.peek("input") {
        Some(Value::Array(_)) => fields.required("input")?,
        Some(_) => vec![fields.required("input")?],
        None => vec![fields.required("prompt")?],
    };
    Ok(EmbeddingRequest {
        model: fields.required("model")?,
        inputs,
        dimensions: fields.optional("dimensions")?,
        extra_body: fields.rest(),
        ..EmbeddingRequest::default()
    })
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    embeddings: Option<Vec<Vec<f32>>>,
    /// Of the older endpoint.
    #[serde(default)]
    embedding: Option<Vec<f32>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    error: Value,
}

/// Reads the reply of either endpoint to a call with `count` inputs.
///
/// # Errors
/// `Malformed` when vectors are missing, broken or differ in length, or when `dimensions` were asked for and not given;
/// the server's failure when the body tells one.
pub fn parse_embedding_response(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
) -> Result<EmbeddingResponse, ModelError> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no embedding reply").with_source(error))?;
    if !body.error.is_null() {
        return Err(errors::from_line(body.error).during(Operation::Embed));
    }
    let vectors = body.embeddings.or(body.embedding.map(|vector| vec![vector]));
    let vectors = vectors.unwrap_or_default().into_iter().map(finite);
    let vectors = vectors.collect::<Result<Vec<_>, _>>()?;
    if vectors.len() != count {
        return Err(malformed(format!("{} vectors came for {count} inputs", vectors.len())));
    }
    check_lengths(&vectors, dimensions)?;
    let usage = Usage { input_tokens: body.prompt_eval_count, ..Usage::default() };
    Ok(EmbeddingResponse { vectors, model: body.model, usage, warnings: Vec::new() })
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_those_of_each_endpoint() {
        let request = EmbeddingRequest {
            model: "m".into(),
            dimensions: Some(8),
            extra_body: Map::from_iter([("truncate".to_owned(), false.into())]),
            ..EmbeddingRequest::query("hi")
        };
        let render = |endpoint| Value::Object(render_embedding_request(request.clone(), endpoint));
        let body = json!({ "model": "m", "input": ["hi"], "dimensions": 8, "truncate": false });
        assert_eq!(render(EmbeddingEndpoint::Embed), body);
        let body = json!({ "model": "m", "prompt": "hi", "truncate": false });
        assert_eq!(render(EmbeddingEndpoint::Embeddings), body);
    }

    #[test]
    fn replies_must_be_whole() {
        let parse = |body: Value, count, dimensions| {
            parse_embedding_response(body.to_string().as_bytes(), count, dimensions)
                .map(|response| response.vectors)
                .map_err(|error| error.kind())
        };
        let two = || json!({ "embeddings": [[1.0, 2.0], [3.0, 4.0]], "prompt_eval_count": 3 });
        assert_eq!(parse(two(), 2, Some(2)), Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
        assert_eq!(parse(json!({ "embedding": [1.0] }), 1, None), Ok(vec![vec![1.0]]));
        for (body, count, dimensions) in [
            (two(), 1, None),
            (two(), 2, Some(3)),
            (json!({ "embeddings": [[1.0], [1.0, 2.0]] }), 2, None),
            (json!({ "embedding": [] }), 1, None),
            (json!({}), 1, None),
        ] {
            let found = parse(body.clone(), count, dimensions);
            assert_eq!(found, Err(ErrorKind::Malformed), "{body}");
        }
        let failed = json!({ "error": "the model stopped" });
        assert_eq!(parse(failed, 1, None), Err(ErrorKind::Upstream));
    }
}
