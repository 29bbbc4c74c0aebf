//! [`MessageDecoder`]: the events of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use std::collections::BTreeMap;

use llm_core::{
    ChatEvent, ErrorKind, Extra, FinishReason, ModelError, Operation, ReasoningDelta, Started,
};
use serde_json::{Map, Value};

use super::block::{self, Counters, OpenBlock};
use super::errors;
use super::usage::{merge, parse_usage};
use super::wire::{Delta, Event};
use crate::answer::AnswerDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Blocks that may be open at once. Providers send one after the other.
const MAX_OPEN: usize = 64;

/// Bytes that may wait in the blocks that are told whole.
const MAX_WAITING: usize = 16 << 20;

/// Decodes one answer. Feed it the events of a stream ([`EventDecoder::push`]) or a whole body
/// ([`MessageDecoder::whole`]).
///
/// - Two blocks of text are kept apart by [`ChatEvent::TextEnd`]; their citations are
///   [`Annotation::Other`](llm_core::Annotation::Other), to be given back as they are.
/// - `thinking` and `redacted_thinking` become [`ChatEvent::Reasoning`], one index a block; `tool_use` becomes
///   [`ChatEvent::ToolCall`]; all other blocks (server tools and their results, `fallback`, `compaction` …) are told whole
///   as [`ChatEvent::Block`].
/// - Usage is told at the beginning and whenever it changes, merged over both.
/// - `stop_sequence`, `stop_details`, `container`, `context_management` and other fields of the message are told as
///   [`ChatEvent::Extra`].
/// - Events and deltas without a name here are passed over, as the documentation asks. A stream without `message_stop` is
///   an error.
#[derive(Debug, Default)]
pub struct MessageDecoder {
    request_id: Option<String>,
    has_begun: bool,
    /// The provider said that this was all.
    has_ended: bool,
    open: BTreeMap<u32, OpenBlock>,
    counters: Counters,
    usage: Map<String, Value>,
    stop_reason: Option<String>,
    waiting: usize,
}

impl MessageDecoder {
    /// A decoder for one answer. `request_id` is the provider's id of the request, from the headers.
    pub fn new(request_id: Option<String>) -> Self {
        Self { request_id, ..Self::default() }
    }

