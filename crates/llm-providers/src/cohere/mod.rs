//! Cohere's own API: chat, embeddings, rerank, transcription, tokens and lists of models, in versions 2 and 1.
//!
//! | | v2 | v1 |
//! |---|---|---|
//! | request | [`render_request`], [`parse_request`] | [`v1::render_request`], [`v1::parse_request`] |
//! | answer | [`ChatDecoder`] (server-sent events) | [`v1::ChatDecoder`] (lines of JSON, or server-sent events) |
//! | a prompt without roles | – | [`v1::render_generate`], [`v1::parse_generate`] |
//! | embeddings | [`embeddings`] | the same |
//! | rerank | [`rerank`] | the same |
//! | transcription | [`transcription`] | – |
//!
//! What is taken from where: fields of requests and answers from the references of `POST /v2/chat`, `/v2/embed`, `/v2/rerank`,
//! `/v2/audio/transcriptions` and of their namesakes in v1 (which Cohere keeps for those who have not moved, and Bedrock, Oracle and servers on the own
//! machine speak); events of streams from "Streaming responses" and "Migrating from API v1 to API v2"; tools, plans and
//! citations from "Tool use" and "Citations"; thinking from "Reasoning"; failures from "Errors". Where recorded traffic
//! differs, that won: an answer in lines has the content type `application/stream+json`, and a stream of v2 may lack `[DONE]`
//! after its `message-end`.
//!
//! ```
//! use llm_providers::cohere::ChatDecoder;
//! use llm_providers::stream::decode_chunks;
//!
//! let body = br#"data: {"type":"message-start","id":"1","delta":{"message":{"content":[]}}}
//!
//! data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}}
//!
//! data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}
//!
//! "#;
//! let (events, result) = decode_chunks([&body[..]], ChatDecoder::new(None), 1024);
//! assert!(result.is_ok() && events.contains(&llm_core::ChatEvent::text("hi")));
//! ```

mod body;
mod decoder;
pub mod embeddings;
pub mod errors;
mod family;
mod finish;
mod model;
mod models;
mod parse;
mod parse_message;
mod provider;
mod request;
mod request_message;
pub mod rerank;
mod tokenize;
pub mod transcription;
mod usage;
pub mod v1;
mod wire;

pub use decoder::ChatDecoder;
use http::HeaderMap;
use llm_core::Warning;
pub use parse::parse_request;
pub use provider::{Cohere, CohereBuilder};
pub use request::{RenderedRequest, render_request};
pub use tokenize::Tokens;
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other), [`Tool::Provider`](llm_core::Tool::Provider) and
/// [`ChatEvent::Block`](llm_core::ChatEvent::Block).
pub const DIALECT: &str = "cohere";

/// The field in [`Reasoning::extra`](llm_core::Reasoning::extra) that marks a block as the plan before tool calls.
pub const TOOL_PLAN: &str = "tool_plan";

/// Which version of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CohereVersion {
    /// Version 2: conversations as lists of messages.
    #[default]
    V2,
    /// Version 1: a message, its history and a preamble.
    V1,
}

impl CohereVersion {
    /// The first segment of its paths.
    fn path(self) -> &'static str {
        match self {
            CohereVersion::V2 => "v2",
            CohereVersion::V1 => "v1",
        }
    }
}

/// What the provider wants its callers to know (that a model is about to go, say), from the header `x-api-warning`.
fn api_warning(headers: &HeaderMap) -> Option<Warning> {
    let message = headers.get("x-api-warning")?.to_str().ok()?.to_owned();
    Some(Warning { code: "provider_warning".into(), param: None, message })
}
