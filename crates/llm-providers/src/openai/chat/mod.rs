//! Chat completions, in both directions.
//!
//! | | client's side | server's side |
//! |---|---|---|
//! | request | [`render_request`]: to the wire | [`parse_request`]: from the wire |
//! | answer | [`ChatDecoder`]: from the wire | [`server`](crate::openai::server): to the wire |

mod annotation;
mod choice;
mod decoder;
mod logprobs;
mod model;
mod parse;
mod parse_message;
mod request;
mod request_message;
mod usage;
mod wire;

pub use decoder::ChatDecoder;
pub(super) use model::{ask, ask_at};
pub use parse::{IncomingChat, parse_request, parse_request_value};
#[cfg(any(feature = "openai-responses", feature = "cohere"))]
pub(crate) use parse_message::media_from_url;
#[cfg(feature = "openai-responses")]
pub(super) use parse_message::media_type_of_format;
pub(super) use request::Body;
pub use request::{RenderedRequest, render_request};
#[cfg(feature = "openai-responses")]
pub(super) use request_message::format_of_media_type;
#[cfg(any(feature = "openai-responses", feature = "cohere"))]
pub(crate) use request_message::media_url;
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other), [`Tool::Provider`](llm_core::Tool::Provider) and
/// [`ChatEvent::Block`](llm_core::ChatEvent::Block).
pub const DIALECT: &str = "openai-chat";
