//! Datasets: collections of documents that are searched together.

use serde::{Deserialize, Serialize};

use crate::{DatasetId, TenantId};

/// A collection of documents, bound to one embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// Who owns it.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: String,
    /// What its vectors mean.
    pub embedding: EmbeddingIdentity,
    /// How its documents are cut.
    pub chunking: ChunkingOptions,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

/// What makes vectors comparable. A dataset refuses vectors of any other identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingIdentity {
    /// The model, as `provider/model`.
    pub model: String,
    /// Length of the vectors.
    pub dimensions: u32,
}

/// How documents are cut into chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChunkingOptions {
    /// The most tokens of a chunk.
    pub max_tokens: u32,
    /// Tokens that a chunk repeats of the one before, when a block had to be cut.
    pub overlap_tokens: u32,
}

impl Default for ChunkingOptions {
    fn default() -> Self {
        Self { max_tokens: 256, overlap_tokens: 32 }
    }
}
