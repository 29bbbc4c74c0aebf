//! Models that are part of the program: local, synchronous, ready without a key, a download or a
//! network.
//!
//! | model | does |
//! |---|---|
//! | [`StaticEmbedding`], `local/static` | embeds texts with a table of word pieces, in microseconds |
//! | [`Lexical`], `local/lexical` | reranks passages by their words |
//! | [`Extractive`], `local/extractive` | answers by quoting the evidence; no language model |
//!
//! All of them compute on the calling thread and are deterministic. In asynchronous programs they
//! belong on a thread made for blocking work.
//!
//! ```
//! use llm_core::{EmbeddingRequest, SyncEmbeddingModel};
//! use llm_local::StaticEmbedding;
//!
//! let model = StaticEmbedding::new();
//! let response = model.embed(&EmbeddingRequest::query("How do I make tea?"))?;
//! assert_eq!(response.vectors[0].len(), 256);
//! # Ok::<(), llm_core::ModelError>(())
//! ```

pub mod extractive;
pub mod lexical;
#[cfg(feature = "sentence-transformer")]
pub mod sentence_transformer;
mod sentences;
pub mod static_embedding;
pub mod static_table;
mod terms;
pub mod word_piece;

pub use extractive::Extractive;
pub use lexical::Lexical;
#[cfg(feature = "sentence-transformer")]
pub use sentence_transformer::{SentenceTransformer, SentenceTransformerOptions};
pub use static_embedding::StaticEmbedding;
