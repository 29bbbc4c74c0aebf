//! Makes [`StoreError`]s of what the engines report.

use std::error::Error;

use rag_core::{StoreError, StoreErrorKind};

/// The engine or the disk failed while `doing`.
pub(crate) fn engine(
    doing: impl Into<String>,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> StoreError {
    StoreError::new(StoreErrorKind::Engine, doing).with_source(cause)
}

/// What was named does not exist.
pub(crate) fn not_found(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, what)
}

/// The database failed. For `map_err`.
pub(crate) fn database(cause: rusqlite::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Engine, "the database failed").with_source(cause)
}

/// A stored value cannot be read.
pub(crate) fn damaged(what: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::new(
        StoreErrorKind::Incompatible,
        format!("the database holds {what} that cannot be read; restore a backup"),
    )
    .with_source(cause)
}
