//! [`ChoiceState`]: the deltas of one choice into events.

use llm_core::{AudioDelta, ChatEvent, FinishReason, Part, ReasoningDelta, ToolCallDelta};
use serde_json::{Map, Value};

use super::DIALECT;
use super::annotation::parse_annotation;
use super::parse_message::{media_from_url, reasoning_detail};
use super::wire::{AudioPiece, CallPiece, Delta, FunctionPiece};

/// One choice of an answer so far.
#[derive(Debug, Default)]
pub(super) struct ChoiceState {
    finish: Option<(FinishReason, Option<String>)>,
    calls: Vec<CallState>,
    /// What each block of reasoning is, by the number it was given here.
    blocks: Vec<BlockKey>,
}

#[derive(Debug)]
struct CallState {
    /// The provider's number for the call. Not unique: some number every parallel call 0.
    wire_index: Option<u32>,
    id: String,
    is_named: bool,
}

/// What tells blocks of reasoning apart: providers number them per type.
#[derive(Clone, Debug, Default, PartialEq)]
struct BlockKey {
    kind: String,
    index: Option<u64>,
}

impl ChoiceState {
    /// Appends what a delta (or a whole message) says.
    pub(super) fn delta(
        &mut self,
        choice: u32,
        answer_id: &str,
        delta: Delta,
        events: &mut Vec<ChatEvent>,
    ) {
        self.reasoning(
            choice,
            delta.reasoning_details,
            [delta.reasoning_content, delta.reasoning],
            events,
        );
        content(choice, delta.content, events);
        if let Some(text) = delta.refusal.filter(|text| !text.is_empty()) {
            events.push(ChatEvent::Refusal { choice, text });
        }
        for call in delta.tool_calls.unwrap_or_default() {
            self.call(choice, answer_id, call, events);
        }
        if let Some(function) = delta.function_call {
            let call = CallPiece {
                index: Some(0),
                id: None,
                kind: None,
                function: Some(function),
                extra: Map::new(),
            };
            self.call(choice, answer_id, call, events);
        }
        for annotation in delta.annotations.unwrap_or_default() {
            events.push(ChatEvent::Annotation { choice, annotation: parse_annotation(annotation) });
        }
        if let Some(piece) = delta.audio {
            events.push(ChatEvent::Audio(audio(choice, piece)));
        }
        for picture in delta.images.unwrap_or_default() {
            events.push(image(choice, picture));
        }
    }

    fn reasoning(
        &mut self,
        choice: u32,
        details: Option<Vec<Value>>,
        texts: [Value; 2],
        events: &mut Vec<ChatEvent>,
    ) {
        let mut details_have_text = false;
        for detail in details.unwrap_or_default() {
            let index = detail.get("index").and_then(Value::as_u64);
            let Part::Reasoning(block) = reasoning_detail(detail) else {
                continue;
            };
            details_have_text |= !block.text.is_empty();
            let kind = block.extra.get("type").and_then(Value::as_str).unwrap_or_default();
            let key = BlockKey { kind: kind.to_owned(), index };
            events.push(ChatEvent::Reasoning(ReasoningDelta {
                choice,
                index: self.block(key),
                text: block.text,
                signature: block.signature,
                redacted: block.redacted,
                id: block.id,
                extra: block.extra,
            }));
        }
        if details_have_text {
            return;
        }
        let text = texts.into_iter().find_map(|text| match text {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        });
        if let Some(text) = text {
            let index = self.block(BlockKey::default());
            events.push(ChatEvent::Reasoning(ReasoningDelta {
                choice,
                index,
                text,
                ..ReasoningDelta::default()
            }));
        }
    }

    /// Our number for a block of reasoning.
    fn block(&mut self, key: BlockKey) -> u32 {
        let known = self.blocks.iter().position(|known| *known == key);
        known.unwrap_or_else(|| {
            self.blocks.push(key);
            self.blocks.len() - 1
        }) as u32
    }

    fn call(
        &mut self,
        choice: u32,
        answer_id: &str,
        piece: CallPiece,
        events: &mut Vec<ChatEvent>,
    ) {
        if piece.kind.as_deref().is_some_and(|kind| !matches!(kind, "function" | "")) {
            return events.push(other_call(choice, piece));
        }
        let FunctionPiece { name, arguments } = piece.function.unwrap_or_default();
        let id = piece.id.filter(|id| !id.is_empty());
        let name = name.filter(|name| !name.is_empty());
        let arguments = match arguments {
            Value::Null => String::new(),
            Value::String(text) => text,
            object => object.to_string(),
        };
        let known = self.known_call(piece.index, id.as_deref(), name.is_some());
        let at = known.unwrap_or(self.calls.len());
        let mut delta = ToolCallDelta {
            choice,
            index: at as u32,
            arguments,
            extra: piece.extra,
            ..ToolCallDelta::default()
        };
        if at == self.calls.len() {
            let id = id.unwrap_or_else(|| format!("call_{answer_id}_{choice}_{at}"));
            delta.id = Some(id.clone());
            self.calls.push(CallState { wire_index: piece.index, id, is_named: false });
        }
        if let Some(state) = self.calls.get_mut(at)
            && !state.is_named
            && name.is_some()
        {
            state.is_named = true;
            delta.name = name;
        }
        events.push(ChatEvent::ToolCall(delta));
    }

