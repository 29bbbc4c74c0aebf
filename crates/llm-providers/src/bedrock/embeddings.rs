//! Embeddings through InvokeModel: the requests and replies of three makers, and the model.
//!
//! | | texts a call | dimensions | purpose |
//! |---|---|---|---|
//! | Titan text v1, G1 | 1 | – | – |
//! | Titan text v2 | 1 | `dimensions` | – |
//! | Titan image | 1 | `embeddingConfig.outputEmbeddingLength` | – |
//! | Cohere v3 | 96 | – | `input_type` |
//! | Cohere v4 | 96 | `output_dimension` | `input_type` |
//! | Nova | 1 | `singleEmbeddingParams.embeddingDimension` | `embeddingPurpose` |

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use http::HeaderMap;
use llm_core::{
    EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError,
    ModelInfo, Operation, Usage, Warning,
};
use serde_json::{Map, Value, json};

use super::family::plain_id;
use super::merge::{insert_at, merge, take_at};
use super::provider::{Host, Shared};
use crate::openai::RequestError;
use crate::openai::fields::Fields;
use crate::transport;

/// What Cohere takes at once.
const COHERE_BATCH: usize = 96;

/// How many calls of one request run at once, for models that take one text a call.
const AT_ONCE: usize = 8;

/// The provider's count of the texts' tokens.
const TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// What an embedding model is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingFamily {
    /// Amazon Titan text embeddings G1 and v1.
    TitanV1,
    /// Amazon Titan text embeddings v2.
    Titan,
    /// Amazon Titan multimodal embeddings, with text.
    TitanImage,
    /// Cohere Embed v3.
    CohereV3,
    /// Cohere Embed v4.
    Cohere,
    /// Amazon Nova multimodal embeddings, with text.
    Nova,
}

impl EmbeddingFamily {
    /// The family that a model's id tells.
    pub fn of(model: &str) -> Option<Self> {
        const BEGINNINGS: [(&str, EmbeddingFamily); 7] = [
            ("amazon.titan-embed-text-v1", EmbeddingFamily::TitanV1),
            ("amazon.titan-embed-g1", EmbeddingFamily::TitanV1),
            ("amazon.titan-embed-image", EmbeddingFamily::TitanImage),
            ("amazon.titan-embed", EmbeddingFamily::Titan),
            ("cohere.embed-v", EmbeddingFamily::Cohere),
            ("cohere.embed", EmbeddingFamily::CohereV3),
            ("amazon.nova", EmbeddingFamily::Nova),
        ];
        let id = plain_id(model);
        BEGINNINGS.iter().find(|(name, _)| id.starts_with(name)).map(|(_, family)| *family)
    }

    /// How many texts go into one call.
    pub fn batch(self) -> usize {
        match self {
            EmbeddingFamily::CohereV3 | EmbeddingFamily::Cohere => COHERE_BATCH,
            _ => 1,
        }
    }

    /// Where the length of the vectors is asked for; `None` when it cannot be.
    fn dimensions_at(self) -> Option<&'static [&'static str]> {
        match self {
            EmbeddingFamily::TitanV1 | EmbeddingFamily::CohereV3 => None,
            EmbeddingFamily::Titan => Some(&["dimensions"]),
            EmbeddingFamily::TitanImage => Some(&["embeddingConfig", "outputEmbeddingLength"]),
            EmbeddingFamily::Cohere => Some(&["output_dimension"]),
            EmbeddingFamily::Nova => Some(&["singleEmbeddingParams", "embeddingDimension"]),
        }
    }
}

/// An embedding model. Made by [`Bedrock::embedding`](super::Bedrock::embedding).
pub(super) struct BedrockEmbedding {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
    family: Option<EmbeddingFamily>,
}

impl BedrockEmbedding {
    pub(super) fn new(
        shared: Arc<Shared>,
        info: ModelInfo,
        family: Option<EmbeddingFamily>,
    ) -> Self {
        Self { shared, info: Arc::new(info), family }
    }
}

impl EmbeddingModel for BedrockEmbedding {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        mut request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let (shared, info, family) = (self.shared.clone(), self.info.clone(), self.family);
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let response = match family {
                Some(family) => ask(&shared, request, family).await,
                None => Err(unknown_family()),
            };
            response.map_err(|error| error.at_if_unknown(&info.name.provider, &info.name.model))
        })
    }
}

fn unknown_family() -> ModelError {
    let message = "its id does not tell how this model is asked; name its family (`embedding_of`)";
    ModelError::new(ErrorKind::Unsupported, Operation::Embed, message)
}

