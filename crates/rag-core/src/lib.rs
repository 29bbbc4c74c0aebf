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

mod chunk;
mod dataset;
mod document;
mod id;
mod parsed;
mod parser;
mod search;
mod store;

pub use chunk::{Chunk, EmbeddedChunk, PlacedSpan};
pub use dataset::{ChunkingOptions, Dataset, EmbeddingIdentity};
pub use document::{Document, DocumentStatus, IngestStage};
pub use id::{ChunkId, DatasetId, DocumentId, InvalidId, TenantId};
pub use parsed::{Block, BlockKind, BoundingBox, ParsedDocument, Place};
pub use parser::{DocumentChunker, DocumentParser, ParseError, ParseErrorKind};
pub use search::{ChunkFilter, ChunkHit, SearchQuery, SearchResults};
pub use store::{
    ChunkIndex, ClaimedJob, ContentHash, DocumentSource, IngestJob, MetadataStore, StoreError,
    StoreErrorKind, StoreStats, Submitted,
};
