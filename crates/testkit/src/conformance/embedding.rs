//! Embeddings against a recording.

use llm_core::{EmbeddingResponse, ModelError};
use serde_json::{Value, json};

use crate::Expectation;

/// How the vectors of a call differ from what the independent reader got; empty when they do not.
pub fn compare_embedding(
    expect: &Expectation,
    result: &Result<EmbeddingResponse, ModelError>,
) -> Vec<String> {
    let response = match result {
        Ok(response) => response,
        Err(error) => return vec![format!("failed: {error:?}")],
    };
    let mut differences = Vec::new();
    let lengths: Vec<usize> = response.vectors.iter().map(Vec::len).collect();
    let fits = match &expect.dims {
        // One length a vector.
        Some(Value::Array(expected)) => json!(lengths) == Value::Array(expected.clone()),
        _ => true,
    };
    if !fits {
        differences.push(format!("lengths: {lengths:?}, not {:?}", expect.dims));
    }
    if expect.usage.is_some() && response.usage.raw != expect.usage {
        differences.push(format!("usage: {:?}, not {:?}", response.usage.raw, expect.usage));
    }
    differences
}
