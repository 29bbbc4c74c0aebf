//! [`Failure`]: a refused or failed request of `/v1`, in the caller's dialect.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use llm_core::{ModelError, Retry, RetryHint};
use llm_providers::anthropic::server as anthropic;
use llm_providers::openai::RequestError;
use llm_providers::openai::server::{error_body, error_status, request_error_body};
use serde_json::{Value, json};

/// What to do about a key that is missing, unknown, expired or revoked; which of these it is, is nobody's business.
pub(super) const NO_KEY: &str = "this server asks for a valid API key: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`";

/// What to do about a body that did not arrive in time.
pub(super) const TOO_SLOW: &str =
    "the body took too long to arrive; send it faster, or a smaller one";
/// What pages of other sites are told.
pub(super) const OTHER_SITE: &str = "requests from pages of other sites are refused";

/// What is told of a method that an address does not have.
pub(super) const NO_METHOD: &str = "this address does not take this method; see docs/http.md";

/// A status, a body of the OpenAI dialect, and when to come back.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: Value,
    retry_after: Option<u64>,
}

impl Failure {
    /// There is no such address or thing.
    pub(super) fn not_found(message: &str) -> Self {
        Self::own(StatusCode::NOT_FOUND, "invalid_request_error", Some("not_found"), message)
    }

    /// The address exists, the method does not.
    pub(super) fn method_not_allowed() -> Self {
        Self::own(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", None, NO_METHOD)
    }

    /// The page that asks is of another site.
    pub(super) fn other_site() -> Self {
        Self::own(StatusCode::FORBIDDEN, "invalid_request_error", None, OTHER_SITE)
    }

    /// Whoever asks may not do that.
    pub(super) fn forbidden(message: &str) -> Self {
        let kind = "invalid_request_error";
        Self::own(StatusCode::FORBIDDEN, kind, Some("permission_denied"), message)
    }

    /// The request says something that it cannot say.
    pub(super) fn invalid(message: &str) -> Self {
        Self::own(StatusCode::BAD_REQUEST, "invalid_request_error", None, message)
    }

    /// The body is larger than allowed, or did not arrive.
    pub(super) fn unreadable_body(status: StatusCode, message: &str) -> Self {
        Self::own(status, "invalid_request_error", None, message)
    }

    /// The request brings no key that opens the server.
    pub(super) fn unauthorized() -> Self {
        let kind = "invalid_request_error";
        Self::own(StatusCode::UNAUTHORIZED, kind, Some("invalid_api_key"), NO_KEY)
    }

    /// As many requests as allowed are under way.
    pub(super) fn busy() -> Self {
        let message = "the server is busy; try again in a second";
        let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error");
        Self { retry_after: Some(1), ..Self::own(status, kind, Some("overloaded"), message) }
    }

    /// A defect of ours; the log has the rest.
    pub(super) fn internal() -> Self {
        let message = "the server failed; its log tells why";
        let (status, kind) = (StatusCode::INTERNAL_SERVER_ERROR, "api_error");
        Self::own(status, kind, Some("internal_error"), message)
    }

    /// A failure that no model and no field of a body is behind.
    fn own(status: StatusCode, kind: &str, code: Option<&str>, message: &str) -> Self {
        let error = json!({ "message": message, "type": kind, "param": null, "code": code });
        Self { status, body: json!({ "error": error }), retry_after: None }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let body = request_error_body(&error);
        Self { status: StatusCode::BAD_REQUEST, body, retry_after: None }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let status = StatusCode::from_u16(error_status(error.kind()));
        let retry_after = match error.retry() {
            Retry::After(wait) => Some(wait.as_secs_f64().ceil() as u64),
            _ => None,
        };
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body: error_body(&error), retry_after }
    }
}

/// A refused or failed request of `/v1/messages`, in the Anthropic dialect.
#[derive(Debug)]
pub(super) struct AnthropicFailure(Failure);

impl From<Failure> for AnthropicFailure {
    /// Takes over the status and the message.
    fn from(failure: Failure) -> Self {
        let message = failure.body.pointer("/error/message").cloned().unwrap_or_default();
        let kind = match failure.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
            status if status.is_client_error() => "invalid_request_error",
            _ => "api_error",
        };
        let error = json!({ "type": kind, "message": message });
        Self(Failure { body: json!({ "type": "error", "error": error }), ..failure })
    }
}

impl From<RequestError> for AnthropicFailure {
    fn from(error: RequestError) -> Self {
        let body = anthropic::request_error_body(&error);
        Self(Failure { status: StatusCode::BAD_REQUEST, body, retry_after: None })
    }
}

impl From<ModelError> for AnthropicFailure {
    fn from(error: ModelError) -> Self {
        let status = StatusCode::from_u16(anthropic::error_status(error.kind()));
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = anthropic::error_body(&error);
        Self(Failure { status, body, ..Failure::from(error) })
    }
}

impl IntoResponse for AnthropicFailure {
    fn into_response(self) -> Response {
        self.0.into()
    }
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        let mut response = (failure.status, Json(failure.body)).into_response();
        if let Some(seconds) = failure.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.into()
    }
}
