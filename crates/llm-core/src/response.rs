//! [`ChatResponse`]: a whole answer, folded from events.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    AudioDelta, ChatEvent, ChatReply, Extra, FinishReason, Message, ModelError, Part, Reasoning,
    ReasoningDelta, Role, Started, TextPart, ToolCall, ToolCallDelta, Usage, Warning,
};

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// What the provider said when it began.
    pub started: Started,
    /// The answers, by their number; one unless more were asked for.
    pub choices: Vec<Choice>,
    /// What was consumed.
    pub usage: Usage,
    /// How the call differs from what was asked.
    pub warnings: Vec<Warning>,
    /// Fields of the whole answer without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The message, ready to be put into the history of the next turn.
    pub message: Message,
    /// Why it ended.
    pub finish: FinishReason,
    /// The provider's own word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_finish: Option<String>,
    /// Log-probabilities, when asked for: the provider's objects in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Value>,
    /// Sound, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioDelta>,
}

impl ChatResponse {
    /// Consumes a reply to its end.
    ///
    /// # Errors
    /// The stream's own; what had been said before it is lost (fold yourself with [`ChatFold`] to keep it).
    pub async fn collect(mut reply: ChatReply) -> Result<Self, ModelError> {
        let mut fold = ChatFold::default();
        while let Some(event) = reply.try_next().await? {
            fold.push(event);
        }
        Ok(fold.finish())
    }

    /// The first answer's text.
    pub fn text(&self) -> String {
        self.choices.first().map(|choice| choice.message.text()).unwrap_or_default()
    }

