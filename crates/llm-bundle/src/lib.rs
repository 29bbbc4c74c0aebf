//! One handle over async and synchronous models. Callers ask by name and get an answer; whether the model awaits a
//! vendor or computes on a thread, how it is limited, retried, metered and recorded, is decided here.
//!
//! | part | does |
//! |---|---|
//! | [`Bundle`] | the handle: chat, embed, rerank, speak, transcribe, describe, for one tenant |
//! | [`Registry`] | from a name to a model, with its guards |
//! | [`Guarded`], [`Call`] | a model behind tower layers that hold until its stream ends, as a model again |
//! | [`RouteOptions`], [`Strategy`] | a name over several models: which is asked first, and which when it fails |
//! | [`Adapted`] | a synchronous model, run on a [`SyncPool`], as an async one |
//! | [`Blocking`] | an async model for synchronous callers, from any thread that may wait |
//! | [`Cache`] | answers that were given before, exact or to a question that means the same; equal calls under way are one |
//! | [`Quotas`] | how much tenants, keys and providers may use |
//! | [`tools`] | the tool loop: asking, running what the model asks for, asking again |
//! | [`CallRecord`] | what remains of a call: exactly one, completed, failed or cancelled |
//! | [`RecordQueue`] | takes records to where they are kept, without making answers wait, and loses none |
//!
//! A synchronous, CPU-bound model is registered like any other, and then called without a difference:
//!
//! ```
//! use llm_bundle::{Adapted, Bundle, Registry, SyncPool};
//! use llm_core::*;
//! use std::sync::Arc;
//!
//! struct Lengths(ModelInfo);
//!
//! impl SyncEmbeddingModel for Lengths {
//!     fn info(&self) -> &ModelInfo {
//!         &self.0
//!     }
//!
//!     fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
//!         let vectors = request.inputs.iter().map(|text| vec![text.len() as f32]).collect();
//!         Ok(EmbeddingResponse { vectors, ..Default::default() })
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let models = SyncPool::builder().name("models").threads(2).models().build()?;
//! let lengths = Lengths(ModelInfo::new(ModelName::new("local", "lengths"), ModelKind::Embedding));
//! let registry =
//!     Registry::builder().embedding(Arc::new(Adapted::new(Arc::new(lengths), models))).build();
//!
//! let bundle = Bundle::new(registry).for_tenant("acme");
//! assert_eq!(bundle.embed_query("local/lengths", "four").await?, [4.0]);
//!
//! let error = bundle.embed_query("local/length", "four").await.unwrap_err();
//! assert_eq!(error.message(), "there is no embedding model `local/length`; did you mean `local/lengths`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapted;
mod attempt;
mod batcher;
mod blocking;
mod bundle;
mod cache;
mod call;
mod caller;
mod content;
mod continuation;
mod embedder;
mod genai;
mod guarded;
mod job_queue;
mod latency;
mod misuse;
mod modality;
mod observe;
mod on_behalf;
mod overflow;
mod pace;
mod payee;
mod pool;
mod pool_error;
pub mod quota;
mod ranking;
mod record;
mod record_queue;
mod registry;
mod requirements;
mod reranker;
mod route;
mod router;
mod shorten;
mod strategy;
mod sync;
mod tally;
mod target;
pub mod tools;
mod wait;

pub use adapted::Adapted;
pub use batcher::{BatchOptions, BatchStatus, Batched, Joins};
pub use blocking::{Blocking, BlockingChat, BlockingOptions};
pub use bundle::{Bundle, Defaults};
pub use cache::{
    Cache, CacheBuilder, CacheKey, CacheLayer, CachePolicies, CachePolicy, CacheScope, CacheStatus,
    CacheStore, CacheUse, CacheableEvent, CacheableRequest, Cached, Completeness, KeyWriter,
    Meaning, MemoryCache, SemanticOptions,
};
pub use call::{Asked, Call, CallContext, ModelScope, Spent, Trail};
pub use content::{Capture, Page, Redact};
pub use embedder::Embedder;
pub use genai::{operation_name, provider_name};
pub use guarded::{GuardOptions, Guarded};
pub use misuse::Misuse;
pub use modality::{Asking, Modality, ModelReply, Spoken};
pub use pace::{Attempt, Pace, PaceLayer, PaceOptions, PaceStatus, Paced, Paces};
pub use pool::{Job, PoolStatus, SyncPool, SyncPoolBuilder};
pub use pool_error::PoolError;
pub use quota::{Limits, QuotaLayer, Quotas};
pub use record::{CallRecord, Ending, Place, RecordSink, Reservation};
pub use record_queue::{
    RecordQueue, RecordQueueOptions, RecordQueueStatus, RecordWriter, Unwritten,
};
pub use registry::{ListedModel, Registry, RegistryBuilder, TargetStatus};
pub use reranker::Reranker;
pub use route::{Fallback, HedgeOptions, RouteError, RouteOptions, RouteTarget};
pub use service_guards::{
    BreakerOptions, BreakerStatus, InFlightOptions, Outcome, Priority, RetryOptions,
};
pub use strategy::Strategy;
pub use tally::Tally;
pub use target::Target;