    /// Decodes a body that is a whole answer. Gives the events, and how the answer ended after them.
    ///
    /// # Errors
    /// The failure that the body tells; `Malformed` when it is no message.
    pub fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let result = self.message(body, &mut events).and_then(|()| {
            self.has_ended = true;
            self.end(&mut events)
        });
        (events, result)
    }

    fn message(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let body: Value = serde_json::from_slice(body).map_err(|error| {
            malformed(format!("this is no message: {}", snippet(&String::from_utf8_lossy(body))))
                .with_source(error)
        })?;
        let is_failure = body.get("type").is_some_and(|kind| kind == "error")
            || body.get("content").is_none() && body.get("error").is_some();
        if is_failure {
            return Err(self.failed(&body));
        }
        match body {
            Value::Object(message) if message.get("content").is_some_and(Value::is_array) => {
                self.begin(message, events);
                Ok(())
            }
            _ => Err(malformed("the answer has no content")),
        }
    }

    /// Takes a message: the head of a stream, or the whole.
    fn begin(&mut self, mut message: Map<String, Value>, events: &mut Vec<ChatEvent>) {
        let mut text = |name: &str| match message.shift_remove(name) {
            Some(Value::String(text)) => Some(text).filter(|text| !text.is_empty()),
            _ => None,
        };
        let (id, model) = (text("id"), text("model"));
        self.stop_reason = text("stop_reason").or(self.stop_reason.take());
        let request_id = self.request_id.clone();
        if !std::mem::replace(&mut self.has_begun, true) {
            events.push(ChatEvent::Started(Started { id, model, created: None, request_id }));
        }
        let blocks = match message.shift_remove("content") {
            Some(Value::Array(blocks)) => blocks,
            _ => Vec::new(),
        };
        for block in blocks {
            if let Value::Object(block) = block {
                OpenBlock::start(block, &mut self.counters, events).stop(events);
            }
        }
        let usage = message.shift_remove("usage");
        for name in ["type", "role"] {
            message.shift_remove(name);
        }
        tell(message, events);
        self.usage(usage, events);
    }

    fn usage(&mut self, usage: Option<Value>, events: &mut Vec<ChatEvent>) {
        let Some(Value::Object(later)) = usage else {
            return;
        };
        let before = self.usage.clone();
        merge(&mut self.usage, later);
        if self.usage != before
            && let Some(usage) = parse_usage(Value::Object(self.usage.clone()))
        {
            events.push(ChatEvent::Usage(usage));
        }
    }

    /// Takes one event of a stream.
    fn decode(
        &mut self,
        name: &str,
        data: &str,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let unreadable = |error: serde_json::Error| {
            malformed(format!("this is no event of a message: {}", snippet(data)))
                .with_source(error)
        };
        let event: Event<'_> = serde_json::from_str(data).map_err(unreadable)?;
        let kind = event.kind.as_ref().map_or(name, |kind| &*kind.0);
        match kind {
            "content_block_delta" => {
                let delta = match event.delta {
                    Some(delta) => self.delta(event.index, delta, events),
                    None => None,
                };
                if let Some(index) = delta {
                    self.other_delta(index, read(data).map_err(unreadable)?, events);
                }
                self.check_waiting()?;
            }
            "content_block_start" => {
                let mut event = read(data).map_err(unreadable)?;
                if let Some(Value::Object(block)) = event.shift_remove("content_block") {
                    self.start(index_of(&event), block, events)?;
                }
            }
            "content_block_stop" => {
                let block = self.key(event.index).and_then(|index| self.open.remove(&index));
                if let Some(block) = block {
                    self.waiting = self.waiting.saturating_sub(block.waiting());
                    block.stop(events);
                }
            }
            "message_start" => {
                let mut event = read(data).map_err(unreadable)?;
                if let Some(Value::Object(message)) = event.shift_remove("message") {
                    self.begin(message, events);
                }
            }
            "message_delta" => self.message_delta(read(data).map_err(unreadable)?, events),
            "message_stop" => {
                self.has_ended = true;
                return Ok(Progress::Done);
            }
            "ping" => {}
            _ => {
                let event = read(data).map_err(unreadable)?;
                if kind == "error" || event.contains_key("error") {
                    return Err(self.failed(&Value::Object(event)));
                }
                tracing::debug!(kind, "an event without a name here");
            }
        }
        Ok(Progress::More)
    }

    fn start(
        &mut self,
        index: Option<u32>,
        block: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        let index = index.or_else(|| self.open.keys().last().map(|last| last.saturating_add(1)));
        let index = index.unwrap_or(0);
        if let Some(former) = self.open.remove(&index) {
            former.stop(events);
        }
        if self.open.len() >= MAX_OPEN {
            return Err(malformed("too many blocks are open at once"));
        }
        self.open.insert(index, OpenBlock::start(block, &mut self.counters, events));
        Ok(())
    }

    /// Takes a piece of a block. Gives the block's index back where the piece has no name here.
    fn delta(
        &mut self,
        index: Option<u32>,
        delta: Delta<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Option<Option<u32>> {
        let key = self.key(index);
        let block = key.and_then(|key| self.open.get_mut(&key));
        match delta.kind.as_ref().map(|kind| &*kind.0) {
            // Text goes through even where a server leaves the block's start out.
            Some("text_delta") if !matches!(block, Some(OpenBlock::Other { .. })) => {
                block::text(delta.text.unwrap_or_default(), events);
            }
            Some("input_json_delta") => {
                let piece = delta.partial_json.unwrap_or_default();
                if let Some(block) = block {
                    let before = block.waiting();
                    block.input(piece, events);
                    self.waiting += block.waiting() - before;
                }
            }
            Some("thinking_delta" | "signature_delta") => {
                let index = match block {
                    Some(OpenBlock::Thinking(index)) => *index,
                    _ => 0,
                };
                let delta = ReasoningDelta {
                    index,
                    text: delta.thinking.unwrap_or_default(),
                    signature: delta.signature,
                    ..ReasoningDelta::default()
                };
                block::reasoning(delta, events);
            }
            _ => return Some(index),
        }
        None
    }

    fn other_delta(
        &mut self,
        index: Option<u32>,
        mut event: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        let Some(Value::Object(mut delta)) = event.shift_remove("delta") else {
            return;
        };
        if let Some(source) = delta.shift_remove("citation") {
            return block::citation(source, events);
        }
        if let Some(block) = self.key(index).and_then(|key| self.open.get_mut(&key)) {
            self.waiting += serde_json::to_string(&delta).map_or(0, |text| text.len());
            block.other(delta);
        }
    }

    fn check_waiting(&self) -> Result<(), ModelError> {
        if self.waiting > MAX_WAITING {
            return Err(malformed(format!("a block is longer than {MAX_WAITING} bytes")));
        }
        Ok(())
    }

    /// The block that an index means; without one, the last.
    fn key(&self, index: Option<u32>) -> Option<u32> {
        index.or_else(|| self.open.keys().last().copied())
    }

    fn message_delta(&mut self, mut event: Map<String, Value>, events: &mut Vec<ChatEvent>) {
        if let Some(Value::Object(mut delta)) = event.shift_remove("delta") {
            if let Some(Value::String(reason)) = delta.shift_remove("stop_reason") {
                self.stop_reason = Some(reason);
            }
            tell(delta, events);
        }
        let usage = event.shift_remove("usage");
        event.shift_remove("type");
        tell(event, events);
        self.usage(usage, events);
    }

    fn failed(&self, body: &Value) -> ModelError {
        let failure = errors::from_body(Operation::Chat, None, body);
        match &self.request_id {
            Some(id) if failure.request_id().is_none() => failure.with_request_id(id),
            _ => failure,
        }
    }
}

