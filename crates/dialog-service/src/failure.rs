//! [`TurnFailure`]: why a turn failed, in a form that can be kept and sent.

use std::error::Error;

use llm_core::{Retry, RetryHint};
use serde::{Deserialize, Serialize};

use crate::DialogError;

/// Why a turn failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TurnFailure {
    /// A stable name: `invalid`, `retrieval`, `deadline`, `stopped`, `prompt`, `internal`, or what
    /// [`ErrorKind`](llm_core::ErrorKind) calls a failure of the model.
    pub code: String,
    /// The failure and its causes, in one line.
    pub message: String,
    /// How long to wait before asking again, where the model's provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// The HTTP status that the provider answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// The provider's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
}

impl TurnFailure {
    /// A failure of ours.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", message.into())
    }

    fn new(code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
            retry_after_seconds: None,
            upstream_status: None,
            upstream_request_id: None,
        }
    }
}

impl From<&DialogError> for TurnFailure {
    fn from(error: &DialogError) -> Self {
        let message = line(error);
        match error {
            DialogError::Invalid(_) => Self::new("invalid", message),
            DialogError::Retrieval(_) => Self::new("retrieval", message),
            DialogError::Deadline { .. } => Self::new("deadline", message),
            DialogError::Stopped => Self::new("stopped", message),
            DialogError::Prompt { .. } => Self::new("prompt", message),
            DialogError::Model(error) => Self {
                retry_after_seconds: match error.retry() {
                    Retry::After(wait) => Some(wait.as_secs().max(1)),
                    _ => None,
                },
                upstream_status: error.status(),
                upstream_request_id: error.request_id().map(str::to_owned),
                ..Self::new(error.kind().as_str(), message)
            },
        }
    }
}

/// An error and its causes.
fn line(error: &DialogError) -> String {
    let first: &dyn Error = error;
    let causes = std::iter::successors(Some(first), |cause| (*cause).source());
    causes.map(|cause| cause.to_string().replace('\n', " ")).collect::<Vec<_>>().join(": ")
}
