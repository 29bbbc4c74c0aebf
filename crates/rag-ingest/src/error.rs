//! Why the pipeline itself fails. Failures of single files are results, not errors.

use llm_bundle::PoolError;
use rag_core::StoreError;

/// A failure that concerns all files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The store cannot be read or written.
    #[error("the document store failed")]
    Store(#[from] StoreError),
    /// A file that was named cannot be read.
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
    /// The pool for blocking work takes no more, or a part of the pipeline panicked on it.
    #[error("the work could not be run")]
    Pool(#[from] PoolError),
    /// A model that everything depends on cannot be used, after all patience; the reason is for people.
    #[error("the embedding model cannot be used: {0}")]
    Model(String),
}
