//! [`OpenBlock`]: a block of an answer whose end has not come yet.

use llm_core::{Annotation, ChatEvent, ReasoningDelta, ToolCallDelta};
use serde_json::{Map, Value};

use super::DIALECT;

/// A block in the making, and what its deltas mean.
#[derive(Debug)]
pub(super) enum OpenBlock {
    Text,
    /// Our number of the reasoning block.
    Thinking(u32),
    /// A tool that the caller runs.
    ToolUse {
        /// Our number of the call.
        call: u32,
        /// The input that came with the start; it stands unless deltas bring one.
        input: Value,
        has_arguments: bool,
    },
    /// Any other block. It is told whole, when it ends.
    Other {
        fields: Map<String, Value>,
        /// The pieces of its input so far.
        input: String,
    },
}

/// What has been counted over the blocks of one answer.
#[derive(Debug, Default)]
pub(super) struct Counters {
    thinking: u32,
    calls: u32,
    /// The last block was text, so text that follows is another part.
    after_text: bool,
}

impl OpenBlock {
    /// Begins the block that `start` describes and tells what it holds already (all of it, in a whole answer).
    pub(super) fn start(
        mut start: Map<String, Value>,
        counters: &mut Counters,
        events: &mut Vec<ChatEvent>,
    ) -> Self {
        let after_text = std::mem::take(&mut counters.after_text);
        match start.get("type").and_then(Value::as_str) {
            Some("text") => {
                if after_text {
                    events.push(ChatEvent::TextEnd { choice: 0 });
                }
                counters.after_text = true;
                text(take_text(&mut start, "text"), events);
                if let Some(Value::Array(citations)) = start.shift_remove("citations") {
                    citations.into_iter().for_each(|source| citation(source, events));
                }
                OpenBlock::Text
            }
            Some("thinking") => {
                let index = next(&mut counters.thinking);
                let delta = ReasoningDelta {
                    index,
                    text: take_text(&mut start, "thinking"),
                    signature: Some(take_text(&mut start, "signature")),
                    ..ReasoningDelta::default()
                };
                reasoning(delta, events);
                OpenBlock::Thinking(index)
            }
            Some("redacted_thinking") => {
                let index = next(&mut counters.thinking);
                let redacted = Some(take_text(&mut start, "data"));
                events.push(ChatEvent::Reasoning(ReasoningDelta {
                    index,
                    redacted,
                    ..ReasoningDelta::default()
                }));
                OpenBlock::Thinking(index)
            }
            Some("tool_use") => {
                let call = next(&mut counters.calls);
                let (id, name) = (take_text(&mut start, "id"), take_text(&mut start, "name"));
                let input = start.shift_remove("input").unwrap_or_default();
                start.shift_remove("type");
                start.retain(|_, value| !value.is_null());
                events.push(ChatEvent::ToolCall(ToolCallDelta {
                    index: call,
                    id: Some(id),
                    name: Some(name),
                    extra: start,
                    ..ToolCallDelta::default()
                }));
                OpenBlock::ToolUse { call, input, has_arguments: false }
            }
            _ => OpenBlock::Other { fields: start, input: String::new() },
        }
    }

    /// Takes more of the arguments of a tool.
    pub(super) fn input(&mut self, piece: String, events: &mut Vec<ChatEvent>) {
        match self {
            OpenBlock::ToolUse { call, has_arguments, .. } if !piece.is_empty() => {
                *has_arguments = true;
                events.push(arguments(*call, piece));
            }
            OpenBlock::Other { input, .. } => input.push_str(&piece),
            _ => {}
        }
    }

    /// Takes a delta without a name here: its texts are appended to those of the block, its other fields replace them.
    pub(super) fn other(&mut self, delta: Map<String, Value>) {
        let OpenBlock::Other { fields, .. } = self else {
            return;
        };
        for (name, value) in delta {
            match (fields.get_mut(&name), value) {
                _ if name == "type" => {}
                (Some(Value::String(known)), Value::String(more)) => known.push_str(&more),
                (_, value) => {
                    fields.insert(name, value);
                }
            }
        }
    }

    /// How many bytes wait in it.
    pub(super) fn waiting(&self) -> usize {
        match self {
            OpenBlock::Other { input, .. } => input.len(),
            _ => 0,
        }
    }

    /// Ends it and tells what has waited for that.
    pub(super) fn stop(self, events: &mut Vec<ChatEvent>) {
        match self {
            OpenBlock::Text | OpenBlock::Thinking(_) => {}
            OpenBlock::ToolUse { has_arguments: true, .. } => {}
            OpenBlock::ToolUse { call, input, .. } => {
                // Callers parse arguments as JSON, so "none" is an empty object and not an empty text.
                let text = if input.is_null() { "{}".to_owned() } else { input.to_string() };
                events.push(arguments(call, text));
            }
            OpenBlock::Other { mut fields, input } => {
                if !input.is_empty() {
                    let input = serde_json::from_str(&input).unwrap_or(Value::String(input));
                    fields.insert("input".into(), input);
                }
                events.push(ChatEvent::Block {
                    choice: 0,
                    dialect: DIALECT.to_owned(),
                    value: fields.into(),
                });
            }
        }
    }
}

/// Tells text, if there is any.
pub(super) fn text(text: String, events: &mut Vec<ChatEvent>) {
    if !text.is_empty() {
        events.push(ChatEvent::text(text));
    }
}

/// Tells a source of the open text. They come back in later turns as they are, so they stay as they came.
pub(super) fn citation(value: Value, events: &mut Vec<ChatEvent>) {
    events.push(ChatEvent::Annotation { choice: 0, annotation: Annotation::Other { value } });
}

/// Tells thinking, if there is any; an empty signature is none.
pub(super) fn reasoning(mut delta: ReasoningDelta, events: &mut Vec<ChatEvent>) {
    delta.signature = delta.signature.filter(|signature| !signature.is_empty());
    if !delta.text.is_empty() || delta.signature.is_some() {
        events.push(ChatEvent::Reasoning(delta));
    }
}

fn arguments(call: u32, arguments: String) -> ChatEvent {
    ChatEvent::ToolCall(ToolCallDelta { index: call, arguments, ..ToolCallDelta::default() })
}

fn next(counter: &mut u32) -> u32 {
    let number = *counter;
    *counter = counter.saturating_add(1);
    number
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> String {
    match fields.shift_remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}
