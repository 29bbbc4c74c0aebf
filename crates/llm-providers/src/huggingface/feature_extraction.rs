//! Feature extraction: texts into vectors. Pure.

use llm_core::{EmbeddingRequest, EmbeddingResponse, ModelError, Operation};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::merge::merge;
use crate::openai::errors;
use crate::vectors::{check_lengths, finite, malformed};

/// The body. [`EmbeddingRequest::extra_body`] (`normalize`, `prompt_name`, `truncate` …) is laid over it.
pub fn render_feature_extraction(request: EmbeddingRequest) -> Map<String, Value> {
    let EmbeddingRequest { inputs, dimensions, extra_body, .. } = request;
    let mut body = Map::from_iter([("inputs".to_owned(), inputs.into())]);
    body.extend(dimensions.map(|length| ("dimensions".to_owned(), length.into())));
    merge(&mut body, extra_body);
    body
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Many(Vec<Vec<f32>>),
    One(Vec<f32>),
}

/// Reads the reply to a call with `count` texts: a vector for each, or the vector alone for a single one.
///
/// # Errors
/// `Malformed` when vectors are missing, broken or differ in length (also for models that give a vector for each token), or
/// when `dimensions` were asked for and not given; the provider's failure when the body tells one.
pub fn parse_vectors(
    body: &[u8],
    count: usize,
    dimensions: Option<u32>,
) -> Result<EmbeddingResponse, ModelError> {
    let vectors = match serde_json::from_slice(body) {
        Ok(Body::Many(vectors)) => vectors,
        Ok(Body::One(vector)) => vec![vector],
        Err(error) => {
            let told: Value = serde_json::from_slice(body).unwrap_or_default();
            return Err(match told.get("error") {
                Some(_) => errors::from_body(Operation::Embed, None, &told),
                None => malformed("this is no embedding reply").with_source(error),
            });
        }
    };
    if vectors.len() != count {
        return Err(malformed(format!("{} vectors came for {count} inputs", vectors.len())));
    }
    let vectors = vectors.into_iter().map(finite).collect::<Result<Vec<_>, _>>()?;
    check_lengths(&vectors, dimensions)?;
    Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() })
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;

    use super::*;

    #[test]
    fn one_vector_or_one_for_each_text() {
        let parse = |body: &str, count| {
            parse_vectors(body.as_bytes(), count, None)
                .map(|response| response.vectors)
                .map_err(|error| error.kind())
        };
        assert_eq!(parse("[1.0, 2.0]", 1), Ok(vec![vec![1.0, 2.0]]));
        assert_eq!(parse("[[1.0], [2.0]]", 2), Ok(vec![vec![1.0], vec![2.0]]));
        for (body, count) in [("[[1.0]]", 2), ("[[[1.0]]]", 1), ("[]", 1), ("{}", 1)] {
            assert_eq!(parse(body, count), Err(ErrorKind::Malformed), "{body}");
        }
        let failed = r#"{"error":"m","error_type":"Overloaded"}"#;
        assert_eq!(parse(failed, 1), Err(ErrorKind::Overloaded));
    }
}
