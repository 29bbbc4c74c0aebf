//! DashScope's own API (Alibaba Cloud Model Studio): generation of text and from several media, embeddings, rerank.
//!
//! | | request | answer |
//! |---|---|---|
//! | chat | [`render_request`] (read back by [`parse_request_value`]) | [`ChatDecoder`] |
//! | embeddings | [`embeddings::render_embedding_request`] | [`embeddings::parse_embedding_response`] |
//! | rerank | [`rerank::render_rerank_request`] | [`rerank::parse_rerank_response`] |
//!
//! Facts are from the service's API reference ("DashScope API reference", "Text embedding", "Text rerank", "Error codes")
//! and from its own SDK for Python; nothing of this API was recorded. What matters:
//!
//! - a model is asked at one of two addresses ([`Generation`]), which differ in how content is written;
//! - events come only with the header `X-DashScope-SSE: enable`, and repeat the whole text so far unless
//!   `incremental_output` is asked for, which is done here; whoever takes that back in `extra_body` is still read right;
//! - an unfinished choice has the *word* `null` for its reason;
//! - a failure in a stream is an event `error` with a code, whose status is only told in a comment.
//!
//! ```no_run
//! # async fn example(key: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
//! use llm_core::{ChatRequest, ChatResponse, Message};
//! use llm_providers::DashScope;
//!
//! let model = DashScope::builder("dashscope").api_key(key).build()?.chat("qwen-plus");
//! let reply = model.chat(ChatRequest::new(vec![Message::user("Why is the sky blue?")])).await?;
//! println!("{}", ChatResponse::collect(reply).await?.text());
//! # Ok(())
//! # }
//! ```

mod decoder;
pub mod embeddings;
pub mod errors;
mod generation;
mod model;
mod parse;
mod provider;
mod request;
mod request_message;
pub mod rerank;
mod usage;
mod wire;

pub use decoder::{ChatDecoder, Increments};
pub use generation::Generation;
pub use parse::parse_request_value;
pub use provider::{DashScope, DashScopeBuilder};
pub use request::{RenderedRequest, render_request};
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other) and [`Tool::Provider`](llm_core::Tool::Provider).
pub const DIALECT: &str = "dashscope";
