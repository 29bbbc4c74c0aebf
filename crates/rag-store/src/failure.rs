//! Makes [`StoreError`]s of what the engines report.

use std::error::Error;

use rag_core::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

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

/// What was to be made is there already.
pub(crate) fn occupied(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Occupied, what)
}

/// The database failed. For `map_err`.
pub(crate) fn database(cause: rusqlite::Error) -> StoreError {
    let (kind, message) = described(&cause);
    StoreError::new(kind, message).with_source(cause)
}

/// A transaction failed; its cause is told to each of those who wrote in it.
pub(crate) fn not_committed(cause: &rusqlite::Error) -> StoreError {
    let (kind, message) = described(cause);
    StoreError::new(kind, format!("nothing was written: {message}")).with_source(cause.to_string())
}

fn described(cause: &rusqlite::Error) -> (StoreErrorKind, &'static str) {
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            (StoreErrorKind::Full, "the database is full; make room, or delete what is not needed")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
            StoreErrorKind::ReadOnly,
            "the database cannot be written; check the disk and its permissions",
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (StoreErrorKind::Incompatible, "the database is damaged; restore a backup")
        }
        _ => (StoreErrorKind::Engine, "the database failed"),
    }
}

/// A stored value cannot be read.
pub(crate) fn damaged(what: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::new(
        StoreErrorKind::Incompatible,
        format!("the database holds {what} that cannot be read; restore a backup"),
    )
    .with_source(cause)
}