/// One call per batch, some at once, results in order. The first failure ends all.
async fn ask(
    shared: &Shared,
    mut request: EmbeddingRequest,
    family: EmbeddingFamily,
) -> Result<EmbeddingResponse, ModelError> {
    let headers = transport::extra_headers(Operation::Embed, &request.extra_headers)?;
    let warnings = drop_unknown(&mut request, family);
    let (model, dimensions) = (request.model.clone(), request.dimensions);
    let mut texts = std::mem::take(&mut request.inputs);
    let mut calls = Vec::with_capacity(texts.len().div_ceil(family.batch()));
    while !texts.is_empty() {
        let rest = texts.split_off(family.batch().min(texts.len()));
        let inputs = std::mem::replace(&mut texts, rest);
        let request = EmbeddingRequest { inputs, ..request.clone() };
        calls.push(call(shared, request, family, headers.clone()));
    }
    let answers: Vec<EmbeddingResponse> =
        stream::iter(calls).buffered(AT_ONCE).try_collect().await?;

    let mut whole = EmbeddingResponse { model: Some(model), warnings, ..Default::default() };
    for answer in answers {
        whole.vectors.extend(answer.vectors);
        let tokens = (whole.usage.input_tokens, answer.usage.input_tokens);
        // These are calls of their own, so they add up; what one of them does not tell is not known of all.
        whole.usage.input_tokens = match tokens {
            (Some(known), Some(more)) => Some(known.saturating_add(more)),
            (None, more) => more,
            (known, None) => known,
        };
    }
    check_lengths(&whole.vectors, dimensions)?;
    Ok(whole)
}

async fn call(
    shared: &Shared,
    request: EmbeddingRequest,
    family: EmbeddingFamily,
    headers: HeaderMap,
) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    let (model, count) = (request.model.clone(), request.inputs.len());
    let body = render_embedding_request(request, family).into();
    let response = shared.ask(operation, &model, "invoke", headers, &body).await?;
    let tokens = response.headers().get(TOKENS).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = shared.transport(Host::Runtime).read_body(operation, response).await?;
    let mut answer = parse_embedding_response(&body, count)?;
    answer.usage.input_tokens = answer.usage.input_tokens.or(tokens);
    Ok(answer)
}

/// Takes out what the family has no field for.
fn drop_unknown(request: &mut EmbeddingRequest, family: EmbeddingFamily) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut drop = |param: &str| {
        warnings.push(Warning {
            code: "dropped_parameter".into(),
            param: Some(param.into()),
            message: format!("the model does not take `{param}`"),
        });
    };
    if family.dimensions_at().is_none() && request.dimensions.take().is_some() {
        drop("dimensions");
    }
    if request.user.take().is_some() {
        drop("user");
    }
    warnings
}

/// The body of `POST /model/{model}/invoke` for at most [`EmbeddingFamily::batch`] inputs.
/// [`EmbeddingRequest::extra_body`] comes last and is laid over it.
pub fn render_embedding_request(
    request: EmbeddingRequest,
    family: EmbeddingFamily,
) -> Map<String, Value> {
    let EmbeddingRequest { mut inputs, purpose, dimensions, extra_body, .. } = request;
    let mut body = Map::new();
    match family {
        EmbeddingFamily::TitanV1 | EmbeddingFamily::Titan | EmbeddingFamily::TitanImage => {
            body.insert("inputText".into(), inputs.pop().into());
        }
        EmbeddingFamily::CohereV3 | EmbeddingFamily::Cohere => {
            body.insert("texts".into(), inputs.into());
            body.insert("input_type".into(), word(&COHERE_PURPOSES, purpose).into());
        }
        EmbeddingFamily::Nova => {
            body.insert("taskType".into(), "SINGLE_EMBEDDING".into());
            let params = json!({
                "embeddingPurpose": word(&NOVA_PURPOSES, purpose),
                "text": { "truncationMode": "END", "value": inputs.pop() },
            });
            body.insert("singleEmbeddingParams".into(), params);
        }
    }
    if let (Some(at), Some(dimensions)) = (family.dimensions_at(), dimensions) {
        insert_at(&mut body, at, dimensions.into());
    }
    merge(&mut body, extra_body);
    body
}

