//! What is dear to make twice: results of parsing and of models, kept by what they were made of.

use serde::{Deserialize, Serialize};

use crate::{ContentHash, StoreError};

/// Keeps results of dear steps, so that ingestion goes on where it was interrupted, and what did not change is not paid
/// for again. A cache: it may forget, oldest use first, to stay within its bound.
pub trait ArtifactStore: Send + Sync {
    /// What was kept under these keys, in their order; `None` for what was not, or is forgotten.
    ///
    /// # Errors
    /// Only the engine's own.
    fn artifacts(&self, keys: &[ArtifactKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Keeps these, in place of what was kept under the same keys.
    ///
    /// # Errors
    /// Only the engine's own.
    fn keep_artifacts(&self, artifacts: Vec<(ArtifactKey, Vec<u8>)>) -> Result<(), StoreError>;
}

/// What an artifact was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArtifactKey {
    /// What it is.
    pub kind: ArtifactKind,
    /// Hash of everything that it depends on: bytes, options, model, prompt, revision of the code.
    pub hash: ContentHash,
}

/// What an artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArtifactKind {
    /// A parsed document.
    Parsed,
    /// What a model read on a picture.
    Description,
    /// What a chat model answered.
    Enrichment,
    /// A vector.
    Embedding,
}

impl ArtifactKind {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            ArtifactKind::Parsed => "parsed",
            ArtifactKind::Description => "description",
            ArtifactKind::Enrichment => "enrichment",
            ArtifactKind::Embedding => "embedding",
        }
    }
}
