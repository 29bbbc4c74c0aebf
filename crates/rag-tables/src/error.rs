//! [`TableError`]: why tables were not asked.

use rag_core::StoreError;

/// Why tables were not asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The SQL is not what is allowed, or wrong; in words that help to mend it.
    #[error("{0}")]
    Sql(String),
    /// There are more rows than are put into a database.
    #[error("the tables have more than {most} {of}")]
    TooLarge {
        /// How many there may be.
        most: usize,
        /// Of what.
        of: &'static str,
    },
    /// The rows cannot be read.
    #[error("the tables cannot be read")]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error("the tables cannot be put into a database")]
    Engine(#[source] rusqlite::Error),
}
