//! The answer of `POST …/messages/count_tokens`.

use llm_core::{ErrorKind, ModelError, Operation};
use serde::Deserialize;

#[derive(Deserialize)]
struct Count {
    input_tokens: u64,
}

/// Reads `{"input_tokens": …}`.
pub(super) fn parse_count(body: &[u8]) -> Result<u64, ModelError> {
    let count: Count = serde_json::from_slice(body).map_err(|error| {
        let message = "this is no count of tokens";
        ModelError::new(ErrorKind::Malformed, Operation::CountTokens, message).with_source(error)
    })?;
    Ok(count.input_tokens)
}
