//! Anthropic's Messages dialect, from both sides: a client for Claude (at Anthropic, at Azure, on Vertex AI), and what a
//! server of the dialect reads and writes.
//!
//! | | client's side | server's side |
//! |---|---|---|
//! | request | [`render_request`]: to the wire | [`parse_request`]: from the wire |
//! | answer | [`MessageDecoder`]: from the wire | [`server`]: to the wire |
//! | token count | [`Anthropic::count_tokens`] | [`parse_count_tokens_request`] |
//!
//! What is taken from where: fields and blocks of requests and answers from the reference of `POST /v1/messages` and
//! "Streaming messages"; kinds of failure from "Errors" and "Rate limits"; what a family of models takes ([`Family`])
//! from "Extended thinking", "Adaptive thinking", "Effort", "Structured outputs" and the pages on what is new in each
//! model; addresses and the `anthropic_version` of Vertex from "Claude on Vertex AI". Where recorded traffic differs,
//! that won: usage of `message_delta` replaces that of `message_start` field by field, since Vertex repeats only a part.
//!
//! ```
//! use llm_providers::anthropic::MessageDecoder;
//! use llm_providers::stream::decode_chunks;
//!
//! let body = br#"event: message_start
//! data: {"type":"message_start","message":{"id":"msg_1","model":"claude-haiku-4-5","content":[]}}
//!
//! event: content_block_delta
//! data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}
//!
//! event: message_delta
//! data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}
//!
//! event: message_stop
//! data: {"type":"message_stop"}
//!
//! "#;
//! let (events, result) = decode_chunks([&body[..]], MessageDecoder::new(None), 1024);
//! assert!(result.is_ok() && events.contains(&llm_core::ChatEvent::text("hi")));
//! ```

mod block;
mod count_tokens;
mod decoder;
pub mod errors;
mod family;
mod model;
mod models;
mod parse;
mod parse_message;
mod provider;
mod request;
mod request_block;
mod request_message;
pub mod server;
mod surface;
mod thinking;
mod usage;
mod wire;

pub use decoder::MessageDecoder;
pub use family::{Family, Thinking};
pub use parse::{parse_count_tokens_request, parse_request, parse_request_value};
pub use provider::{Anthropic, AnthropicBuilder};
pub use request::{RenderedRequest, Target, render_count_tokens, render_request};
pub use surface::{Surface, VertexProject};
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other), [`Tool::Provider`](llm_core::Tool::Provider) and
/// [`ChatEvent::Block`](llm_core::ChatEvent::Block).
pub const DIALECT: &str = "anthropic-messages";
