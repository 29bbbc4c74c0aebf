//! Embeddings: the request, the reply, and the model.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ModelError, ModelInfo, Operation, Warning,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::chat::parse_usage;
use super::errors;
use super::provider::Shared;
use crate::batches::in_batches;
use crate::remote::Remote;
use crate::transport;
use crate::vectors::{check_lengths, finite, in_order, malformed};
use crate::{EmbeddingShape, Numbers, Quirks};

/// An embedding model of which `info` is known, and what the provider's data adds to that.
pub(super) fn model(shared: &Arc<Shared>, mut info: ModelInfo) -> Arc<dyn EmbeddingModel> {
    let quirks = &shared.quirks.embedding;
    info.limits.batch = info.limits.batch.or_else(|| quirks.batch_of(&info.name.model));
    let batch = info.limits.batch;
    Arc::new(Remote::over(shared, info, move |shared: Arc<Shared>, request| async move {
        in_batches(request, batch, |request| ask(&shared, request)).await
    }))
}

async fn ask(
    shared: &Shared,
    mut request: EmbeddingRequest,
) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let warnings = drop_refused(&mut request, &shared.quirks);
    let (count, dimensions) = (request.inputs.len(), request.dimensions);
    let path = shared.path_for(&request.model, path_of(shared.quirks.embedding.shape));
    let body = render_embedding_request(request, &shared.quirks);
    let numbers = shared.quirks.embedding.numbers_of(&body);
    let response = shared.post(operation, &path, headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    let vectors = parse_embedding_response(&body, count, dimensions, numbers, &shared.quirks)?;
    Ok(EmbeddingResponse { warnings, ..vectors })
}

fn path_of(shape: EmbeddingShape) -> &'static str {
    match shape {
        EmbeddingShape::OpenAi => "embeddings",
        EmbeddingShape::Tei => "embed",
    }
}

