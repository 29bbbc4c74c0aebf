//! Why a job does not get on.

use std::error::Error;

use llm_bundle::PoolError;
use llm_core::ModelError;
use rag_core::{IngestJob, StoreError, StoreErrorKind};

/// Why a job does not get on, and with that what becomes of it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The document is given up; the reason is for people.
    Failed(String),
    /// The file has changed since it was submitted; it is submitted again as it is now.
    Changed(Box<IngestJob>),
    /// Another worker holds the job, or will, or it was cancelled.
    Lost,
    /// The pool is shutting down: another time.
    Later,
    /// The store failed.
    Store(StoreError),
}

impl Trouble {
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Trouble::Failed(reason.into())
    }
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Closed { .. } => Trouble::Later,
            error => Trouble::Failed(one_line(&error)),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::LeaseLost => Trouble::Lost,
            StoreErrorKind::EmbeddingMismatch => Trouble::Failed(one_line(&error)),
            _ => Trouble::Store(error),
        }
    }
}

/// A model that does not answer, after all patience.
impl From<ModelError> for Trouble {
    fn from(error: ModelError) -> Self {
        Trouble::Failed(one_line(&error))
    }
}

/// An error with its causes.
pub(crate) fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace('\n', " ")
}
