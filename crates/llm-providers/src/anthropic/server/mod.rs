//! The Messages dialect seen from the other side: what a *server* reads and writes. Pure translation, no I/O.
//!
//! Requests come in through [`parse_request`](super::parse_request) and
//! [`parse_count_tokens_request`](super::parse_count_tokens_request); answers go out as a whole ([`message_body`]) or event
//! by event ([`EventWriter`]), failures as [`error_body`].
//!
//! ```
//! use llm_core::{ChatEvent, FinishReason};
//! use llm_providers::anthropic::server::{EventWriter, ReplyHead};
//!
//! let head = ReplyHead { id: "msg_1".into(), model: "local/extractive".into() };
//! let mut writer = EventWriter::new(head);
//! let names = |events: Vec<_>| -> Vec<&str> {
//!     events.iter().map(|event: &llm_providers::anthropic::server::WireEvent| event.name).collect()
//! };
//! let begun = writer.events(ChatEvent::text("hello"));
//! assert_eq!(names(begun), ["message_start", "content_block_start", "content_block_delta"]);
//! writer.events(ChatEvent::finished(FinishReason::Stop));
//! assert_eq!(names(writer.end()), ["content_block_stop", "message_delta", "message_stop"]);
//! ```

mod body;
mod error;
mod event;

use serde_json::{Value, json};

pub use body::message_body;
pub use error::{error_body, error_status, request_error_body};
pub use event::{EventWriter, WireEvent};

/// What every answer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyHead {
    /// The answer's id (`msg_…`).
    pub id: String,
    /// The model, as the caller knows it.
    pub model: String,
}

/// The body of a count of tokens.
pub fn count_tokens_body(input_tokens: u64) -> Value {
    json!({ "input_tokens": input_tokens })
}
