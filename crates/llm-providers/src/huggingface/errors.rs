//! Failures of Hugging Face's servers: `{"error", "error_type"}`, plain text, or a model that is still loading. Pure.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use serde_json::Value;

use crate::openai::errors;

/// The longest wait that is believed.
const LONGEST: f64 = 600.0;

/// The failure that a response with an error status tells. A model that is loading says in how many seconds it will be
/// there (`estimated_time`).
pub fn from_response(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> ModelError {
    let error = errors::from_response(operation, status, headers, body, now);
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let seconds = body.and_then(|body| body.get("estimated_time")?.as_f64());
    match seconds.filter(|seconds| (0.0..=LONGEST).contains(seconds)) {
        Some(seconds) if error.kind() == ErrorKind::Overloaded => {
            error.with_retry(Retry::After(Duration::from_secs_f64(seconds)))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use llm_core::RetryHint;

    use super::*;

    #[test]
    fn a_model_that_is_loading_says_when_to_come_back() {
        let body = br#"{"error":"Model m is currently loading","estimated_time":20.0}"#;
        let headers = HeaderMap::new();
        let error = from_response(Operation::Chat, 503, &headers, body, SystemTime::UNIX_EPOCH);
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(20)));
    }
}
