//! [`ReasoningTags`]: reasoning that Bedrock puts between `<reasoning>` and `</reasoning>` at the beginning of a text, told as
//! reasoning. Every piece of a stream has tags of its own, so none is ever cut.

use llm_core::{ChatEvent, ModelError, ReasoningDelta};
use serde_json::Value;

use crate::answer::AnswerDecoder;
use crate::openai::chat::ChatDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

const OPEN: &str = "<reasoning>";
const CLOSE: &str = "</reasoning>";

/// Chat completions as Bedrock writes them.
pub(super) struct ReasoningTags(pub(super) ChatDecoder);

impl AnswerDecoder for ReasoningTags {
    fn whole(self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let (mut events, result) =
            self.0.whole(with_finish_reason(&String::from_utf8_lossy(body)).as_bytes());
        split(&mut events, 0);
        (events, result)
    }
}

impl EventDecoder for ReasoningTags {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let from = events.len();
        let data = with_finish_reason(&event.data).into_owned().into();
        let result = self.0.push(SseEvent { data, ..event }, events);
        split(events, from);
        result
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let from = events.len();
        let result = self.0.end(events);
        split(events, from);
        result
    }
}

/// Some of Mistral's models write `stop_reason` where chat completions have `finish_reason`.
fn with_finish_reason(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("\"stop_reason\"") {
        return text.into();
    }
    let Ok(mut body) = serde_json::from_str::<Value>(text) else {
        return text.into();
    };
    let choices = body.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(reason) = choice.shift_remove("stop_reason") {
            choice.entry("finish_reason").or_insert(reason);
        }
    }
    body.to_string().into()
}

/// Rewrites the texts from `from` on.
fn split(events: &mut Vec<ChatEvent>, from: usize) {
    let is_tagged =
        |event: &ChatEvent| matches!(event, ChatEvent::Text { text, .. } if text.starts_with(OPEN));
    if !events.iter().skip(from).any(is_tagged) {
        return;
    }
    for event in events.split_off(from.min(events.len())) {
        match event {
            ChatEvent::Text { choice, mut text, signature } => {
                while let Some((thought, rest)) =
                    text.strip_prefix(OPEN).and_then(|inner| inner.split_once(CLOSE))
                {
                    let delta = ReasoningDelta { choice, ..ReasoningDelta::text(thought) };
                    events.push(ChatEvent::Reasoning(delta));
                    text = rest.to_owned();
                }
                if !text.is_empty() {
                    events.push(ChatEvent::Text { choice, text, signature });
                }
            }
            event => events.push(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quirks;

    #[test]
    fn thoughts_and_texts_are_told_apart() {
        let body = br#"{"id":"c","choices":[{"index":0,"stop_reason":"stop","message":{"role":"assistant",
            "content":"<reasoning>a</reasoning><reasoning>b</reasoning>so <reasoning> is a tag"}}]}"#;
        let decoder = ReasoningTags(ChatDecoder::new(Quirks::default(), None));
        let (events, result) = decoder.whole(body);
        result.unwrap();
        let thought = |text: &str| ChatEvent::Reasoning(ReasoningDelta::text(text));
        for event in [thought("a"), thought("b"), ChatEvent::text("so <reasoning> is a tag")] {
            assert!(events.contains(&event), "{events:?}");
        }
    }
}
