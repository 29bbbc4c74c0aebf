//! What every answer of `/api/v1` is wrapped in: a code, and data or a message.

use super::super::failure::TOO_SLOW;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use llm_bundle::PoolError;
use llm_core::ModelError;
use rag_core::{StoreError, StoreErrorKind};
use rag_ingest::IngestError;
use serde_json::{Value, json};

use crate::http::failure::OTHER_SITE;

/// An answer: data with code 0, or why there is none.
pub(super) type Reply = Result<Json<Value>, Refusal>;

/// Code 0 and these data.
pub(super) fn data(data: impl Into<Value>) -> Reply {
    Ok(Json(json!({ "code": 0, "message": "", "data": data.into() })))
}

/// Code 0, and nothing to say.
pub(super) fn done() -> Reply {
    Ok(Json(json!({ "code": 0, "message": "" })))
}

/// Code 0 and what was done to some things, with what could not be done to others.
pub(super) fn counted(success: usize, errors: Vec<String>) -> Reply {
    if errors.is_empty() {
        return Ok(Json(json!({ "code": 0, "message": "", "data": { "success_count": success } })));
    }
    if success == 0 {
        return Err(Refusal::data(errors.join("; ")));
    }
    let message = format!("Partially done: {success} with {} errors", errors.len());
    let data = json!({ "success_count": success, "errors": errors });
    Ok(Json(json!({ "code": 0, "message": message, "data": data })))
}

/// A refused or failed request. The status is 200 unless said otherwise, as clients of this dialect expect it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: u16,
    message: String,
}

impl Refusal {
    /// Something broke.
    pub(super) const EXCEPTION: u16 = 100;
    /// The request says something that it cannot say.
    pub(super) const ARGUMENT: u16 = 101;
    /// What it names is not there, or not as it must be.
    pub(super) const DATA: u16 = 102;
    /// Whoever asks may not do that.
    const PERMISSION: u16 = 108;
    /// It is not known who asks.
    pub(super) const AUTHENTICATION: u16 = 109;

    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, code, message: message.into() }
    }

    /// The request says something that it cannot say.
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self::new(Self::ARGUMENT, message)
    }

    /// What the request names is not there, or not as it must be.
    pub(super) fn data(message: impl Into<String>) -> Self {
        Self::new(Self::DATA, message)
    }

    /// There is no such address.
    pub(super) fn no_address(path: &str) -> Self {
        let message = format!("Not Found: {path}");
        Self { status: StatusCode::NOT_FOUND, ..Self::new(404, message) }
    }

    /// No key, or none that opens the server. Clients of this dialect compare the message.
    pub(super) fn unauthorized() -> Self {
        let message = "<Unauthorized '401: Unauthorized'>";
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new(401, message) }
    }

    /// The page that asks is of another site.
    pub(super) fn other_site() -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::new(403, OTHER_SITE) }
    }

    /// The address exists, the method does not. Clients of this dialect read the code.
    pub(super) fn no_method() -> Self {
        let message = "<MethodNotAllowed '405: Method Not Allowed'>";
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..Self::new(Self::EXCEPTION, message) }
    }

    /// A defect of ours, when the log has it already.
    pub(super) fn failed() -> Self {
        let message = "the server failed; its log tells why";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, ..Self::new(Self::EXCEPTION, message) }
    }

    /// Whoever asks may not do that.
    pub(super) fn forbidden(reason: &str) -> Self {
        Self::new(Self::PERMISSION, reason)
    }

    /// The body is too large, or did not arrive.
    pub(super) fn unreadable(status: StatusCode, message: String) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self { status, ..Self::new(413, message) },
            _ => Self::argument(message),
        }
    }

    /// Too much is going on.
    pub(super) fn busy() -> Self {
        let message = "the server is busy; try again in a second";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Self::new(503, message) }
    }

    /// The body did not arrive in time.
    pub(super) fn too_slow() -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::new(408, TOO_SLOW) }
    }

    /// A part of the dialect that this server does not speak.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::data(format!(
            "{what} are not supported by this server; docs/ragflow.md lists what is"
        ))
    }

    /// A defect of ours; the log tells which.
    pub(super) fn internal(error: &anyhow::Error) -> Self {
        tracing::error!(error = crate::error_line(error), "a request failed");
        Self::new(Self::EXCEPTION, "the server failed; its log tells why")
    }

    /// What is said of it.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound
            | StoreErrorKind::Occupied
            | StoreErrorKind::EmbeddingMismatch
            | StoreErrorKind::InvalidFilter => Self::data(error.to_string()),
            _ => Self::internal(&error.into()),
        }
    }
}

impl From<IngestError> for Refusal {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            IngestError::Model(_) => Self::data(error.to_string()),
            error => Self::internal(&error.into()),
        }
    }
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Self {
        Self::internal(&error.into())
    }
}

impl From<ModelError> for Refusal {
    fn from(error: ModelError) -> Self {
        Self::data(error.message())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "code": self.code, "message": self.message });
        if self.status != StatusCode::OK {
            body["data"] = Value::Null;
            body["error"] = json!(self.status.canonical_reason());
        }
        (self.status, Json(body)).into_response()
    }
}