/// The first row for a purpose is what is sent.
const COHERE_PURPOSES: [(EmbeddingPurpose, &str); 5] = [
    (EmbeddingPurpose::Document, "search_document"),
    (EmbeddingPurpose::Query, "search_query"),
    (EmbeddingPurpose::Classification, "classification"),
    (EmbeddingPurpose::Clustering, "clustering"),
    // The nearest there is: both texts are embedded alike.
    (EmbeddingPurpose::Similarity, "clustering"),
];

const NOVA_PURPOSES: [(EmbeddingPurpose, &str); 5] = [
    (EmbeddingPurpose::Document, "GENERIC_INDEX"),
    (EmbeddingPurpose::Query, "TEXT_RETRIEVAL"),
    (EmbeddingPurpose::Classification, "CLASSIFICATION"),
    (EmbeddingPurpose::Clustering, "CLUSTERING"),
    (EmbeddingPurpose::Similarity, "GENERIC_INDEX"),
];

fn word(words: &[(EmbeddingPurpose, &'static str)], purpose: EmbeddingPurpose) -> &'static str {
    let known = words.iter().find(|(known, _)| *known == purpose);
    known.or(words.first()).map_or("", |(_, word)| word)
}

fn purpose(words: &[(EmbeddingPurpose, &str)], word: &str) -> Option<EmbeddingPurpose> {
    words.iter().find(|(_, known)| *known == word).map(|(purpose, _)| *purpose)
}

/// Reads a body of InvokeModel, as a client writes it. What has no name in [`EmbeddingRequest`] goes to
/// [`EmbeddingRequest::extra_body`].
///
/// # Errors
/// When the text is missing or a field has the wrong type; the error names it.
pub fn parse_embedding_request(
    model: &str,
    family: EmbeddingFamily,
    body: Value,
) -> Result<EmbeddingRequest, RequestError> {
    let mut rest: Map<String, Value> = match body {
        Value::Object(body) => body,
        _ => return Err(RequestError::body("must be a JSON object")),
    };
    let dimensions = family.dimensions_at().and_then(|at| take_at(&mut rest, at));
    let dimensions = match dimensions {
        None | Some(Value::Null) => None,
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let at = family.dimensions_at().unwrap_or_default().join(".");
            Some(number.ok_or_else(|| RequestError::at(at, "must be a number"))?)
        }
    };
    let mut fields = Fields::of(rest.into(), "")?;
    let mut request =
        EmbeddingRequest { model: model.to_owned(), dimensions, ..EmbeddingRequest::default() };
    match family {
        EmbeddingFamily::TitanV1 | EmbeddingFamily::Titan | EmbeddingFamily::TitanImage => {
            request.inputs = vec![fields.required("inputText")?];
        }
        EmbeddingFamily::CohereV3 | EmbeddingFamily::Cohere => {
            request.inputs = fields.required("texts")?;
            let known = fields.peek("input_type").and_then(Value::as_str);
            if let Some(known) = known.and_then(|word| purpose(&COHERE_PURPOSES, word)) {
                fields.take("input_type");
                request.purpose = known;
            }
        }
        EmbeddingFamily::Nova => {
            fields.take("taskType");
            let mut params: Map<String, Value> = fields.required("singleEmbeddingParams")?;
            let text = take_at(&mut params, &["text", "value"]);
            let Some(Value::String(text)) = text else {
                return Err(fields.error("singleEmbeddingParams.text.value", "must be a string"));
            };
            request.inputs = vec![text];
            let known = params.get("embeddingPurpose").and_then(Value::as_str);
            if let Some(known) = known.and_then(|word| purpose(&NOVA_PURPOSES, word)) {
                params.shift_remove("embeddingPurpose");
                request.purpose = known;
            }
            request.extra_body.insert("singleEmbeddingParams".into(), params.into());
        }
    }
    request.extra_body.extend(fields.rest());
    Ok(request)
}

/// Reads the reply to a call with `count` inputs, whoever made the model: `embedding` (Titan); `embeddings` as a list,
/// as lists by type, or as objects (Cohere, Nova); `data` (gateways).
///
/// # Errors
/// `Malformed` when vectors are missing, broken or differ in length.
pub fn parse_embedding_response(
    body: &[u8],
    count: usize,
) -> Result<EmbeddingResponse, ModelError> {
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|error| malformed("this is no embedding reply").with_source(error))?;
    let tokens = body.get("inputTextTokenCount").and_then(Value::as_u64);
    let model_message = body.get("message").and_then(Value::as_str).map(str::to_owned);
    let found = vectors_in(&mut body);
    if found.is_empty()
        && let Some(message) = model_message
    {
        return Err(malformed(format!("the model gave no vector: {message}")));
    }
    if found.len() != count {
        return Err(malformed(format!("{} vectors came for {count} inputs", found.len())));
    }
    let vectors = found.into_iter().map(numbers).collect::<Result<Vec<_>, _>>()?;
    check_lengths(&vectors, None)?;
    let usage = Usage { input_tokens: tokens, ..Usage::default() };
    Ok(EmbeddingResponse { vectors, usage, ..EmbeddingResponse::default() })
}

fn vectors_in(body: &mut Value) -> Vec<Value> {
    if let Some(vector @ Value::Array(_)) = body.get_mut("embedding") {
        return vec![vector.take()];
    }
    let list = match body.get_mut("embeddings").map(Value::take) {
        Some(Value::Array(list)) => list,
        Some(Value::Object(mut by_type)) => match by_type.shift_remove("float") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
        _ => match body.get_mut("data").map(Value::take) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
    };
    list.into_iter()
        .map(|entry| match entry {
            Value::Object(mut entry) => entry.shift_remove("embedding").unwrap_or_default(),
            entry => entry,
        })
        .collect()
}

fn numbers(vector: Value) -> Result<Vec<f32>, ModelError> {
    let numbers: Vec<f32> = serde_json::from_value(vector)
        .map_err(|error| malformed("a vector holds more than numbers").with_source(error))?;
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
    use super::*;

    #[test]
    fn families_are_told_by_their_ids() {
        for (model, family) in [
            ("amazon.titan-embed-text-v2:0", Some(EmbeddingFamily::Titan)),
            ("amazon.titan-embed-text-v1", Some(EmbeddingFamily::TitanV1)),
            ("amazon.titan-embed-g1-text-02", Some(EmbeddingFamily::TitanV1)),
            ("cohere.embed-english-v3", Some(EmbeddingFamily::CohereV3)),
            ("us.cohere.embed-v4:0", Some(EmbeddingFamily::Cohere)),
            ("amazon.nova-2-multimodal-embeddings-v1:0", Some(EmbeddingFamily::Nova)),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", None),
        ] {
            assert_eq!(EmbeddingFamily::of(model), family, "{model}");
        }
    }

    #[test]
    fn bodies_are_those_of_each_maker() {
        use EmbeddingFamily as F;
        for (family, dimensions, body) in [
            (F::Titan, Some(256), json!({ "inputText": "hi", "dimensions": 256 })),
            (F::TitanV1, None, json!({ "inputText": "hi" })),
            (
                F::TitanImage,
                Some(384),
                json!({ "inputText": "hi", "embeddingConfig": { "outputEmbeddingLength": 384 } }),
            ),
            (F::CohereV3, None, json!({ "texts": ["hi"], "input_type": "search_query" })),
            (
                F::Cohere,
                Some(512),
                json!({ "texts": ["hi"], "input_type": "search_query", "output_dimension": 512 }),
            ),
            (
                F::Nova,
                Some(1024),
                json!({ "taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
                    "embeddingPurpose": "TEXT_RETRIEVAL",
                    "text": { "truncationMode": "END", "value": "hi" },
                    "embeddingDimension": 1024,
                } }),
            ),
        ] {
            let request = EmbeddingRequest { dimensions, ..EmbeddingRequest::query("hi") };
            let rendered = Value::Object(render_embedding_request(request.clone(), family));
            assert_eq!(rendered, body);
            let parsed = parse_embedding_request("m", family, body.clone()).unwrap();
            assert_eq!(Value::Object(render_embedding_request(parsed, family)), body);
        }
    }

    #[test]
    fn replies_are_read_whoever_made_them() {
        let parse =
            |body: Value, count| parse_embedding_response(body.to_string().as_bytes(), count);
        for body in [
            json!({ "embedding": [1.0, 2.0], "inputTextTokenCount": 3 }),
            json!({ "embeddings": [[1.0, 2.0]] }),
            json!({ "embeddings": { "float": [[1.0, 2.0]] } }),
            json!({ "embeddings": [{ "embeddingType": "TEXT", "embedding": [1.0, 2.0] }] }),
        ] {
            assert_eq!(parse(body, 1).unwrap().vectors, [[1.0, 2.0]]);
        }
        for body in [
            json!({}),
            json!({ "embeddings": [[1.0], [2.0]] }),
            json!({ "embedding": [] }),
            json!({ "embedding": ["x"] }),
            json!({ "embedding": null, "message": "too large" }),
        ] {
            assert_eq!(parse(body, 1).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}
