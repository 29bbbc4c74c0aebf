//! [`Blocks`]: the content blocks of an answer, streamed or whole, into events.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{ChatEvent, Media, MediaSource, ModelError, Part, ReasoningDelta, ToolCallDelta};
use serde_json::{Map, Value};

use super::decoder::malformed;
use super::parse_message::{annotation, parse_image};
use super::wire::{Delta, ReasoningPiece};
use super::{ANSWER_TOOL, DIALECT};

/// The most bytes that wait in blocks which are only told whole (pictures, tools of the provider, signatures).
const MAX_WAITING: usize = 64 << 20;

/// The blocks of one answer so far.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Arguments of the answer's tool are text.
    pub(super) answers_by_tool: bool,
    /// Blocks that have not been closed yet, by the provider's number. Text needs none.
    open: BTreeMap<u32, Open>,
    calls: u32,
    has_answered: bool,
    waiting: usize,
}

#[derive(Debug)]
enum Open {
    /// A call of one of the caller's tools, by our number.
    Call(u32),
    /// The call that stands for the answer.
    Answer,
    /// A call of a tool of the provider: its fields, and the text of its input.
    ServerCall(Map<String, Value>, String),
    /// The result of one.
    ServerResult(Map<String, Value>, Vec<Value>),
    /// The signature and the encrypted form so far.
    Reasoning(String, String),
    Image(Map<String, Value>, Vec<u8>),
}

impl Blocks {
    /// Whether there were no calls but the one that stands for the answer.
    pub(super) fn has_only_answered(&self) -> bool {
        self.has_answered && self.calls == 0
    }

    /// A block begins. Only some kinds of blocks say so.
    pub(super) fn start(
        &mut self,
        index: u32,
        mut start: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        let mut take = |name: &str| match start.shift_remove(name) {
            Some(Value::Object(fields)) => Some(fields),
            _ => None,
        };
        let open = if let Some(call) = take("toolUse") {
            self.start_call(call, events)
        } else if let Some(result) = take("toolResult") {
            Open::ServerResult(result, Vec::new())
        } else if let Some(image) = take("image") {
            Open::Image(image, Vec::new())
        } else {
            return;
        };
        self.open.insert(index, open);
    }

    fn start_call(&mut self, mut call: Map<String, Value>, events: &mut Vec<ChatEvent>) -> Open {
        if is_server_call(&call) {
            return Open::ServerCall(call, String::new());
        }
        if self.answers_by_tool && call.get("name").is_some_and(|name| name == ANSWER_TOOL) {
            self.has_answered = true;
            return Open::Answer;
        }
        let mut text = |name: &str| match call.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (id, name) = (text("toolUseId"), text("name"));
        let index = self.calls;
        self.calls += 1;
        events.push(ChatEvent::ToolCall(ToolCallDelta {
            index,
            id,
            name,
            ..ToolCallDelta::default()
        }));
        Open::Call(index)
    }

    /// More of a block. `payload` is where `delta` was read from.
    pub(super) fn delta(
        &mut self,
        index: u32,
        delta: Delta,
        payload: &[u8],
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        if let Some(text) = delta.text {
            events.push(text_event(text));
        } else if let Some(piece) = delta.tool_use {
            self.arguments(index, piece.input, events)?;
        } else if let Some(piece) = delta.reasoning_content {
            self.reasoning(index, piece, events)?;
        } else if let Some(citation) = delta.citation {
            events.push(annotation_event(citation));
        } else if let Some(mut pieces) = delta.tool_result {
            self.wait(payload.len())?;
            if let Some(Open::ServerResult(_, content)) = self.open.get_mut(&index) {
                content.append(&mut pieces);
            }
        } else if let Some(piece) = delta.image {
            self.wait(payload.len())?;
            let data = piece.source.get("bytes").and_then(Value::as_str).unwrap_or_default();
            let more = decode_base64(data)?;
            let start = || Open::Image(Map::new(), Vec::new());
            if let Open::Image(_, bytes) = self.open.entry(index).or_insert_with(start) {
                bytes.extend_from_slice(&more);
            }
        } else {
            events.extend(unknown_delta(payload));
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        index: u32,
        piece: String,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        match self.open.get_mut(&index) {
            Some(Open::Call(call)) => {
                events.push(ChatEvent::ToolCall(ToolCallDelta {
                    index: *call,
                    arguments: piece,
                    ..ToolCallDelta::default()
                }));
                Ok(())
            }
            Some(Open::Answer) => {
                events.push(text_event(piece));
                Ok(())
            }
            Some(Open::ServerCall(_, input)) => {
                input.push_str(&piece);
                self.wait(piece.len())
            }
            _ => Err(malformed("arguments came for a tool call that had not begun")),
        }
    }

    /// Signatures and encrypted forms are told as far as they have come; the last telling holds all.
    fn reasoning(
        &mut self,
        index: u32,
        piece: ReasoningPiece,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        let mut event = ReasoningDelta { index, ..ReasoningDelta::default() };
        event.text = piece.text.unwrap_or_default();
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let sealed = length(&piece.signature) + length(&piece.redacted_content);
        if sealed > 0 {
            self.wait(sealed)?;
            let start = || Open::Reasoning(String::new(), String::new());
            if let Open::Reasoning(signature, redacted) =
                self.open.entry(index).or_insert_with(start)
            {
                if let Some(more) = piece.signature {
                    signature.push_str(&more);
                    event.signature = Some(signature.clone());
                }
                if let Some(more) = piece.redacted_content {
                    append_base64(redacted, more)?;
                    event.redacted = Some(redacted.clone());
                }
            }
        }
        events.push(ChatEvent::Reasoning(event));
        Ok(())
    }

    fn wait(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.waiting = self.waiting.saturating_add(bytes);
        if self.waiting > MAX_WAITING {
            return Err(malformed(format!("a block of the answer exceeds {MAX_WAITING} bytes")));
        }
        Ok(())
    }

    /// A block ends.
    pub(super) fn stop(&mut self, index: u32, events: &mut Vec<ChatEvent>) {
        if let Some(open) = self.open.remove(&index) {
            events.extend(close(open));
        }
    }

    /// Ends the blocks that nobody has ended.
    pub(super) fn stop_all(&mut self, events: &mut Vec<ChatEvent>) {
        events.extend(std::mem::take(&mut self.open).into_values().filter_map(close));
    }

    /// A block of a whole answer.
    pub(super) fn whole(
        &mut self,
        index: u32,
        mut block: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        if let Some(Value::String(text)) = block.get_mut("text") {
            return events.push(text_event(std::mem::take(text)));
        }
        match block.get_mut("toolUse") {
            Some(Value::Object(call)) if !is_server_call(call) => {
                return self.whole_call(std::mem::take(call), events);
            }
            _ => {}
        }
        if let Some(content) = block.get("reasoningContent") {
            return events.push(whole_reasoning(index, content));
        }
        if let Some(content) = block.get_mut("citationsContent") {
            return cited_text(content.take(), events);
        }
        if let Some(image) = block.get_mut("image").map(Value::take)
            && let Part::Image(media) = parse_image(image)
        {
            return events.push(ChatEvent::Media { choice: 0, media });
        }
        events.push(block_event(block.into()));
    }

    fn whole_call(&mut self, mut call: Map<String, Value>, events: &mut Vec<ChatEvent>) {
        let input = call.shift_remove("input").unwrap_or_else(|| Value::Object(Map::new()));
        let arguments = match input {
            Value::String(text) => text,
            input => input.to_string(),
        };
        match self.start_call(call, events) {
            Open::Answer => events.push(text_event(arguments)),
            Open::Call(index) => {
                if let Some(ChatEvent::ToolCall(delta)) = events.last_mut()
                    && delta.index == index
                {
                    delta.arguments = arguments;
                }
            }
            _ => {}
        }
    }
}

/// `type` is `tool_use` or absent for calls of the caller's tools.
fn is_server_call(call: &Map<String, Value>) -> bool {
    call.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "tool_use")
}

