//! Natively async clients for language model providers: requests and answers of [`llm_core`] on one side, the providers'
//! wire dialects on the other.
//!
//! Each dialect is split into wire types, pure translation of requests, a pure decoder of answers, and the model that
//! puts them on a socket. One [`OpenAi`] instance holds one pool of connections for all its models; providers that
//! speak the same dialect differ by data ([`Quirks`], [`catalogue`]); [`connect`](connect()) reaches any of them by name. Nothing here retries, limits or caches: that is
//! the work of the layers above, which learn what they need from [`ModelError`](llm_core::ModelError).
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use llm_core::{ChatEvent, ChatRequest, Message};
//! use llm_providers::{Access, connect};
//!
//! # async fn example(key: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
//! let groq = connect("groq", Access { key: Some(key), ..Access::default() })?;
//! let model = groq.chat("openai/gpt-oss-20b").ok_or("no chat models")?;
//! let request = ChatRequest::new(vec![Message::user("Why is the sky blue?")]).streamed();
//! let mut reply = model.chat(request).await?;
//! while let Some(event) = reply.try_next().await? {
//!     if let ChatEvent::Text { text, .. } = event {
//!         print!("{text}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The decoders work without a socket:
//!
//! ```
//! use llm_providers::openai::chat::ChatDecoder;
//! use llm_providers::{Quirks, stream::decode_chunks};
//!
//! let body = br#"data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}
//!
//! data: [DONE]
//!
//! "#;
//! let decoder = ChatDecoder::new(Quirks::default(), None);
//! let (events, result) = decode_chunks([&body[..]], decoder, 1024);
//! assert!(result.is_ok() && events.contains(&llm_core::ChatEvent::text("hi")));
//! ```

mod accept;
mod address_guard;
mod answer;
#[cfg(feature = "anthropic")]
pub mod anthropic;
mod asking;
mod batches;
#[cfg(feature = "bedrock")]
pub mod bedrock;
mod build_error;
#[cfg(any(feature = "gemini", feature = "cohere", feature = "dashscope", feature = "ollama"))]
mod call_id;
pub mod catalogue;
#[cfg(feature = "cohere")]
pub mod cohere;
mod connect;
pub mod credentials;
#[cfg(feature = "dashscope")]
pub mod dashscope;
mod embedding_quirks;
pub mod form;
#[cfg(feature = "gemini")]
pub mod gemini;
#[cfg(feature = "huggingface")]
pub mod huggingface;
#[cfg(any(
    feature = "bedrock",
    feature = "dashscope",
    feature = "huggingface",
    feature = "ollama"
))]
mod merge;
pub mod models;
pub mod ndjson;
mod notes;
#[cfg(feature = "ollama")]
pub mod ollama;
pub mod openai;
mod path_segment;
mod proxy;
mod quirks;
mod ranking;
pub mod rate_limits;
mod raw;
mod remote;
pub mod rerank;
pub mod retry_after;
mod sources;
pub mod sse;
pub mod stream;
mod structured;
mod think;
mod tls;
pub mod transport;
mod vectors;
#[cfg(feature = "audio")]
pub mod voice;

pub use address_guard::AddressPolicy;
pub use answer::AnswerDecoder;
#[cfg(feature = "anthropic")]
pub use anthropic::Anthropic;
#[cfg(feature = "bedrock")]
pub use bedrock::Bedrock;
#[cfg(feature = "cohere")]
pub use cohere::Cohere;
pub use connect::{Access, KeyFormat, connect, connect_entry};
#[cfg(feature = "dashscope")]
pub use dashscope::DashScope;
pub use embedding_quirks::{EmbeddingQuirks, EmbeddingRule, EmbeddingShape, Numbers, PurposeField};
#[cfg(feature = "gemini")]
pub use gemini::Gemini;
#[cfg(feature = "huggingface")]
pub use huggingface::HuggingFace;
pub use models::ModelCatalogue;
#[cfg(feature = "ollama")]
pub use ollama::Ollama;
pub use openai::OpenAi;
pub use proxy::Proxy;
pub use quirks::{
    ModelRule, OutputLimit, Quirks, ReasoningRequest, ReasoningReturn, SpeechShape,
    TranscriptionShape,
};
pub use raw::{RawBody, RawRequest, RawResponse};
#[cfg(feature = "openai-responses")]
pub use sources::ByResponses;
pub use structured::StructuredOutput;
pub use think::{SplitThink, ThinkSplitter, ThinkTags};
pub use tls::ClientCertificate;
pub use transport::{BuildError, TransportOptions};
