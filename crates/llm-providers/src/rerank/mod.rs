//! Rerank as most services offer it: a POST of JSON with a question and passages, in one of a few shapes.
//!
//! Which shape, at which address, and how to read the scores is data: [`RerankQuirks`], part of every provider's
//! [`Quirks`](crate::Quirks). Models come from [`OpenAi::rerank`](crate::OpenAi::rerank) beside the provider's other
//! models, or from a [`Reranker`] where a service does nothing else.
//!
//! | shape | services | request | answer |
//! |---|---|---|---|
//! | [`Cohere`](RerankShape::Cohere) | Jina, vLLM, Infinity, Xinference, LocalAI, llama.cpp, Together, Fireworks, SiliconFlow, OpenRouter, DashScope | `query`, `documents`, `top_n` | `results` or `data`: `index`, `relevance_score` |
//! | [`Voyage`](RerankShape::Voyage) | Voyage | `query`, `documents`, `top_k` | `data` |
//! | [`Tei`](RerankShape::Tei) | Text Embeddings Inference | `query`, `texts` | a list: `index`, `score` |
//! | [`Nim`](RerankShape::Nim) | NVIDIA NIM | `query.text`, `passages[].text` | `rankings`: `index`, `logit` |
//! | [`DeepInfra`](RerankShape::DeepInfra) | DeepInfra | `queries`, `documents`, one of each a pair | `scores` |
//!
//! Facts are from the services' API references ("Rerank", "Reranker", "Ranking"); what they really send comes from
//! recorded traffic where there is some (llama.cpp, OpenRouter, Together, Voyage). Scores of a probability or of log-odds
//! stand for themselves, so a request that is larger than a service takes is split and its scores are put together.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use llm_core::{RerankRequest, ScoreType};
//! use llm_providers::rerank::{RerankQuirks, RerankShape, Reranker};
//!
//! let quirks = RerankQuirks {
//!     shape: RerankShape::Tei,
//!     scores: Some(ScoreType::Probability),
//!     ..RerankQuirks::default()
//! };
//! let tei = Reranker::builder("tei", "http://localhost:8080").quirks(quirks).build()?;
//! let request = RerankRequest {
//!     query: "What is a panda?".into(),
//!     documents: vec!["hi".into(), "it is a bear".into()],
//!     ..RerankRequest::default()
//! };
//! let best = tei.model("bge-reranker-v2-m3").rerank(request).await?.results[0];
//! println!("{} {}", best.index, best.score);
//! # Ok(())
//! # }
//! ```

mod quirks;
mod request;
mod reranker;
mod response;

pub use quirks::{Elsewhere, RerankQuirks, RerankShape};
pub use request::{parse_rerank_request, render_rerank_request};
pub use reranker::{Reranker, RerankerBuilder};
pub use response::parse_rerank_response;
