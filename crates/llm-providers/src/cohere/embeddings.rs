//! Embeddings (`POST /v2/embed`, `POST /v1/embed`): the request, the reply, and the model.
//!
//! A call takes 96 texts; more are asked for in several calls. Numbers come as floats unless
//! [`EmbeddingRequest::extra_body`] names other `embedding_types`; of several, the most exact is taken. Pictures go in by
//! `extra_body`, too (`images`, or `inputs` of v2, with `input_type: "image"`), in a request without texts: its reply has
//! one vector for each.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{
    EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, Operation,
    Warning,
};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::CohereVersion;
use super::provider::Shared;
use super::rerank::billed;
use crate::batches::in_batches;
use crate::openai::RequestError;
use crate::openai::fields::Fields;
use crate::transport;
use crate::vectors::{check_lengths, finite, malformed};

/// What a call takes.
pub(super) const BATCH: u32 = 96;

/// Fields of the body that hold what is to be embedded, texts aside.
const OTHER_INPUTS: [&str; 2] = ["images", "inputs"];

/// Embeds: one call per batch, some at once.
///
/// # Errors
/// All or nothing.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: EmbeddingRequest,
) -> Result<EmbeddingResponse, ModelError> {
    let others = other_inputs(&request);
    let warnings = dropped(&request, shared.version);
    let model = request.model.clone();
    let mut whole = match (request.inputs.is_empty(), others) {
        (true, 0) => return Ok(EmbeddingResponse::default()),
        (true, others) => call(&shared, request, others).await?,
        (false, 0) => {
            let call = |request: EmbeddingRequest| {
                let count = request.inputs.len();
                call(&shared, request, count)
            };
            in_batches(request, Some(BATCH), call).await?
        }
        _ => {
            let message = "texts and pictures cannot be embedded in one call";
            return Err(ModelError::new(ErrorKind::InvalidRequest, Operation::Embed, message)
                .with_param("extra_body"));
        }
    };
    whole.model = Some(model);
    whole.warnings.splice(0..0, warnings);
    Ok(whole)
}

fn other_inputs(request: &EmbeddingRequest) -> usize {
    let count = |name: &&str| request.extra_body.get(*name).and_then(Value::as_array).map(Vec::len);
    OTHER_INPUTS.iter().filter_map(count).sum()
}

async fn call(
    shared: &Shared,
    request: EmbeddingRequest,
    count: usize,
) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let dimensions = request.dimensions.filter(|_| shared.version == CohereVersion::V2);
    let body = render_embedding_request(request, shared.version);
    let response = shared.post(operation, &shared.path("embed"), headers, &body).await?;
    let warning = super::api_warning(response.headers());
    let body = shared.transport.read_body(operation, response).await?;
    let mut answer = parse_embedding_response(&body, count, dimensions)?;
    answer.warnings.extend(warning);
    Ok(answer)
}

/// What a version has no field for.
fn dropped(request: &EmbeddingRequest, version: CohereVersion) -> Vec<Warning> {
    let is_v1 = version == CohereVersion::V1;
    [("dimensions", is_v1 && request.dimensions.is_some()), ("user", request.user.is_some())]
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(param, _)| Warning {
            code: "dropped_parameter".into(),
            param: Some(param.into()),
            message: format!("the model does not take `{param}`"),
        })
        .collect()
}

/// The body for at most 96 texts. [`EmbeddingRequest::extra_body`] comes last and replaces what stands there under the same
/// name.
pub fn render_embedding_request(
    request: EmbeddingRequest,
    version: CohereVersion,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    if !request.inputs.is_empty() {
        body.insert("texts".into(), request.inputs.into());
    }
    let purpose = PURPOSES.iter().find(|(known, _)| *known == request.purpose);
    body.insert("input_type".into(), purpose.map_or(DOCUMENT, |(_, word)| word).into());
    if version == CohereVersion::V2 {
        body.insert("embedding_types".into(), json!(["float"]));
        if let Some(dimensions) = request.dimensions {
            body.insert("output_dimension".into(), dimensions.into());
        }
    }
    body.extend(request.extra_body);
    body
}

