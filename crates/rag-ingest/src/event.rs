//! What a pipeline tells about itself while it works.

use rag_core::{DatasetId, DocumentId, IngestStage};
use serde::{Deserialize, Serialize};

/// One step of ingestion. Events of one document are in order; those of several interleave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Parts of a document's step are done: pictures described, chunks embedded.
    Advanced {
        /// Which document.
        document: DocumentId,
        /// Its name.
        name: String,
        /// The step.
        stage: IngestStage,
        /// Parts that are done.
        done: u64,
        /// All of them.
        of: u64,
    },
    /// A model is in trouble, and the work waits for it. No document fails for that until the pipeline's
    /// [patience](crate::PipelineOptions::patience) is over.
    Paused(Pause),
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
    /// A document was removed, since its file is gone.
    Removed {
        /// Which document.
        document: DocumentId,
        /// Its name.
        name: String,
    },
    /// A document's ingestion was cancelled. What was searchable of it before still is.
    Cancelled {
        /// Which document.
        document: DocumentId,
    },
    /// No work is left.
    Idle,
}

/// Why work waits, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pause {
    /// One line.
    pub reason: String,
    /// When the model is asked again: milliseconds since the epoch.
    pub until: i64,
}

/// How far a pipeline is: totals since it was made. Unlike events, none of it can be missed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Files accepted for work.
    pub queued: u64,
    /// Bytes of these.
    pub queued_bytes: u64,
    /// Documents that became searchable.
    pub done: u64,
    /// Documents given up.
    pub failed: u64,
    /// Documents whose ingestion was cancelled.
    pub cancelled: u64,
    /// Chunks of the documents that became searchable.
    pub chunks: u64,
    /// Bytes of the files worked off, failed ones included.
    pub bytes: u64,
    /// The document begun last.
    pub current: Option<String>,
    /// Its dataset; not shown to everybody who is shown totals.
    #[serde(skip)]
    pub current_dataset: Option<DatasetId>,
    /// Chunks that became searchable in a second, over the last half minute of work.
    pub chunks_per_second: f64,
    /// Bytes of files worked off in a second, likewise.
    pub bytes_per_second: f64,
    /// Seconds until all that was accepted is worked off, as far as can be told.
    pub seconds_left: Option<u64>,
    /// What the work waits for.
    pub paused: Option<Pause>,
}

impl Progress {
    /// Documents that need no more work.
    pub fn ended(&self) -> u64 {
        self.done + self.failed + self.cancelled
    }
}