impl AnswerDecoder for MessageDecoder {
    fn whole(self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        MessageDecoder::whole(self, body)
    }
}

impl EventDecoder for MessageDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let data = event.data.trim();
        // Some servers of this dialect end their streams as those of OpenAI's do.
        if data.is_empty() || data == "[DONE]" {
            return Ok(Progress::More);
        }
        self.decode(&event.name, data, events)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if !self.has_begun {
            return Err(malformed("the answer ended before it began"));
        }
        if !self.has_ended {
            return Err(malformed("the stream ended in the middle of the answer"));
        }
        // A server that does not end its blocks has said all of them nevertheless.
        for block in std::mem::take(&mut self.open).into_values() {
            block.stop(events);
        }
        let raw = self.stop_reason.take();
        let reason = raw.as_deref().map_or(FinishReason::Other, finish_reason);
        events.push(ChatEvent::Finished { choice: 0, reason, raw });
        Ok(())
    }
}

/// The reason that a word of the provider means.
fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        "pause_turn" | "compaction" => FinishReason::Paused,
        _ => FinishReason::Other,
    }
}

/// Tells fields of the whole answer, those that say something.
fn tell(mut fields: Extra, events: &mut Vec<ChatEvent>) {
    fields.retain(|_, value| !value.is_null());
    if !fields.is_empty() {
        events.push(ChatEvent::Extra { fields });
    }
}

fn read(data: &str) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_str(data)
}

fn index_of(event: &Map<String, Value>) -> Option<u32> {
    event.get("index")?.as_u64()?.try_into().ok()
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

/// The beginning of a text, for messages.
fn snippet(text: &str) -> &str {
    text.char_indices().nth(120).map_or(text, |(end, _)| &text[..end])
}
