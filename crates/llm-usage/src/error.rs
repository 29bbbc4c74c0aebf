//! [`UsageError`]: why records cannot be kept or read.

use std::path::PathBuf;

/// Why records cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The file cannot be opened.
    #[error("cannot open the usage records in `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "the usage records have version {found}, and this program knows up to {known}; use a newer one"
    )]
    TooNew {
        /// The version of the file.
        found: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// The engine failed: the disk is full, say.
    #[error("cannot {doing} usage records")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
}

impl UsageError {
    /// Names what was being done.
    pub(crate) fn during(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| UsageError::Engine { doing, source }
    }
}