/// Takes out what the provider refuses.
fn drop_refused(request: &mut EmbeddingRequest, quirks: &Quirks) -> Vec<Warning> {
    let refuses = |name: &str| {
        quirks.embedding.drops(&request.model, name) || quirks.drops(&request.model, name)
    };
    let (no_dimensions, no_user) = (refuses("dimensions"), refuses("user"));
    let dropped = [
        ("dimensions", no_dimensions && request.dimensions.take().is_some()),
        ("user", no_user && request.user.take().is_some()),
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

/// The body of a call. Numbers are asked for as numbers, which every provider knows, unless the provider's
/// [`EmbeddingQuirks`](crate::EmbeddingQuirks) say otherwise.
pub fn render_embedding_request(request: EmbeddingRequest, quirks: &Quirks) -> Map<String, Value> {
    let EmbeddingRequest { model, inputs, purpose, dimensions, user, extra_body, .. } = request;
    let own = &quirks.embedding;
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    let purpose = own.purpose_of(&model, purpose);
    match own.shape {
        EmbeddingShape::OpenAi => {
            put("model", Some(model.into()));
            put("input", Some(inputs.into()));
            let encoding = own.encoding.as_deref().unwrap_or("float");
            put("encoding_format", (!quirks.no_encoding_format).then(|| encoding.into()));
        }
        EmbeddingShape::Tei => put("inputs", Some(inputs.into())),
    }
    if let Some((field, word)) = purpose {
        put(field, Some(word.into()));
    }
    put(own.dimensions.as_deref().unwrap_or("dimensions"), dimensions.map(Value::from));
    put("user", user.map(Value::from));
    body.extend(extra_body);
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

/// JSON numbers, or bytes in base64.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

/// Reads the reply to a request with `count` inputs: vectors in the order of the inputs (by `index`, whatever the order of
/// the reply), written as `numbers` says.
///
/// # Errors
/// `Malformed` when a vector is missing, doubled or broken, when vectors differ in length, or when `dimensions` were
/// asked for and not given; the provider's failure when the body tells one.
pub fn parse_embedding_response(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
    numbers: Numbers,
    quirks: &Quirks,
) -> Result<EmbeddingResponse, ModelError> {
    let Body { data: Some(entries), model, usage } = read(body, quirks.embedding.shape)? else {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        return Err(errors::from_body(Operation::Embed, None, &body));
    };
    let entries = entries.into_iter().map(|entry| (entry.index, entry.embedding));
    let vectors = in_order(entries, count)?;
    let vectors = vectors.into_iter().map(|vector| read_numbers(vector, numbers));
    let vectors = vectors.collect::<Result<Vec<_>, _>>()?;
    check_lengths(&vectors, dimensions)?;
    let mut usage = parse_usage(usage, quirks).unwrap_or_default();
    // Some providers give nothing but a total, which is the inputs' here.
    let total = usage.raw.as_ref().and_then(|raw| raw.get("total_tokens")?.as_u64());
    usage.input_tokens = usage.input_tokens.or(total);
    Ok(EmbeddingResponse { vectors, model, usage, warnings: Vec::new() })
}

/// A list of vectors, or an object that holds one (or tells a failure).
fn read(body: &[u8], shape: EmbeddingShape) -> Result<Body, ModelError> {
    let is_list = body.trim_ascii_start().first() == Some(&b'[');
    let read = match shape {
        EmbeddingShape::Tei if is_list => serde_json::from_slice(body).map(bare_list),
        _ => serde_json::from_slice(body),
    };
    read.map_err(|error| malformed("this is no embedding reply").with_source(error))
}

fn bare_list(vectors: Vec<Vector>) -> Body {
    let entry = |embedding| Entry { index: None, embedding };
    let data = Some(vectors.into_iter().map(entry).collect());
    Body { data, model: None, usage: Value::Null }
}

fn read_numbers(vector: Vector, numbers: Numbers) -> Result<Vec<f32>, ModelError> {
    let read = match vector {
        Vector::Numbers(written) => numbers.of_numbers(written),
        Vector::Base64(text) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|error| malformed("a vector is no base64").with_source(error))?;
            numbers.of_bytes(&bytes)
        }
    };
    finite(read.ok_or_else(|| malformed("a vector is not written as it was asked for"))?)
}

#[cfg(test)]
mod tests {
    use llm_core::{EmbeddingPurpose, ErrorKind};
    use serde_json::json;

    use super::*;
    use crate::{EmbeddingQuirks, catalogue};

    fn parse(
        body: Value,
        count: usize,
        dimensions: Option<u32>,
    ) -> Result<Vec<Vec<f32>>, ErrorKind> {
        let body = body.to_string();
        let (numbers, quirks) = (Numbers::Float, Quirks::default());
        parse_embedding_response(body.as_bytes(), count, dimensions, numbers, &quirks)
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

    /// What a provider of the catalogue is sent.
    fn sent(provider: &str, model: &str, request: EmbeddingRequest) -> Value {
        let quirks = &catalogue::find(provider).unwrap().quirks;
        let mut request = EmbeddingRequest { model: model.into(), ..request };
        let warnings = drop_refused(&mut request, quirks);
        let mut body = Value::Object(render_embedding_request(request, quirks));
        body.as_object_mut().unwrap().shift_remove("input");
        for warning in warnings {
            body[format!("-{}", warning.param.unwrap())] = true.into();
        }
        body
    }

    #[test]
    fn providers_are_told_the_purpose_in_their_words() {
        let query = || EmbeddingRequest {
            dimensions: Some(256),
            user: Some("u".into()),
            ..EmbeddingRequest::query("hi")
        };
        let passage = || EmbeddingRequest::documents(["hi"]);
        for (provider, model, request, expected) in [
            (
                "openai",
                "text-embedding-3-small",
                query(),
                json!({ "model": "text-embedding-3-small", "encoding_format": "float", "dimensions": 256, "user": "u" }),
            ),
            (
                "voyage",
                "voyage-3.5",
                query(),
                json!({ "model": "voyage-3.5", "input_type": "query", "output_dimension": 256, "-user": true }),
            ),
            (
                "jina",
                "jina-embeddings-v3",
                query(),
                json!({ "model": "jina-embeddings-v3", "task": "retrieval.query", "dimensions": 256, "-user": true }),
            ),
            (
                "jina",
                "jina-embeddings-v3",
                EmbeddingRequest { purpose: EmbeddingPurpose::Clustering, ..passage() },
                json!({ "model": "jina-embeddings-v3", "task": "separation" }),
            ),
            (
                "jina",
                "jina-embeddings-v2-base-de",
                passage(),
                json!({ "model": "jina-embeddings-v2-base-de" }),
            ),
            (
                "mistral",
                "codestral-embed",
                query(),
                json!({ "model": "codestral-embed", "encoding_format": "float", "output_dimension": 256, "-user": true }),
            ),
            (
                "perplexity",
                "pplx-embed-v1-0.6b",
                passage(),
                json!({ "model": "pplx-embed-v1-0.6b", "encoding_format": "base64_int8" }),
            ),
        ] {
            assert_eq!(sent(provider, model, request), expected, "{provider}");
        }
    }

    #[test]
    fn servers_with_one_model_answer_with_a_bare_list() {
        let quirks = EmbeddingQuirks { shape: EmbeddingShape::Tei, ..EmbeddingQuirks::default() };
        let quirks = Quirks { embedding: quirks, ..Quirks::default() };
        let request = EmbeddingRequest { model: "m".into(), ..EmbeddingRequest::query("hi") };
        let body = Value::Object(render_embedding_request(request, &quirks));
        assert_eq!(body, json!({ "inputs": ["hi"] }));
        let parse = |body: &[u8], count| {
            parse_embedding_response(body, count, None, Numbers::Float, &quirks)
                .map(|response| response.vectors)
                .map_err(|error| error.kind())
        };
        assert_eq!(
            parse(b" [[1.0, 2.0], [3.0, 4.0]]", 2),
            Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]])
        );
        assert_eq!(parse(b"[[1.0]]", 2), Err(ErrorKind::Malformed));
        let failed = br#"{"error":"m","error_type":"Overloaded"}"#;
        assert_eq!(parse(failed, 1), Err(ErrorKind::Overloaded));
    }

    #[test]
    fn quantized_vectors_are_numbers() {
        let quirks = &catalogue::find("perplexity").unwrap().quirks;
        let body = br#"{"data":[{"index":0,"embedding":"/wB/gA=="}],"usage":{"total_tokens":3}}"#;
        let numbers = quirks.embedding.numbers_of(&Map::new());
        let response = parse_embedding_response(body, 1, Some(4), numbers, quirks).unwrap();
        assert_eq!(response.vectors, [[-1.0, 0.0, 127.0, -128.0]]);
        assert_eq!(response.usage.input_tokens, Some(3));
    }
}