    /// The first answer's reasoning, as far as it is readable.
    pub fn reasoning(&self) -> String {
        let parts =
            self.choices.first().map(|choice| &choice.message.parts[..]).unwrap_or_default();
        let texts = parts.iter().filter_map(|part| match part {
            Part::Reasoning(reasoning) => Some(reasoning.text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// Folds events into a [`ChatResponse`]. Usable at any time for what has come so far.
#[derive(Clone, Debug, Default)]
pub struct ChatFold {
    started: Started,
    choices: BTreeMap<u32, ChoiceFold>,
    usage: Usage,
    warnings: Vec<Warning>,
    extra: Extra,
}

#[derive(Clone, Debug, Default)]
struct ChoiceFold {
    parts: Vec<Part>,
    /// Where in `parts` the reasoning block or tool call of an index stands.
    reasoning: BTreeMap<u32, usize>,
    tools: BTreeMap<u32, usize>,
    /// The text part at the end is complete.
    text_ended: bool,
    finish: Option<(FinishReason, Option<String>)>,
    logprobs: Vec<Value>,
    audio: Option<AudioDelta>,
}

impl ChatFold {
    /// Takes the next event.
    pub fn push(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Started(started) => self.started = started,
            ChatEvent::Text { choice, text, signature } => {
                self.choice(choice).text(text, signature);
            }
            ChatEvent::TextEnd { choice } => self.choice(choice).text_ended = true,
            ChatEvent::Reasoning(delta) => self.choice(delta.choice).reasoning(delta),
            ChatEvent::Refusal { choice, text } => self.choice(choice).refusal(text),
            ChatEvent::ToolCall(delta) => self.choice(delta.choice).tool_call(delta),
            ChatEvent::Annotation { choice, annotation } => {
                self.choice(choice).last_text().annotations.push(annotation);
            }
            ChatEvent::Audio(delta) => self.choice(delta.choice).audio(delta),
            ChatEvent::Media { choice, media } => {
                self.choice(choice).parts.push(Part::Image(media));
            }
            ChatEvent::Block { choice, dialect, value } => {
                self.choice(choice).parts.push(Part::Other { dialect, value });
            }
            ChatEvent::Logprobs { choice, value } => self.choice(choice).logprobs.push(value),
            ChatEvent::Warning(warning) => self.warnings.push(warning),
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finished { choice, reason, raw } => {
                self.choice(choice).finish = Some((reason, raw));
            }
            ChatEvent::Extra { fields } => self.extra.extend(fields),
        }
    }

    /// The first answer's text so far.
    pub fn text(&self) -> String {
        self.choices
            .get(&0)
            .map(|choice| choice.parts.iter().filter_map(Part::as_text).collect())
            .unwrap_or_default()
    }

    /// What was consumed so far.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The whole. A choice that never finished has the reason [`FinishReason::Other`].
    pub fn finish(self) -> ChatResponse {
        ChatResponse {
            started: self.started,
            choices: self.choices.into_values().map(ChoiceFold::finish).collect(),
            usage: self.usage,
            warnings: self.warnings,
            extra: self.extra,
        }
    }

    fn choice(&mut self, index: u32) -> &mut ChoiceFold {
        self.choices.entry(index).or_default()
    }
}

impl ChoiceFold {
    fn text(&mut self, text: String, signature: Option<String>) {
        let part = self.last_text();
        part.text.push_str(&text);
        if signature.is_some() {
            part.signature = signature;
        }
    }

    /// The text part at the end, made if the last part is none. A signed part is closed.
    fn last_text(&mut self) -> &mut TextPart {
        let ended = std::mem::take(&mut self.text_ended);
        let open = matches!(self.parts.last(), Some(Part::Text(part)) if part.signature.is_none());
        if ended || !open {
            self.parts.push(Part::text(""));
        }
        match self.parts.last_mut() {
            Some(Part::Text(part)) => part,
            _ => unreachable!("a text part was just made sure of"),
        }
    }

    fn refusal(&mut self, text: String) {
        match self.parts.last_mut() {
            Some(Part::Refusal(part)) => part.text.push_str(&text),
            _ => self.parts.push(Part::Refusal(TextPart::new(text))),
        }
    }

    fn reasoning(&mut self, delta: ReasoningDelta) {
        let at = *self.reasoning.entry(delta.index).or_insert_with(|| {
            self.parts.push(Part::Reasoning(Reasoning::default()));
            self.parts.len() - 1
        });
        if let Some(Part::Reasoning(block)) = self.parts.get_mut(at) {
            block.text.push_str(&delta.text);
            block.signature = delta.signature.or(block.signature.take());
            block.redacted = delta.redacted.or(block.redacted.take());
            block.id = delta.id.or(block.id.take());
            block.extra.extend(delta.extra);
        }
    }

    fn tool_call(&mut self, delta: ToolCallDelta) {
        let at = *self.tools.entry(delta.index).or_insert_with(|| {
            self.parts.push(Part::ToolCall(ToolCall::default()));
            self.parts.len() - 1
        });
        if let Some(Part::ToolCall(call)) = self.parts.get_mut(at) {
            if let Some(id) = delta.id {
                call.id = id;
            }
            if let Some(name) = delta.name {
                call.name = name;
            }
            call.arguments.push_str(&delta.arguments);
            call.signature = delta.signature.or(call.signature.take());
            call.extra.extend(delta.extra);
        }
    }

    fn audio(&mut self, delta: AudioDelta) {
        let audio = self.audio.get_or_insert_with(AudioDelta::default);
        audio.id = delta.id.or(audio.id.take());
        audio.data.push_str(&delta.data);
        audio.transcript.push_str(&delta.transcript);
        audio.expires_at = delta.expires_at.or(audio.expires_at);
    }

    fn finish(self) -> Choice {
        let (finish, raw_finish) = self.finish.unwrap_or((FinishReason::Other, None));
        Choice {
            message: Message::new(Role::Assistant, self.parts),
            finish,
            raw_finish,
            logprobs: self.logprobs,
            audio: self.audio,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(events: Vec<ChatEvent>) -> ChatResponse {
        let mut fold = ChatFold::default();
        events.into_iter().for_each(|event| fold.push(event));
        fold.finish()
    }

    #[test]
    fn pieces_of_parallel_tool_calls_come_together() {
        let piece = |index, id: Option<&str>, arguments: &str| {
            ChatEvent::ToolCall(ToolCallDelta {
                index,
                id: id.map(Into::into),
                name: id.map(|id| format!("tool_{id}")),
                arguments: arguments.into(),
                ..Default::default()
            })
        };
        let response = fold(vec![
            piece(0, Some("a"), "{\"x\""),
            piece(1, Some("b"), ""),
            piece(0, None, ":1}"),
            ChatEvent::finished(FinishReason::ToolCalls),
        ]);
        let calls: Vec<_> = response.choices[0].message.tool_calls().collect();
        assert_eq!((calls[0].name.as_str(), calls[0].arguments.as_str()), ("tool_a", "{\"x\":1}"));
        assert_eq!(calls[1].parsed_arguments().unwrap(), serde_json::json!({}));
    }

    #[test]
    fn reasoning_keeps_its_signature_and_place() {
        let response = fold(vec![
            ChatEvent::Reasoning(ReasoningDelta::text("hm")),
            ChatEvent::Reasoning(ReasoningDelta {
                signature: Some("sig".into()),
                ..Default::default()
            }),
            ChatEvent::text("yes"),
            ChatEvent::finished(FinishReason::Stop),
        ]);
        match &response.choices[0].message.parts[..] {
            [Part::Reasoning(block), Part::Text(text)] => {
                assert_eq!((block.text.as_str(), block.signature.as_deref()), ("hm", Some("sig")));
                assert_eq!(text.text, "yes");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_of_text_stay_apart_where_the_provider_keeps_them_so() {
        let response = fold(vec![
            ChatEvent::text("a"),
            ChatEvent::text("b"),
            ChatEvent::TextEnd { choice: 0 },
            ChatEvent::text("c"),
            ChatEvent::finished(FinishReason::Stop),
        ]);
        let texts: Vec<_> =
            response.choices[0].message.parts.iter().filter_map(Part::as_text).collect();
        assert_eq!(texts, ["ab", "c"]);
    }

    #[test]
    fn usage_is_merged_never_added() {
        let usage = |input, output| {
            ChatEvent::Usage(Usage {
                input_tokens: input,
                output_tokens: output,
                ..Default::default()
            })
        };
        let response = fold(vec![usage(Some(10), Some(1)), usage(None, Some(7))]);
        assert_eq!(response.usage.total_tokens(), Some(17));
    }
}
