//! [`Problem`]: a refused or failed request of `/api/v2`, as RFC 9457 has it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dialog_service::TurnFailure;
use llm_core::{ModelError, Retry, RetryHint};
use llm_providers::openai::server::error_status;
use rag_core::{StoreError, StoreErrorKind};
use serde_json::json;

use super::failure::{NO_KEY, NO_METHOD, OTHER_SITE, TOO_SLOW};

/// A status, and what is wrong in one line that says what to do.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    retry_after: Option<u64>,
}

impl Problem {
    /// The request says something that it cannot say.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request brings no key that opens the server.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, NO_KEY)
    }

    /// The page that asks is of another site.
    pub(super) fn other_site() -> Self {
        Self::forbidden(OTHER_SITE)
    }

    /// The address exists, the method does not.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, NO_METHOD)
    }

    /// The password is not that of the address.
    pub(super) fn wrong_password(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// Whoever asks may not do that.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// Too much was asked; it can be asked again in so many seconds.
    pub(super) fn too_many(detail: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// There is no such thing here.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// A defect of ours; the log tells which.
    pub(super) fn internal(error: &anyhow::Error) -> Self {
        tracing::error!(error = crate::error_line(error), "a request failed");
        Self::failed()
    }

    /// The store refused or failed.
    pub(super) fn store(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound => Self::not_found(error.to_string()),
            StoreErrorKind::Occupied | StoreErrorKind::EmbeddingMismatch => {
                Self::conflict(error.to_string())
            }
            StoreErrorKind::InvalidFilter => Self::invalid(error.to_string()),
            _ => Self::internal(&error.into()),
        }
    }

    /// The same, when the log has it already.
    pub(super) fn failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log tells why")
    }

    /// Something that is there stands in the way.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// It was there, and is not kept any more.
    pub(super) fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, detail)
    }

    /// There is no room for it now.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// The body did not arrive in time.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, TOO_SLOW)
    }

    /// A model, or what leads to one, failed.
    pub(super) fn model(error: &ModelError) -> Self {
        let status = StatusCode::from_u16(error_status(error.kind()));
        let retry_after = match error.retry() {
            Retry::After(wait) => Some(wait.as_secs_f64().ceil() as u64),
            _ => None,
        };
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { retry_after, ..Self::new(status, error.message()) }
    }

    /// A turn failed before it was answered.
    pub(super) fn turn(failure: &TurnFailure) -> Self {
        let status = match failure.code.as_str() {
            "invalid" | "invalid_request" | "context_length" => StatusCode::BAD_REQUEST,
            "stopped" => StatusCode::CONFLICT,
            "rate_limit" | "quota" => StatusCode::TOO_MANY_REQUESTS,
            "overloaded" => StatusCode::SERVICE_UNAVAILABLE,
            "deadline" | "timeout" => StatusCode::GATEWAY_TIMEOUT,
            "retrieval" | "prompt" | "internal" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        };
        let retry_after = failure.retry_after_seconds;
        Self { retry_after, ..Self::new(status, failure.message.clone()) }
    }

    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        let form = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, form);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
