//! Hybrid retrieval: full text and vectors, searched independently and fused by calibrated weights.
//!
//! [`Retriever`] is synchronous and CPU-bound: run it on threads made for that. It reaches embedding models through
//! their synchronous trait; an async model comes through a bridge such as `llm_bundle::Blocking`. It knows no engine
//! and no vendor, only the traits of `rag-core` and `llm-core`.
//!
//! ```
//! use rag_core::{ChunkHit, SearchResults};
//! use rag_retrieve::fuse;
//!
//! let hit = |chunk: &str, score| ChunkHit { chunk: chunk.parse().unwrap(), score };
//! let found = SearchResults {
//!     text: vec![hit("a", 9.0), hit("b", 3.0)],
//!     text_ceiling: 20.0,
//!     vector: vec![hit("b", 0.8), hit("c", 0.2)],
//!     ..SearchResults::default()
//! };
//! let ranked = fuse(&found, 0.2);
//! assert_eq!(ranked[0].chunk.as_str(), "a");
//! assert_eq!(ranked[1].text, Some(3.0), "each hit tells what either side gave");
//! ```

mod boost;
mod diversify;
mod error;
mod expand;
mod explanation;
mod find;
mod fuse;
mod load;
mod neighbours;
mod page;
mod request;
mod rerank;
mod retriever;
mod weight;

pub use error::RetrieveError;
pub use explanation::Explanation;
pub use fuse::{FusedHit, fuse};
pub use request::{Embedders, Reranker, Retrieval, RetrieveRequest, RetrievedChunk, Timings};
pub use retriever::{EmbedderFor, Retriever};
pub use weight::{VectorWeight, default_vector_weight};
