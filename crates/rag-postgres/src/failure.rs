//! Makes [`StoreError`]s of what PostgreSQL reports.

use std::error::Error;

use rag_core::{StoreError, StoreErrorKind};
use tokio_postgres::error::SqlState;

/// The engine failed while `doing`.
pub(crate) fn engine(doing: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Engine, doing)
}

/// What was named does not exist.
pub(crate) fn not_found(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, what)
}

/// What was to be made is there already.
pub(crate) fn occupied(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Occupied, what)
}

/// Vectors are not of the dataset's embedding.
pub(crate) fn mismatch(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::EmbeddingMismatch, what)
}

/// A stored value cannot be read.
pub(crate) fn damaged(what: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::new(
        StoreErrorKind::Incompatible,
        format!("the database holds {what} that cannot be read; restore a backup"),
    )
    .with_source(cause)
}

/// The database failed. For `map_err`.
pub(crate) fn database(cause: tokio_postgres::Error) -> StoreError {
    let (kind, message) = described(&cause);
    StoreError::new(kind, message).with_source(cause)
}

fn described(cause: &tokio_postgres::Error) -> (StoreErrorKind, &'static str) {
    let Some(code) = cause.code() else {
        return (StoreErrorKind::Engine, "the connection to PostgreSQL failed");
    };
    if *code == SqlState::QUERY_CANCELED {
        return (StoreErrorKind::Engine, "PostgreSQL took longer than a statement may");
    }
    match code.code().get(..2) {
        _ if *code == SqlState::DISK_FULL => {
            (StoreErrorKind::Full, "PostgreSQL's disk is full; make room")
        }
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            (StoreErrorKind::ReadOnly, "this PostgreSQL server only reads; name the primary one")
        }
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => (
            StoreErrorKind::ReadOnly,
            "PostgreSQL's user may not do that; it needs to own the database's tables",
        ),
        Some("28") => (StoreErrorKind::Engine, "PostgreSQL does not let this user in"),
        Some("53") => (StoreErrorKind::Engine, "PostgreSQL has too little of something"),
        Some("57") => (StoreErrorKind::Engine, "PostgreSQL is shutting down or starting"),
        _ => (StoreErrorKind::Engine, "PostgreSQL failed"),
    }
}

/// Whether the error says that something of that name is there already.
pub(crate) fn is_taken(error: &StoreError) -> bool {
    code(error) == Some(&SqlState::UNIQUE_VIOLATION)
}

/// Whether the transaction met another one and left nothing behind, so that it can be done again.
pub(crate) fn is_repeatable(error: &StoreError) -> bool {
    let code = code(error);
    code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
        || code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
}

/// Whether the connection is gone.
pub(crate) fn is_disconnected(error: &StoreError) -> bool {
    cause(error).is_some_and(tokio_postgres::Error::is_closed)
        || matches!(code(error), Some(code) if *code == SqlState::ADMIN_SHUTDOWN)
}

fn code(error: &StoreError) -> Option<&SqlState> {
    cause(error).and_then(tokio_postgres::Error::code)
}

fn cause(error: &StoreError) -> Option<&tokio_postgres::Error> {
    error.source().and_then(|source| source.downcast_ref())
}
