//! [`Failure`]: a refused or failed request of `/v1`, in the caller's dialect.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use llm_core::{ErrorKind, ModelError, Operation, Retry, RetryHint};
use llm_providers::openai::RequestError;
use llm_providers::openai::server::{error_body, error_status, request_error_body};
use serde_json::Value;

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
        ModelErrorOf(ErrorKind::NotFound, message).into()
    }

    /// The address exists, the method does not.
    pub(super) fn method_not_allowed() -> Self {
        let message = "this address does not take this method; see docs/http.md";
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..Self::from_request(message) }
    }

    /// The page that asks is of another site.
    pub(super) fn other_site() -> Self {
        let message = "requests from pages of other sites are refused";
        Self { status: StatusCode::FORBIDDEN, ..Self::from_request(message) }
    }

    /// The body is larger than allowed, or did not arrive.
    pub(super) fn unreadable_body(status: StatusCode, message: &str) -> Self {
        Self { status, ..Self::from_request(message) }
    }

    /// As many requests as allowed are under way.
    pub(super) fn busy() -> Self {
        let message = "the server is busy; try again in a second";
        Self { retry_after: Some(1), ..ModelErrorOf(ErrorKind::Overloaded, message).into() }
    }

    /// A defect of ours; the log has the rest.
    pub(super) fn internal() -> Self {
        ModelErrorOf(ErrorKind::Internal, "the server failed; its log tells why").into()
    }

    fn from_request(message: &str) -> Self {
        RequestError { param: None, message: message.into() }.into()
    }
}

/// Kind and message of a failure without a provider.
struct ModelErrorOf<'a>(ErrorKind, &'a str);

impl From<ModelErrorOf<'_>> for Failure {
    fn from(ModelErrorOf(kind, message): ModelErrorOf<'_>) -> Self {
        let mut failure = Self::from(ModelError::new(kind, Operation::Chat, message));
        failure.body["error"]["message"] = message.into();
        if kind == ErrorKind::NotFound {
            failure.body["error"]["code"] = "not_found".into();
        }
        failure
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