    /// Which call a piece goes on with; `None` when it begins a new one.
    fn known_call(
        &self,
        wire_index: Option<u32>,
        id: Option<&str>,
        is_named: bool,
    ) -> Option<usize> {
        let at = match (wire_index, id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.wire_index == wire_index),
            (None, Some(id)) => self.calls.iter().position(|call| call.id == id),
            (None, None) if is_named => None,
            (None, None) => self.calls.len().checked_sub(1),
        }?;
        // A new id together with a name is another call, even under a number that was used before.
        let is_other =
            is_named && id.is_some_and(|id| self.calls.get(at).is_some_and(|call| call.id != id));
        (!is_other).then_some(at)
    }

    /// Notes why the choice ended, if this chunk tells. The last word counts.
    pub(super) fn finish(&mut self, word: Option<&str>, older_word: Option<&str>) {
        let word = word.filter(|word| !word.is_empty());
        if let Some(known) = word.or(older_word) {
            self.finish = Some((finish_reason(known), word.map(str::to_owned)));
        }
    }

    /// The end of this choice, if the provider told one.
    pub(super) fn finished(&mut self, choice: u32) -> Option<ChatEvent> {
        let (reason, raw) = self.finish.take()?;
        let waits_for_tools = reason == FinishReason::Stop && !self.calls.is_empty();
        let reason = if waits_for_tools { FinishReason::ToolCalls } else { reason };
        Some(ChatEvent::Finished { choice, reason, raw })
    }
}

/// Text, or a list of parts as some providers send it.
fn content(choice: u32, content: Value, events: &mut Vec<ChatEvent>) {
    let text_event = |text| ChatEvent::Text { choice, text, signature: None };
    match content {
        Value::String(text) if !text.is_empty() => events.push(text_event(text)),
        Value::Array(parts) => {
            for part in parts {
                match part.get("type").and_then(Value::as_str) {
                    Some("text") => {
                        let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
                        events.push(text_event(text.to_owned()));
                    }
                    Some("thinking") => events.push(ChatEvent::Reasoning(ReasoningDelta {
                        choice,
                        ..ReasoningDelta::text(thinking_text(&part))
                    })),
                    _ => {
                        let dialect = DIALECT.to_owned();
                        events.push(ChatEvent::Block { choice, dialect, value: part });
                    }
                }
            }
        }
        _ => {}
    }
}

/// `{"type": "thinking", "thinking": [{"type": "text", "text": …}]}`, or with a plain string.
fn thinking_text(part: &Value) -> String {
    match part.get("thinking") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(pieces)) => {
            pieces.iter().filter_map(|piece| piece.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

/// A call of a tool that is no function, whole.
fn other_call(choice: u32, piece: CallPiece) -> ChatEvent {
    let mut value = piece.extra;
    value.insert("type".into(), piece.kind.into());
    value.insert("id".into(), piece.id.into());
    ChatEvent::Block { choice, dialect: DIALECT.to_owned(), value: value.into() }
}

fn audio(choice: u32, piece: AudioPiece) -> AudioDelta {
    AudioDelta {
        choice,
        id: piece.id,
        data: piece.data.unwrap_or_default(),
        transcript: piece.transcript.unwrap_or_default(),
        expires_at: piece.expires_at,
    }
}

fn image(choice: u32, picture: Value) -> ChatEvent {
    match picture.pointer("/image_url/url").and_then(Value::as_str) {
        Some(url) => ChatEvent::Media { choice, media: media_from_url(url.to_owned()) },
        None => ChatEvent::Block { choice, dialect: DIALECT.to_owned(), value: picture },
    }
}

/// The reason that a provider's word means.
fn finish_reason(word: &str) -> FinishReason {
    const WORDS: [(&str, FinishReason); 22] = [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("eos_token", FinishReason::Stop),
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("complete", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("max_tokens", FinishReason::Length),
        ("model_length", FinishReason::Length),
        ("tool_calls", FinishReason::ToolCalls),
        ("tool_call", FinishReason::ToolCalls),
        ("tool_use", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("content-filter", FinishReason::ContentFilter),
        ("safety", FinishReason::ContentFilter),
        ("sensitive", FinishReason::ContentFilter),
        ("recitation", FinishReason::ContentFilter),
        ("refusal", FinishReason::Refusal),
        ("error", FinishReason::Error),
        ("network_error", FinishReason::Error),
        ("insufficient_system_resource", FinishReason::Error),
    ];
    WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map_or(FinishReason::Other, |(_, reason)| *reason)
}