fn close(open: Open) -> Option<ChatEvent> {
    let block = |name: &str, fields: Map<String, Value>| {
        block_event(Map::from_iter([(name.to_owned(), fields.into())]).into())
    };
    match open {
        Open::Call(_) | Open::Answer | Open::Reasoning(..) => None,
        Open::ServerCall(mut call, input) => {
            let input = serde_json::from_str(&input).unwrap_or_else(|_| Value::Object(Map::new()));
            call.insert("input".into(), input);
            Some(block("toolUse", call))
        }
        Open::ServerResult(mut result, content) => {
            result.insert("content".into(), content.into());
            Some(block("toolResult", result))
        }
        Open::Image(start, bytes) => {
            let media_type = start.get("format").and_then(Value::as_str);
            let media = Media {
                media_type: media_type.map(|format| format!("image/{format}")),
                ..Media::new(MediaSource::Base64(STANDARD.encode(bytes)))
            };
            Some(ChatEvent::Media { choice: 0, media })
        }
    }
}

fn whole_reasoning(index: u32, content: &Value) -> ChatEvent {
    let text = |at: &str| content.pointer(at).and_then(Value::as_str).map(str::to_owned);
    ChatEvent::Reasoning(ReasoningDelta {
        index,
        text: text("/reasoningText/text").unwrap_or_default(),
        signature: text("/reasoningText/signature"),
        redacted: text("/redactedContent"),
        ..ReasoningDelta::default()
    })
}

/// `{"content": [{"text"}], "citations": [{…}]}`
fn cited_text(mut content: Value, events: &mut Vec<ChatEvent>) {
    let mut list = |name: &str| match content.get_mut(name).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    for piece in list("content") {
        if let Some(text) = piece.get("text").and_then(Value::as_str) {
            events.push(text_event(text.to_owned()));
        }
    }
    events.extend(list("citations").into_iter().map(annotation_event));
}

/// A delta of a kind that is not known here, to be given back as it is.
fn unknown_delta(payload: &[u8]) -> Option<ChatEvent> {
    let mut event: Value = serde_json::from_slice(payload).ok()?;
    let delta = event.get_mut("delta")?.take();
    let says_something = delta.as_object().is_some_and(|fields| !fields.is_empty());
    says_something.then(|| block_event(delta))
}

fn text_event(text: String) -> ChatEvent {
    ChatEvent::Text { choice: 0, text, signature: None }
}

fn annotation_event(citation: Value) -> ChatEvent {
    ChatEvent::Annotation { choice: 0, annotation: annotation(citation) }
}

fn block_event(value: Value) -> ChatEvent {
    ChatEvent::Block { choice: 0, dialect: DIALECT.to_owned(), value }
}

/// Puts base64 behind base64; each piece may have padding of its own.
fn append_base64(known: &mut String, more: String) -> Result<(), ModelError> {
    if known.is_empty() {
        *known = more;
        return Ok(());
    }
    let mut bytes = decode_base64(known)?;
    bytes.extend(decode_base64(&more)?);
    *known = STANDARD.encode(bytes);
    Ok(())
}

fn decode_base64(text: &str) -> Result<Vec<u8>, ModelError> {
    STANDARD.decode(text).map_err(|error| malformed("a block is no base64").with_source(error))
}
