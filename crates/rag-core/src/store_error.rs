//! Why a store failed.

use std::error::Error as StdError;
use std::fmt;

use crate::InvalidFilter;

/// Why a store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The job is no longer held by this claim; drop the work.
    LeaseLost,
    /// The vectors are not of the dataset's embedding.
    EmbeddingMismatch,
    /// What was named does not exist.
    NotFound,
    /// What is stored was written by a newer version, or is damaged.
    Incompatible,
    /// The filter is nested too deeply, too large, or incomplete.
    InvalidFilter,
    /// Another process holds the data directory.
    Locked,
    /// What would be overwritten exists.
    Occupied,
    /// The disk, or what the store may take of it, is full. Reading goes on; writing does again when there is room.
    Full,
    /// What would be written cannot be: the disk or the files do not allow it.
    ReadOnly,
    /// The disk or the engine failed.
    Engine,
}

/// A failed store operation.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// A failure; `message` says what was being done and what to do, in one line.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Why.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<InvalidFilter> for StoreError {
    fn from(cause: InvalidFilter) -> Self {
        Self::new(StoreErrorKind::InvalidFilter, cause.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
