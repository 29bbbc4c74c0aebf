//! The Responses API, in both directions.
//!
//! | | client's side | server's side |
//! |---|---|---|
//! | request | [`render_request`]: to the wire | [`parse_request`]: from the wire |
//! | answer | [`ResponsesDecoder`]: from the wire | [`server`]: to the wire |
//!
//! Taken from OpenAI's API reference ("Responses": create a model response, the response object, streaming events) and
//! its guides on reasoning ("Keeping reasoning items in context"), function calling and migrating from chat
//! completions. Where recorded traffic of a provider differs, the recording won.
//!
//! A conversation is a list of *items* here, not of messages. How they meet the vocabulary of [`llm_core`]:
//!
//! - Items of the model that follow each other (reasoning, text, calls) are the parts of one assistant message.
//! - What an item has beyond its part (`id`, `phase`, `namespace` …) is a *header*: a [`Part::Other`] of this
//!   [`DIALECT`] with the item's `type` and without its substance. A header of a message comes before its text, a header
//!   of a call names its `call_id`. Other dialects leave headers out, so a conversation can change its provider.
//! - Reasoning keeps `id`, `encrypted_content` and its parts, and goes back as it came. Reasoning of other dialects is
//!   *sealed* into `encrypted_content` for clients of our server, and comes out again when they return it.
//! - Custom tool calls are tool calls whose arguments are free text; every other item is a [`Part::Other`] as it came.
//! - A leading system message of plain text is `instructions`.
//!
//! [`Part::Other`]: llm_core::Part::Other

mod answer_item;
mod decoder;
mod header;
mod model;
mod parse;
mod parse_item;
mod reasoning;
mod request;
mod request_item;
pub mod server;
mod stored;
mod wire;

pub use decoder::ResponsesDecoder;
pub(super) use model::ask;
pub use parse::{IncomingResponse, parse_request, parse_request_value};
pub use request::{RenderedRequest, render_request};
pub use stored::StoredResponses;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other), [`Tool::Provider`](llm_core::Tool::Provider) and
/// [`ChatEvent::Block`](llm_core::ChatEvent::Block).
pub const DIALECT: &str = "openai-responses";
