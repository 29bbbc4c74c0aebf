//! The durable ingestion pipeline: files found, parsed, cut, embedded and made searchable.
//!
//! [`scan`] finds files. A [`Pipeline`] hashes them, submits what changed as durable jobs, and works jobs off: claim,
//! read, verify, parse, cut, embed, index. A job that was acknowledged survives the process; one that another worker
//! holds is left alone; a document changes from its old chunks to its new ones in one step. What one file does wrong
//! fails that file, with a reason, and the others go on.
//!
//! Everything that blocks or computes runs on a [`SyncPool`](llm_bundle::SyncPool); embedding awaits the model. How
//! far things are is told as [`IngestEvent`]s and as [`Progress`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use llm_bundle::{Adapted, SyncPool};
//! use llm_core::*;
//! use rag_core::{DatasetSettings, EmbeddingIdentity, MetadataStore, TenantId};
//! use rag_ingest::{Pipeline, PipelineParts, SubmitOptions, no_chat, one_embedder};
//! # struct Lengths(ModelInfo);
//! # impl SyncEmbeddingModel for Lengths {
//! #     fn info(&self) -> &ModelInfo { &self.0 }
//! #     fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
//! #         let vectors = request.inputs.iter().map(|text| vec![text.len() as f32]).collect();
//! #         Ok(EmbeddingResponse { vectors, ..Default::default() })
//! #     }
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (docs, data) = (folder.path().join("docs"), folder.path().join("data"));
//! # std::fs::create_dir(&docs)?;
//! std::fs::write(docs.join("tea.md"), "# Tea\n\nBoil water.")?;
//!
//! let pool = SyncPool::builder().name("callers").threads(2).build()?;
//! let lengths = Lengths(ModelInfo::new(ModelName::new("local", "lengths"), ModelKind::Embedding));
//! let store = rag_store::EmbeddedStore::open(&data, Default::default())?;
//! let embedding = EmbeddingIdentity { model: "local/lengths".into(), dimensions: 1, ..EmbeddingIdentity::default() };
//! let dataset =
//!     store.ensure_dataset(&TenantId::local(), "default", &embedding, &DatasetSettings::default())?;
//!
//! let pipeline = Pipeline::new(PipelineParts {
//!     store,
//!     parser: Arc::new(rag_parse::FileParser::default()),
//!     chunker: Arc::new(rag_parse::StructuralChunker::default()),
//!     embedder: one_embedder(Arc::new(Adapted::new(Arc::new(lengths), pool.clone()))),
//!     vision: None,
//!     chat: no_chat(),
//!     pool,
//! });
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let summary = pipeline.ingest(&dataset.id, vec![docs.clone()], SubmitOptions::default()).await?;
//! assert_eq!((summary.added, summary.unchanged, summary.failed.len()), (1, 0, 0));
//!
//! let again = pipeline.ingest(&dataset.id, vec![docs], SubmitOptions::default()).await?;
//! assert_eq!((again.added, again.unchanged), (0, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # }
//! ```

mod artifacts;
mod budget;
mod by_hand;
pub mod enrich;
mod error;
mod event;
mod hash;
mod held_job;
mod job;
mod names;
mod on_pool;
mod original;
mod patience;
mod pictures;
mod pipeline;
mod rate;
mod reembed;
mod scan;
mod stages;
mod submit;
mod summary;
mod trouble;
mod watch;
mod worker;

pub use error::IngestError;
pub use event::{IngestEvent, Pause, Progress};
pub use original::original;
pub use pipeline::{
    ChatFor, EmbedderFor, Pipeline, PipelineOptions, PipelineParts, TextsOf, VisionFor, no_chat,
    one_embedder,
};
pub use rag_core::IngestStore;
pub use scan::{FoundFile, Scan, ScanOptions, SkippedFile, scan};
pub use submit::{Submission, SubmitOptions, Urgency};
pub use summary::Summary;
pub use watch::WatchOptions;
