//! [`RetrieveError`]: the one way retrieval fails.

use rag_core::StoreError;

/// Retrieval failed as a whole. A failing embedding model is not among the reasons: full text alone is used then, with
/// a warning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetrieveError {
    /// The store or the index failed.
    #[error("the index could not be searched")]
    Store(#[from] StoreError),
}
