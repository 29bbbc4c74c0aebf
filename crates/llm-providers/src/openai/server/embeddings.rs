//! Embeddings and the list of models, from the server's side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{EmbeddingRequest, EmbeddingResponse};
use serde::Serialize;
use serde_json::{Value, json};

use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// How the vectors of an answer are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddingEncoding {
    /// As arrays of numbers.
    #[default]
    Float,
    /// As base64 of little-endian 32-bit floats (what OpenAI's own clients ask for).
    Base64,
}

/// An embedding request that came in, and what it asks of the reply's form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncomingEmbedding {
    /// The texts.
    pub request: EmbeddingRequest,
    /// How to write the vectors.
    pub encoding: EmbeddingEncoding,
}

/// Reads the body of `POST …/embeddings`.
///
/// # Errors
/// When the body is no JSON or a known field has the wrong type. Input as token numbers is refused, since they mean
/// something only to the tokenizer that made them.
pub fn parse_embedding_request(body: &[u8]) -> Result<IncomingEmbedding, RequestError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    let mut fields = Fields::of(value, "")?;
    let encoding = match fields.optional::<String>("encoding_format")?.as_deref() {
        None | Some("float") => EmbeddingEncoding::Float,
        Some("base64") => EmbeddingEncoding::Base64,
        Some(_) => return Err(fields.error("encoding_format", "must be float or base64")),
    };
    let request = EmbeddingRequest {
        model: fields.required("model")?,
        inputs: parse_inputs(&mut fields)?,
        dimensions: fields.optional("dimensions")?,
        user: fields.optional("user")?,
        extra_body: fields.rest(),
        ..EmbeddingRequest::default()
    };
    Ok(IncomingEmbedding { request, encoding })
}

fn parse_inputs(fields: &mut Fields) -> Result<Vec<String>, RequestError> {
    let inputs = match fields.take("input") {
        Some(Value::String(text)) => return Ok(vec![text]),
        Some(Value::Array(inputs)) if !inputs.is_empty() => inputs,
        Some(Value::Array(_)) => return Err(fields.error("input", "must not be empty")),
        None => return Err(fields.error("input", "is missing")),
        Some(_) => return Err(fields.error("input", "must be a string or an array of strings")),
    };
    inputs
        .into_iter()
        .enumerate()
        .map(|(at, input)| match input {
            Value::String(text) => Ok(text),
            Value::Number(_) | Value::Array(_) => {
                Err(fields.error("input", "must be text; token numbers are not taken"))
            }
            _ => Err(RequestError::at(format!("input[{at}]"), "must be a string")),
        })
        .collect()
}

#[derive(Serialize)]
struct ListBody<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
    model: &'a str,
    usage: Value,
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Float(&'a [f32]),
    Base64(String),
}

/// The body of an embedding answer as JSON text. `model` is the model as the caller knows it.
///
/// # Errors
/// When a number is not finite, which JSON cannot say.
pub fn embeddings_body(
    response: &EmbeddingResponse,
    model: &str,
    encoding: EmbeddingEncoding,
) -> Result<String, serde_json::Error> {
    let data = response
        .vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| Entry {
            object: "embedding",
            index,
            embedding: match encoding {
                EmbeddingEncoding::Float => Vector::Float(vector),
                EmbeddingEncoding::Base64 => Vector::Base64(to_base64(vector)),
            },
        })
        .collect();
    let tokens = response.usage.input_tokens.unwrap_or(0);
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    serde_json::to_string(&ListBody { object: "list", data, model, usage })
}

fn to_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// One line of the list of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// The name to call it by.
    pub id: String,
    /// When it appeared, in seconds since the epoch; 0 where nobody knows.
    pub created: i64,
    /// Whose it is.
    pub owned_by: String,
}

/// The body of `GET …/models`.
pub fn models_body(models: impl IntoIterator<Item = ListedModel>) -> Value {
    let data: Vec<Value> = models
        .into_iter()
        .map(|model| {
            json!({
                "id": model.id,
                "object": "model",
                "created": model.created,
                "owned_by": model.owned_by,
            })
        })
        .collect();
    json!({ "object": "list", "data": data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_text_and_many() {
        let inputs = |input: Value| {
            let body = json!({ "model": "m", "input": input }).to_string();
            parse_embedding_request(body.as_bytes()).map(|incoming| incoming.request.inputs)
        };
        assert_eq!(inputs(json!("a")).unwrap(), ["a"]);
        assert_eq!(inputs(json!(["a", "b"])).unwrap(), ["a", "b"]);
        for (wrong, param) in [
            (json!([1, 2]), "input"),
            (json!([]), "input"),
            (json!(["a", null]), "input[1]"),
            (Value::Null, "input"),
        ] {
            assert_eq!(inputs(wrong).unwrap_err().param.as_deref(), Some(param));
        }
    }

    #[test]
    fn writes_short_numbers_and_base64() {
        let response = EmbeddingResponse { vectors: vec![vec![0.1, -2.0]], ..Default::default() };
        let body = embeddings_body(&response, "m", EmbeddingEncoding::Float).unwrap();
        assert!(body.contains("[0.1,-2.0]"), "{body}");
        let body = embeddings_body(&response, "m", EmbeddingEncoding::Base64).unwrap();
        assert!(body.contains("\"zczMPQAAAMA=\""), "{body}");
    }
}
