//! What a pipeline tells about itself while it works.

use rag_core::{DocumentId, IngestStage};
use serde::{Deserialize, Serialize};

/// One step of ingestion. Events of one document are in order; those of several interleave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IngestEvent {
    /// Files were accepted.
    Queued {
        /// How many.
        total: u64,
    },
    /// A document is at a step.
    Stage {
        /// Which document.
        document: DocumentId,
        /// Its name.
        name: String,
        /// The step.
        stage: IngestStage,
    },
    /// A document can be found, all of it.
    Done {
        /// Which document.
        document: DocumentId,
        /// Its name.
        name: String,
        /// Its chunks.
        chunks: u64,
        /// Its pages, 0 for formats without.
        pages: u32,
        /// What its reader should know, one line each.
        warnings: Vec<String>,
    },
    /// A document was given up. What was searchable of it before still is.
    Failed {
        /// Its name.
        name: String,
        /// One line.
        reason: String,
    },
    /// No work is left.
    Idle,
}

/// How far a pipeline is: totals since it was made. Unlike events, none of it can be missed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Files accepted for work.
    pub queued: u64,
    /// Documents that became searchable.
    pub done: u64,
    /// Documents given up.
    pub failed: u64,
    /// Chunks of the documents that became searchable.
    pub chunks: u64,
    /// Bytes of the files worked off, failed ones included.
    pub bytes: u64,
    /// The document begun last.
    pub current: Option<String>,
}
