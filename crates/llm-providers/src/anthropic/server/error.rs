//! Failures as bodies of this dialect.

use llm_core::{ErrorKind, ModelError};
use serde_json::{Value, json};

use crate::openai::RequestError;

/// Status and type of a kind of failure. The types are those that clients of the dialect know.
fn look_of(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Authentication => (401, "authentication_error"),
        ErrorKind::Permission => (403, "permission_error"),
        ErrorKind::NotFound => (404, "not_found_error"),
        ErrorKind::InvalidRequest
        | ErrorKind::Unsupported
        | ErrorKind::ContextLength
        | ErrorKind::ContentFilter => (400, "invalid_request_error"),
        ErrorKind::RateLimit => (429, "rate_limit_error"),
        ErrorKind::Quota => (402, "billing_error"),
        ErrorKind::Overloaded => (529, "overloaded_error"),
        ErrorKind::Timeout => (504, "timeout_error"),
        ErrorKind::Cancelled => (499, "api_error"),
        ErrorKind::Upstream | ErrorKind::Connection | ErrorKind::Malformed => (502, "api_error"),
        _ => (500, "api_error"),
    }
}

/// The HTTP status that fits a kind of failure.
pub fn error_status(kind: ErrorKind) -> u16 {
    look_of(kind).0
}

/// `{"type": "error", "error": {"type", "message"}}` with the field at fault (`param`), our code for the kind, and the
/// provider's id of the request where there is one.
pub fn error_body(error: &ModelError) -> Value {
    let mut details = json!({
        "type": look_of(error.kind()).1,
        "message": error.to_string(),
        "code": error.kind().as_str(),
    });
    if let (Some(param), Some(fields)) = (error.param(), details.as_object_mut()) {
        fields.insert("param".into(), param.into());
    }
    let mut body = json!({ "type": "error", "error": details });
    if let (Some(id), Some(fields)) = (error.request_id(), body.as_object_mut()) {
        fields.insert("request_id".into(), id.into());
    }
    body
}

/// The body for a request that could not be understood; its status is 400.
pub fn request_error_body(error: &RequestError) -> Value {
    let mut details = json!({ "type": "invalid_request_error", "message": error.message });
    if let (Some(param), Some(fields)) = (&error.param, details.as_object_mut()) {
        fields.insert("param".into(), param.as_str().into());
    }
    json!({ "type": "error", "error": details })
}

#[cfg(test)]
mod tests {
    use llm_core::Operation;

    use super::*;

    #[test]
    fn failures_look_as_clients_expect() {
        let error = ModelError::new(ErrorKind::Overloaded, Operation::Chat, "busy")
            .at("anthropic", "m")
            .with_request_id("req_1");
        assert_eq!(error_status(error.kind()), 529);
        let body = error_body(&error);
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "overloaded_error");
        assert_eq!(body["error"]["message"], "chat request to anthropic/m failed: busy");
        assert_eq!(body["request_id"], "req_1");

        let refusal = request_error_body(&RequestError::at("max_tokens", "is missing"));
        assert_eq!(refusal["error"]["message"], "`max_tokens` is missing");
        assert_eq!(refusal["error"]["param"], "max_tokens");
    }
}
