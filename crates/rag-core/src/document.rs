//! Documents as the store knows them.

use serde::{Deserialize, Serialize};

use crate::{ChunkingOptions, ContentHash, DatasetId, DocumentId, DocumentSource, Metadata};

/// A document of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// The dataset that it belongs to.
    pub dataset: DatasetId,
    /// Its name for people: the path below the ingested folder, or the uploaded file's name. Unique in the dataset.
    pub name: String,
    /// Hash of the file's bytes as last submitted.
    pub content: ContentHash,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Title as the parser found it.
    pub title: Option<String>,
    /// Pages, 0 for formats without.
    pub pages: u32,
    /// Chunks that can be found now.
    pub chunks: u32,
    /// Tokens of these, by the chunker's count.
    #[serde(default)]
    pub tokens: u64,
    /// How it is cut; `None`: as its dataset says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking: Option<ChunkingOptions>,
    /// Whether its owner took it out of searches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// How far its ingestion is.
    pub status: DocumentStatus,
    /// What is known of it besides its text.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, crate::MetadataValue>))]
    pub metadata: Metadata,
    /// Milliseconds since the epoch.
    pub updated_at: i64,
    /// Where its bytes were when it was submitted last, where that is known. Not told to others: it is a path of the
    /// server's.
    #[serde(skip)]
    pub source: Option<DocumentSource>,
}

/// What of a document its owner changes; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentChange {
    /// Another name, unique in the dataset.
    pub name: Option<String>,
    /// How it is cut when it is ingested next; `Some(None)`: as its dataset says.
    pub chunking: Option<Option<ChunkingOptions>>,
    /// Whether searches leave it out, at once.
    pub disabled: Option<bool>,
}

/// How far a document is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DocumentStatus {
    /// Its file is known, and nobody asked yet for its ingestion.
    Kept,
    /// Accepted and waiting.
    Queued,
    /// Being worked on.
    Running {
        /// The step.
        stage: IngestStage,
    },
    /// Searchable, all of it.
    Ready,
    /// Given up; the reason is for people. An earlier version, if any, stays searchable.
    Failed {
        /// One line.
        reason: String,
    },
    /// Its ingestion was cancelled. An earlier version, if any, stays searchable.
    Cancelled,
}

impl DocumentStatus {
    /// A stable name of the state.
    pub fn as_str(&self) -> &'static str {
        match self {
            DocumentStatus::Kept => "kept",
            DocumentStatus::Queued => "queued",
            DocumentStatus::Running { .. } => "running",
            DocumentStatus::Ready => "ready",
            DocumentStatus::Failed { .. } => "failed",
            DocumentStatus::Cancelled => "cancelled",
        }
    }
}

/// The steps of ingestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum IngestStage {
    Read,
    Parse,
    /// A model reads pictures.
    Describe,
    Chunk,
    /// A model adds keywords, questions, summaries …
    Enrich,
    Embed,
    Index,
}

impl IngestStage {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            IngestStage::Read => "read",
            IngestStage::Parse => "parse",
            IngestStage::Describe => "describe",
            IngestStage::Chunk => "chunk",
            IngestStage::Enrich => "enrich",
            IngestStage::Embed => "embed",
            IngestStage::Index => "index",
        }
    }
}
