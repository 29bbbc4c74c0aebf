//! The vocabulary of retrieval: documents, their structure and places, chunks, datasets, and the traits of stores and
//! indexes. No models, no engines, no runtime.
//!
//! The traits are synchronous. Parsing, chunking and searching are CPU-bound work that runs on threads made for it;
//! an engine over the network may block there as well.
//!
//! ```
//! use rag_core::{Block, BlockKind, ParsedDocument, Place};
//!
//! let text = "# Tea\n\nBoil water.";
//! let document = ParsedDocument {
//!     text: text.into(),
//!     blocks: vec![
//!         Block { kind: BlockKind::Heading { level: 1 }, span: 2..5, place: Place::default() },
//!         Block { kind: BlockKind::Paragraph, span: 7..18, place: Place::default() },
//!     ],
//!     ..ParsedDocument::default()
//! };
//! assert_eq!(document.block_text(&document.blocks[1]), "Boil water.");
//! ```

mod artifact;
mod chunk;
mod chunking;
mod content_hash;
mod conversation;
mod conversation_store;
mod dataset;
mod document;
mod enrichment;
mod filter_text;
mod filter_tokens;
mod id;
mod metadata;
mod metadata_filter;
#[cfg(feature = "openapi")]
pub mod openapi;
mod parsed;
mod parser;
mod reembedding;
mod scalar;
mod search;
mod store;
mod store_error;

pub use artifact::{ArtifactKey, ArtifactKind, ArtifactStore};
pub use chunk::{Chunk, ChunkKind, EmbeddedChunk, PlacedSpan, Tag};
pub use chunking::{ChildOptions, ChunkMethod, ChunkingOptions, Delimiter};
pub use content_hash::ContentHash;
pub use conversation::{Feedback, SavedDialog, SavedTurn, Session, TurnStatus};
pub use conversation_store::{ConversationStore, SessionPage};
pub use dataset::{AllowedProviders, Dataset, DatasetSettings, EmbeddingIdentity};
pub use document::{Document, DocumentChange, DocumentStatus, IngestStage};
pub use enrichment::{EnrichmentOptions, GraphOptions, MetadataField, SummaryOptions};
pub use id::{ChunkId, DatasetId, DocumentId, InvalidId, SessionId, TenantId, TurnId};
pub use metadata::{FieldValue, KnownField, Metadata, MetadataValue};
pub use metadata_filter::{
    FilterOperator, InvalidFilter, MetadataCondition, MetadataFilter, PreparedCondition,
    PreparedFilter, ScalarTest,
};
pub use parsed::{
    Block, BlockKind, BoundingBox, OutlineEntry, PageSize, ParsedDocument, Picture, PictureKind,
    Place,
};
pub use parser::{DocumentChunker, DocumentParser, ParseError, ParseErrorKind, ParseRequest};
pub use reembedding::{
    ChunkSlot, ChunkToReembed, NewVector, Reembedding, ReembeddingProgress, ReembeddingStore,
};
pub use scalar::{Scalar, ScalarKind};
pub use search::{ChunkFilter, ChunkHit, PhraseUse, SearchQuery, SearchResults};
pub use store::{
    ChunkEdit, ChunkIndex, ClaimedJob, CompletedDocument, DatasetTotals, DocumentSource, IngestJob,
    IngestStore, JobState, MetadataStore, Store, StoreStats, Submitted,
};
pub use store_error::{StoreError, StoreErrorKind};
