//! Chat: Converse and ConverseStream.
//!
//! | | out | in |
//! |---|---|---|
//! | request | [`render_request`] | [`parse_request`] |
//! | answer | – | [`ConverseDecoder`], [`ConverseBytes`] |

mod blocks;
mod decoder;
mod media;
mod model;
mod parse;
mod parse_message;
mod request;
mod request_message;
mod thinking;
mod tool_config;
mod usage;
mod wire;

pub use decoder::{ConverseBytes, ConverseDecoder, decode_chunks};
pub(super) use model::BedrockChat;
pub use parse::parse_request;
pub use request::{RenderedRequest, render_request};
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other), [`Tool::Provider`](llm_core::Tool::Provider) and
/// [`ChatEvent::Block`](llm_core::ChatEvent::Block).
pub const DIALECT: &str = "bedrock-converse";

/// The tool that a model without native JSON schemas must call; its arguments are the answer.
const ANSWER_TOOL: &str = "json_answer";