const DOCUMENT: &str = "search_document";

/// The first row for a word is what is read.
const PURPOSES: [(EmbeddingPurpose, &str); 5] = [
    (EmbeddingPurpose::Document, DOCUMENT),
    (EmbeddingPurpose::Query, "search_query"),
    (EmbeddingPurpose::Classification, "classification"),
    (EmbeddingPurpose::Clustering, "clustering"),
    // The nearest there is: both texts are embedded alike.
    (EmbeddingPurpose::Similarity, "clustering"),
];

/// Reads the body, as a client writes it. What has no name in [`EmbeddingRequest`] goes to
/// [`EmbeddingRequest::extra_body`].
///
/// # Errors
/// When a field has the wrong type; the error names it.
pub fn parse_embedding_request(body: Value) -> Result<EmbeddingRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut request = EmbeddingRequest {
        model: fields.optional("model")?.unwrap_or_default(),
        inputs: fields.optional("texts")?.unwrap_or_default(),
        dimensions: fields.optional("output_dimension")?,
        ..EmbeddingRequest::default()
    };
    let word = fields.peek("input_type").and_then(Value::as_str);
    if let Some((purpose, _)) = PURPOSES.iter().find(|(_, known)| Some(*known) == word) {
        fields.take("input_type");
        request.purpose = *purpose;
    }
    request.extra_body = fields.rest();
    Ok(request)
}

#[derive(Deserialize)]
struct Body {
    embeddings: Embeddings,
    #[serde(default)]
    meta: Value,
}

/// A list of vectors (v1 without types), or a list for each type.
enum Embeddings {
    Floats(Vec<Vec<f32>>),
    ByType(ByType),
}

/// Bytes (`int8`, `uint8`) are read as numbers; so are packed bits (`binary`, `ubinary`), eight dimensions a number.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ByType {
    float: Option<Vec<Vec<f32>>>,
    base64: Option<Vec<String>>,
    int8: Option<Vec<Vec<f32>>>,
    uint8: Option<Vec<Vec<f32>>>,
    binary: Option<Vec<Vec<f32>>>,
    ubinary: Option<Vec<Vec<f32>>>,
}

impl<'de> Deserialize<'de> for Embeddings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EmbeddingsVisitor;
        impl<'de> Visitor<'de> for EmbeddingsVisitor {
            type Value = Embeddings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("vectors, or vectors by type")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Embeddings, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Embeddings::Floats)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Embeddings, A::Error> {
                ByType::deserialize(MapAccessDeserializer::new(map)).map(Embeddings::ByType)
            }
        }
        deserializer.deserialize_any(EmbeddingsVisitor)
    }
}

/// Reads the reply to a call with `count` inputs.
///
/// # Errors
/// `Malformed` when vectors are missing, broken or differ in length, or when `dimensions` were asked for and not given.
pub fn parse_embedding_response(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
) -> Result<EmbeddingResponse, ModelError> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no embedding reply").with_source(error))?;
    let (vectors, dimensions) = match body.embeddings {
        Embeddings::Floats(vectors) => (vectors, dimensions),
        Embeddings::ByType(by_type) => numbers(by_type, dimensions)?,
    };
    if vectors.len() != count {
        return Err(malformed(format!("{} vectors came for {count} inputs", vectors.len())));
    }
    let vectors = vectors.into_iter().map(finite).collect::<Result<Vec<_>, _>>()?;
    check_lengths(&vectors, dimensions)?;
    Ok(EmbeddingResponse { vectors, usage: billed(body.meta), ..EmbeddingResponse::default() })
}

