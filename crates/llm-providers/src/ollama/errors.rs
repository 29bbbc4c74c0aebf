//! Failures of Ollama: `{"error": "…"}` with a status, or as a line of a stream that had begun. Pure.

use std::time::SystemTime;

use http::HeaderMap;
use llm_core::{ErrorKind, ModelError, Operation};
use serde_json::{Value, json};

use crate::openai::errors;

/// The failure that a response with an error status tells.
///
/// The status decides: 404 is a model that is not there, 503 a queue that is full. A message that is JSON itself (the
/// server passes on what its runner said) is looked into first.
pub fn from_response(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> ModelError {
    let inner = serde_json::from_slice::<Value>(body).ok().and_then(|body| inner_error(&body));
    match inner {
        Some(inner) => {
            let inner = inner.to_string();
            errors::from_response(operation, status, headers, inner.as_bytes(), now)
        }
        None => errors::from_response(operation, status, headers, body, now),
    }
}

/// The failure that a line of a stream tells. A runner that stops half-way is the server's failure, not the request's.
pub fn from_line(error: Value) -> ModelError {
    let body = json!({ "error": error });
    let body = inner_error(&body).unwrap_or(body);
    let error = errors::from_body(Operation::Chat, None, &body);
    if error.kind() != ErrorKind::Unknown {
        return error;
    }
    ModelError::new(ErrorKind::Upstream, Operation::Chat, error.message())
}

/// The error inside `{"error": "{\"error\": {…}}"}`.
fn inner_error(body: &Value) -> Option<Value> {
    let inner: Value = serde_json::from_str(body.get("error")?.as_str()?).ok()?;
    inner.get("error").is_some().then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_inner_codes_decide() {
        let runner = json!({ "error": {
            "code": 400, "type": "exceed_context_size_error", "message": "request (9 tokens) is too long",
        } });
        for (status, message, kind) in [
            (404, "model 'm' not found".to_owned(), ErrorKind::NotFound),
            (400, "\"m\" does not support tools".to_owned(), ErrorKind::InvalidRequest),
            (
                400,
                "the input length exceeds the context length".to_owned(),
                ErrorKind::ContextLength,
            ),
            (400, runner.to_string(), ErrorKind::ContextLength),
            (401, "unauthorized".to_owned(), ErrorKind::Authentication),
            (500, "llama runner process has terminated".to_owned(), ErrorKind::Upstream),
            (503, "server busy".to_owned(), ErrorKind::Overloaded),
        ] {
            let body = json!({ "error": message }).to_string();
            let headers = HeaderMap::new();
            let now = SystemTime::UNIX_EPOCH;
            let error = from_response(Operation::Chat, status, &headers, body.as_bytes(), now);
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{message}");
        }
    }

    #[test]
    fn a_line_is_the_servers_failure_unless_it_says_more() {
        let error = from_line("an error was encountered while running the model".into());
        assert_eq!(error.kind(), ErrorKind::Upstream);
        assert_eq!(error.message(), "an error was encountered while running the model");
    }
}
