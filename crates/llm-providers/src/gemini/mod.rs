//! Gemini's dialect: `generateContent` and its embeddings, with an API key or through Vertex AI.
//!
//! | | chat | embeddings |
//! |---|---|---|
//! | request | [`render_request`]: to the wire | [`embeddings::render_batch`], [`embeddings::render_predict`] |
//! | answer | [`ChatDecoder`]: from the wire | [`embeddings::parse_vectors`] |
//! | request, read back | [`parse_request`] | [`embeddings::parse_batch`], [`embeddings::parse_predict`] |
//!
//! What is taken from where: the fields are those of the Gemini API reference ("Generating content", "Embeddings",
//! "Counting tokens") and of the reference of Vertex AI ("Generate content with the Gemini API", "Text embeddings
//! API"); what providers really send comes from recorded traffic, which wins where the two differ:
//!
//! - a stream has no end mark: it is complete when every candidate has a finish reason and the body ends;
//! - usage is a running total on every chunk; thoughts are counted beside the answer, cached tokens inside the prompt;
//! - calls of functions come whole, mostly without an id: ids made here begin with `gcall_` and are never sent back;
//! - a thought signature belongs to its part ("Thought signatures"): it is kept on texts, reasoning and calls, and goes
//!   back with them. A call without one, in front of a model that insists on it, gets the documented placeholder;
//! - a blocked prompt is a success without candidates on the wire, and an error of kind
//!   [`ContentFilter`](llm_core::ErrorKind::ContentFilter) here; a blocked *answer* is a finish reason;
//! - a wrong API key is status 400, a used-up limit is status 429 with the wait inside the body.
//!
//! ```no_run
//! # async fn example(key: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
//! use llm_core::{ChatRequest, ChatResponse, Message};
//! use llm_providers::Gemini;
//!
//! let model = Gemini::builder("gemini").api_key(key).build()?.chat("gemini-2.5-flash");
//! let reply = model.chat(ChatRequest::new(vec![Message::user("Why is the sky blue?")])).await?;
//! println!("{}", ChatResponse::collect(reply).await?.text());
//! # Ok(())
//! # }
//! ```
//!
//! Through Vertex AI, with the credentials of a service account or of the machine:
//!
//! ```no_run
//! use std::sync::Arc;
//! use llm_providers::gemini::Gemini;
//! use llm_providers::credentials::{CachedTokens, google::MetadataServer};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = CachedTokens::new(Arc::new(MetadataServer::new()?));
//! let vertex = Gemini::vertex("vertex", "my-project", "global").token_source(Arc::new(tokens)).build()?;
//! let model = vertex.chat("gemini-2.5-flash");
//! # Ok(())
//! # }
//! ```

mod camel_case;
mod candidate;
mod count_tokens;
mod decoder;
pub mod embeddings;
mod endpoint;
pub mod errors;
mod generation;
mod grounding;
mod logprobs;
mod model;
mod models;
mod parse;
mod parse_content;
mod partial_args;
mod provider;
mod request;
mod request_content;
mod schema;
mod thinking;
mod usage;
mod wire;

use crate::call_id;

pub use count_tokens::TokenCount;
pub use decoder::ChatDecoder;
pub use endpoint::Service;
pub use models::AvailableModel;
pub use parse::{parse_request, parse_request_value};
pub use provider::{Gemini, GeminiBuilder};
pub use request::{RenderedRequest, render_request};
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other), [`Tool::Provider`](llm_core::Tool::Provider) and
/// [`ChatEvent::Block`](llm_core::ChatEvent::Block); also the one field of `extra` maps under which fields of this
/// dialect without a name in the vocabulary are kept.
pub const DIALECT: &str = "gemini-generate";
