//! Failures as bodies of the OpenAI dialect.

use llm_core::{ErrorKind, ModelError};
use serde_json::{Value, json};

use crate::openai::RequestError;

/// How one kind of failure looks in this dialect.
struct Look {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
}

const fn look(status: u16, kind: &'static str, code: Option<&'static str>) -> Look {
    Look { status, kind, code }
}

fn look_of(kind: ErrorKind) -> Look {
    const BAD: &str = "invalid_request_error";
    match kind {
        ErrorKind::Authentication => look(401, "authentication_error", Some("invalid_api_key")),
        ErrorKind::Permission => look(403, "permission_error", Some("permission_denied")),
        ErrorKind::NotFound => look(404, BAD, Some("model_not_found")),
        ErrorKind::InvalidRequest => look(400, BAD, None),
        ErrorKind::Unsupported => look(400, BAD, Some("unsupported_parameter")),
        ErrorKind::ContextLength => look(400, BAD, Some("context_length_exceeded")),
        ErrorKind::ContentFilter => look(400, BAD, Some("content_filter")),
        ErrorKind::RateLimit => look(429, "rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Quota => look(429, "insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Overloaded => look(503, "overloaded_error", Some("overloaded")),
        ErrorKind::Timeout => look(504, "timeout_error", Some("timeout")),
        ErrorKind::Upstream => look(502, "api_error", Some("upstream_error")),
        ErrorKind::Connection => look(502, "api_error", Some("upstream_connection")),
        ErrorKind::Malformed => look(502, "api_error", Some("upstream_malformed")),
        ErrorKind::Cancelled => look(499, "api_error", Some("cancelled")),
        _ => look(500, "api_error", Some("internal_error")),
    }
}

/// The HTTP status that fits a kind of failure.
pub fn error_status(kind: ErrorKind) -> u16 {
    look_of(kind).status
}

/// `{"error": {"message", "type", "param", "code"}}`, and where the failure is a provider's, `upstream` with its name,
/// status and request id.
pub fn error_body(error: &ModelError) -> Value {
    let look = look_of(error.kind());
    let mut body = json!({
        "message": error.to_string(),
        "type": look.kind,
        "param": error.param(),
        "code": error.code().or(look.code),
    });
    let came_from_upstream = error.status().is_some() || error.request_id().is_some();
    if let (true, Some(fields)) = (came_from_upstream, body.as_object_mut()) {
        let upstream = json!({
            "provider": error.provider(),
            "status": error.status(),
            "request_id": error.request_id(),
        });
        fields.insert("upstream".into(), upstream);
    }
    json!({ "error": body })
}

/// The body for a request that could not be understood; its status is 400.
pub fn request_error_body(error: &RequestError) -> Value {
    json!({ "error": {
        "message": error.message,
        "type": "invalid_request_error",
        "param": error.param,
        "code": null,
    } })
}
