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

use jiff::Timestamp;
use serde_json::{Value, json};

pub use body::message_body;
pub use error::{error_body, error_status, request_error_body};
pub use event::{EventWriter, WireEvent};

use crate::openai::server::ListedModel;

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

/// The body of `GET …/models` for clients of this dialect, all on one page.
pub fn models_body(models: impl IntoIterator<Item = ListedModel>) -> Value {
    let data: Vec<Value> = models
        .into_iter()
        .map(|model| {
            let created = Timestamp::from_second(model.created).unwrap_or(Timestamp::UNIX_EPOCH);
            json!({
                "type": "model",
                "id": model.id,
                "display_name": model.id,
                "created_at": created.to_string(),
            })
        })
        .collect();
    let name = |model: Option<&Value>| model.map(|model| model["id"].clone());
    json!({
        "first_id": name(data.first()),
        "last_id": name(data.last()),
        "has_more": false,
        "data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed() {
        let model =
            |id: &str| ListedModel { id: id.into(), created: 1_700_000_000, owned_by: "us".into() };
        let body = models_body([model("a"), model("b")]);
        assert_eq!((&body["first_id"], &body["last_id"]), (&json!("a"), &json!("b")));
        assert_eq!(body["data"][1]["created_at"], "2023-11-14T22:13:20Z");
        assert_eq!(models_body([])["first_id"], Value::Null);
    }
}
