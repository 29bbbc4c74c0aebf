//! The embedded store: SQLite as the truth, full text and vector indexes derived from it.
//!
//! [`EmbeddedStore`] keeps datasets, documents, jobs, chunks and vectors in one SQLite database, and serves searches
//! from two indexes beside it: full text by tantivy, and vectors as flat files of signs and bytes that are scanned.
//! A write is one transaction of the database and is in both indexes before it is acknowledged; the indexes' files are
//! written in the background, and what they lack after a crash comes from the database. So a crash costs time, never
//! data, and the database alone is a backup.
//!
//! ```
//! use std::time::Duration;
//! use rag_core::{
//!     Chunk, ChunkFilter, ChunkIndex, CompletedDocument, ContentHash, DatasetSettings, DocumentSource, EmbeddedChunk,
//!     EmbeddingIdentity, IngestJob, MetadataStore, SearchQuery, TenantId,
//! };
//! use rag_store::{EmbeddedStore, StoreOptions};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let store = EmbeddedStore::open(path, StoreOptions::default())?;
//! let embedding = EmbeddingIdentity {
//!     model: "local/static".into(),
//!     dimensions: 2,
//!     ..EmbeddingIdentity::default()
//! };
//! let dataset = store.ensure_dataset(
//!     &TenantId::local(), "default", &embedding, &DatasetSettings::default(),
//! )?;
//!
//! // A file is submitted, claimed by a worker, cut and embedded, and completed.
//! let source = DocumentSource::File { path: "/docs/tea.md".into() };
//! let content = ContentHash([7; 32]);
//! store.submit(&IngestJob::new(dataset.id.clone(), "tea.md".into(), source, content, 11))?;
//! let job = store.claim(Duration::from_secs(60), 3)?.ok_or("no job")?;
//! let (of, text) = (dataset.id.clone(), "Boil water.".to_owned());
//! let chunk = Chunk {
//!     headings: vec!["Tea".into()],
//!     ..Chunk::new("tea-0".parse()?, of, job.document.clone(), text)
//! };
//! let chunks = vec![EmbeddedChunk { chunk, vector: vec![0.6, 0.8] }];
//! store.complete(&job, CompletedDocument { chunks, ..CompletedDocument::default() })?;
//!
//! let found = store.search(&SearchQuery {
//!     text: Some("how is water boiled?".into()),
//!     filter: ChunkFilter { datasets: vec![dataset.id], ..ChunkFilter::default() },
//!     limit: 5,
//!     ..SearchQuery::default()
//! })?;
//! assert_eq!(found.text[0].chunk.as_str(), "tea-0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod artifacts;
mod backup;
mod bm25;
mod catch_up;
mod chunk_edit;
mod chunk_file;
mod chunk_file_writer;
mod chunk_rows;
mod chunks;
mod claims;
mod clock;
mod conversation_store;
mod conversations;
mod datasets;
mod document_set;
mod document_terms;
mod documents;
mod embedded;
mod failure;
mod flush;
mod full_text;
mod hidden;
mod index_phrases;
mod index_text;
mod jobs;
mod kernel;
mod key;
mod lock;
mod maintenance;
mod metadata_index;
mod metadata_indexes;
mod metadata_store;
mod moved;
mod options;
mod owner_changes;
mod phrase_matches;
mod prepared;
mod readers;
mod reembedding;
mod reembedding_store;
mod schema;
mod search;
mod search_index;
mod second_versions;
mod snapshot;
mod tail_text;
mod text_search;
mod text_snapshot;
mod top;
mod vector_search;
mod vectors;
mod write_queue;

pub use backup::BackupProgress;
pub use embedded::EmbeddedStore;
pub use lock::DirectoryLock;
pub use options::{Durability, StoreOptions};
