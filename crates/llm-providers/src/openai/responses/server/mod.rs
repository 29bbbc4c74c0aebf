//! The Responses API seen from the other side: what a *server* of it writes. Pure translation, no I/O.
//!
//! Requests come in through [`parse_request`](super::parse_request); answers go out as a whole ([`response_body`]) or
//! event by event ([`EventWriter`]). Failures before an answer are those of the OpenAI dialect
//! ([`error_body`](crate::openai::server::error_body)); one half-way is [`EventWriter::fail`].
//!
//! ```
//! use llm_core::{ChatEvent, FinishReason};
//! use llm_providers::openai::responses::server::{EventWriter, ResponseHead};
//!
//! let head = ResponseHead { id: "resp_1".into(), model: "local/extractive".into(), ..Default::default() };
//! let mut writer = EventWriter::new(head);
//! let mut events = writer.push(ChatEvent::text("hello"));
//! events.extend(writer.push(ChatEvent::finished(FinishReason::Stop)));
//! events.extend(writer.end());
//! let names: Vec<_> = events.iter().map(|event| event.name).collect();
//! assert_eq!(names, [
//!     "response.created", "response.in_progress", "response.output_item.added",
//!     "response.content_part.added", "response.output_text.delta", "response.output_text.done",
//!     "response.content_part.done", "response.output_item.done", "response.completed",
//! ]);
//! ```

mod body;
mod content;
mod items;
mod output;
mod writer;

pub use body::{response_body, usage_body};
pub use items::{input_items, listed_items};
pub use writer::{Ending, EventWriter, ServerEvent};

use llm_core::Extra;

/// What every object of one response repeats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseHead {
    /// The response's id (`resp_…`).
    pub id: String,
    /// The model, as the caller knows it.
    pub model: String,
    /// When the response began, in seconds since the epoch.
    pub created: i64,
    /// Fields of the request that the response repeats ([`IncomingResponse::echo`](super::IncomingResponse::echo)).
    pub echo: Extra,
}
