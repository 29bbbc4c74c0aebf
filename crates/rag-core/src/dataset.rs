//! Datasets: collections of documents that are searched together.

use serde::{Deserialize, Serialize};

use crate::{ChunkingOptions, DatasetId, EnrichmentOptions, TenantId};

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
    /// How its documents are cut, enriched and ranked.
    pub settings: DatasetSettings,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

/// How a dataset's documents are cut, enriched and ranked. A change applies to documents ingested from then on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetSettings {
    /// How documents are cut, unless one has options of its own.
    pub chunking: ChunkingOptions,
    /// What models add.
    pub enrichment: EnrichmentOptions,
    /// Adds to the score of each of its chunks, in hundredths: 0 to 100.
    pub page_rank: u8,
}

/// What makes vectors comparable. A dataset refuses vectors of any other identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingIdentity {
    /// The model, as `provider/model`.
    pub model: String,
    /// Length of the vectors.
    pub dimensions: u32,
    /// What is written before each text of a document, for models that were trained so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document_prefix: String,
    /// What is written before each question.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query_prefix: String,
}