/// The vectors of the most exact type that is there, and how long they shall be.
fn numbers(
    by_type: ByType,
    dimensions: Option<u32>,
) -> Result<(Vec<Vec<f32>>, Option<u32>), ModelError> {
    if let (None, Some(texts)) = (&by_type.float, by_type.base64) {
        let vectors = texts.iter().map(|text| floats(text)).collect::<Result<_, _>>()?;
        return Ok((vectors, dimensions));
    }
    if let Some(vectors) = by_type.float.or(by_type.int8).or(by_type.uint8) {
        return Ok((vectors, dimensions));
    }
    let packed = by_type.binary.or(by_type.ubinary);
    let packed = packed.ok_or_else(|| malformed("no vectors came in a type that is known here"))?;
    Ok((packed, dimensions.map(|dimensions| dimensions.div_ceil(8))))
}

/// Base64 of little-endian 32-bit floats.
fn floats(text: &str) -> Result<Vec<f32>, ModelError> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| malformed("a vector is no base64").with_source(error))?;
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(malformed("a vector in base64 ends in the middle of a number"));
    }
    Ok(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        let body = json!({
            "model": "embed-v4.0", "texts": ["hi"], "input_type": "search_query",
            "embedding_types": ["int8"], "output_dimension": 512, "truncate": "NONE",
        });
        let request = parse_embedding_request(body.clone()).unwrap();
        assert_eq!(request.purpose, EmbeddingPurpose::Query);
        assert_eq!(Value::Object(render_embedding_request(request, CohereVersion::V2)), body);

        let pictures = json!({ "model": "m", "input_type": "image", "images": ["data:…"] });
        let request = parse_embedding_request(pictures.clone()).unwrap();
        assert_eq!(other_inputs(&request), 1);
        assert_eq!(Value::Object(render_embedding_request(request, CohereVersion::V1)), pictures);
    }

    #[test]
    fn vectors_come_in_every_type() {
        let parse = |embeddings: Value, dimensions| {
            let body = json!({ "embeddings": embeddings, "meta": { "billed_units": {} } });
            parse_embedding_response(body.to_string().as_bytes(), 1, dimensions)
                .map(|response| response.vectors)
                .map_err(|error| error.kind())
        };
        for embeddings in [
            json!([[1.0, 2.0]]),
            json!({ "float": [[1.0, 2.0]], "int8": [[7, 7]] }),
            json!({ "base64": ["AACAPwAAAEA="], "binary": [[1]] }),
            json!({ "int8": [[1, 2]] }),
            json!({ "uint8": [[1, 2]] }),
        ] {
            assert_eq!(parse(embeddings, Some(2)), Ok(vec![vec![1.0, 2.0]]));
        }
        assert_eq!(parse(json!({ "binary": [[-5, 9]] }), Some(16)), Ok(vec![vec![-5.0, 9.0]]));
        for (embeddings, dimensions) in [
            (json!([]), None),
            (json!([[1.0], [2.0]]), None),
            (json!([[]]), None),
            (json!([["x"]]), None),
            (json!([[1.0]]), Some(2)),
            (json!({}), None),
            (json!({ "base64": ["AACA"] }), None),
            (json!({ "base64": ["AADAfw=="] }), None),
            (json!("x"), None),
        ] {
            let found = parse(embeddings.clone(), dimensions);
            assert_eq!(found, Err(ErrorKind::Malformed), "{embeddings}");
        }
    }

    #[test]
    fn what_a_version_does_not_take_is_told() {
        let request = EmbeddingRequest {
            dimensions: Some(8),
            user: Some("u".into()),
            ..EmbeddingRequest::query("hi")
        };
        let told = |version| -> Vec<Option<String>> {
            dropped(&request, version).into_iter().map(|warning| warning.param).collect()
        };
        assert_eq!(told(CohereVersion::V2), [Some("user".to_owned())]);
        assert_eq!(told(CohereVersion::V1), [Some("dimensions".into()), Some("user".to_owned())]);
    }
}
