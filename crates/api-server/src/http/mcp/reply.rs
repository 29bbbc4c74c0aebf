//! What a tool gives: a text for models, and the same as data for programs.

use llm_core::ModelError;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::search::SearchError;

/// What came of a call.
#[derive(Debug)]
pub(super) struct Reply {
    /// For models.
    pub(super) text: String,
    /// For programs.
    pub(super) data: Value,
}

/// Why nothing came of a call, in a line that the caller's model can act on.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A defect of ours; the log tells which.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = crate::causes_line(error), "a tool failed");
        Self::new("the server failed; its log tells why")
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self(error.to_string())
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Invalid(detail) | SearchError::NotFound(detail) => Self(detail),
            SearchError::Failed(error) => Self::internal(error.as_ref()),
        }
    }
}

/// As the protocol has it: a failure of a tool is a result, so that the model sees it.
pub(super) fn written(done: Result<Reply, Failure>) -> CallToolResult {
    match done {
        Ok(Reply { text, data }) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(data);
            result
        }
        Err(Failure(message)) => CallToolResult::error(vec![ContentBlock::text(message)]),
    }
}
