//! [`ChatDecoder`]: the lines of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use llm_core::{
    ChatEvent, ErrorKind, FinishReason, Media, MediaSource, ModelError, Operation, ReasoningDelta,
    Started, ToolCallDelta,
};
use serde_json::{Value, json};

use super::errors;
use super::usage::parse_usage;
use super::wire::{Chunk, Message, ToolCall};
use crate::answer::AnswerDecoder;
use crate::call_id;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Ollama's words for the end of an answer, and what they mean. `load` and `unload` answer a request without messages,
/// which only moves the model in or out of memory.
const REASONS: &[(&str, FinishReason)] =
    &[("stop", FinishReason::Stop), ("length", FinishReason::Length)];

/// Decodes one answer of `/api/chat` or `/api/generate`. Feed it the lines of a stream ([`EventDecoder::push`], through
/// [`decode_lines`](crate::stream::decode_lines)) or a whole body, which may also be the lines of a stream
/// ([`AnswerDecoder::whole`]).
///
/// - Calls of tools come whole; one without an id gets one made from the time of the answer and its number. `stop` after
///   calls is read as `ToolCalls`.
/// - Durations, and the `context` of completions, are told as they came.
/// - A stream that ends without a line that is `done` is an error.
#[derive(Debug, Default)]
pub struct ChatDecoder {
    request_id: Option<String>,
    /// When the answer began, as the server wrote it; `None` until then.
    began: Option<String>,
    /// The block of reasoning that is open, and how many there have been.
    open_reasoning: Option<u32>,
    reasoning_blocks: u32,
    calls: u32,
    is_done: bool,
}

impl ChatDecoder {
    /// A decoder for one answer. `request_id` is the server's id of the request, from the headers, if it gives one.
    pub fn new(request_id: Option<String>) -> Self {
        Self { request_id, ..Self::default() }
    }

    fn chunk(&mut self, chunk: Chunk, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if !chunk.error.is_null() {
            return Err(self.named(errors::from_line(chunk.error)));
        }
        self.begin(&chunk, events);
        self.reasoning(chunk.thinking, events);
        self.text(chunk.response, events);
        if let Some(message) = chunk.message {
            self.message(message, events);
        }
        if !chunk.logprobs.is_null() {
            let value = json!({ "content": chunk.logprobs });
            events.push(ChatEvent::Logprobs { choice: 0, value });
        }
        let mut fields = chunk.extra;
        events.extend(parse_usage(&mut fields).map(ChatEvent::Usage));
        fields.retain(|_, value| !value.is_null());
        if !fields.is_empty() {
            events.push(ChatEvent::Extra { fields });
        }
        if chunk.done == Some(true) && !self.is_done {
            self.is_done = true;
            events.push(self.finished(chunk.done_reason));
        }
        Ok(())
    }

    /// Tells that the answer began.
    fn begin(&mut self, chunk: &Chunk, events: &mut Vec<ChatEvent>) {
        if self.began.is_some() {
            return;
        }
        let at = chunk.created_at.clone().unwrap_or_default();
        let created = at.parse::<jiff::Timestamp>().ok().map(|at| at.as_second());
        self.began = Some(at);
        let (model, request_id) = (chunk.model.clone(), self.request_id.clone());
        events.push(ChatEvent::Started(Started { id: None, model, created, request_id }));
    }

    fn message(&mut self, message: Message, events: &mut Vec<ChatEvent>) {
        self.reasoning(message.thinking, events);
        self.text(message.content, events);
        for data in message.images.unwrap_or_default() {
            let media = Media::new(MediaSource::Base64(data));
            events.push(ChatEvent::Media { choice: 0, media });
        }
        for call in message.tool_calls.unwrap_or_default() {
            let call = self.call(call);
            events.push(call);
        }
    }

    fn reasoning(&mut self, text: Option<String>, events: &mut Vec<ChatEvent>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return;
        };
        let index = *self.open_reasoning.get_or_insert_with(|| {
            self.reasoning_blocks += 1;
            self.reasoning_blocks - 1
        });
        events.push(ChatEvent::Reasoning(ReasoningDelta {
            index,
            text,
            ..ReasoningDelta::default()
        }));
    }

    fn text(&mut self, text: Option<String>, events: &mut Vec<ChatEvent>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.open_reasoning = None;
            events.push(ChatEvent::text(text));
        }
    }

    /// Calls are numbered as they come: the server's own numbers begin anew with each line, or are missing.
    fn call(&mut self, call: ToolCall) -> ChatEvent {
        self.open_reasoning = None;
        let index = self.calls;
        self.calls += 1;
        let made = || call_id::make(self.began.as_deref().unwrap_or_default(), index as usize);
        let arguments = match call.function.arguments {
            Value::Null => "{}".to_owned(),
            Value::String(text) => text,
            arguments => arguments.to_string(),
        };
        ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: Some(call.id.filter(|id| !id.is_empty()).unwrap_or_else(made)),
            name: Some(call.function.name.unwrap_or_default()),
            arguments,
            ..ToolCallDelta::default()
        })
    }

    fn finished(&self, raw: Option<String>) -> ChatEvent {
        let known = raw.as_deref().map(|raw| REASONS.iter().find(|(word, _)| *word == raw));
        let reason = match known {
            // Servers before 0.1.40 do not tell.
            None => FinishReason::Stop,
            Some(known) => known.map_or(FinishReason::Other, |(_, reason)| *reason),
        };
        let reason = match reason {
            FinishReason::Stop if self.calls > 0 => FinishReason::ToolCalls,
            reason => reason,
        };
        ChatEvent::Finished { choice: 0, reason, raw }
    }

    fn named(&self, error: ModelError) -> ModelError {
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

impl EventDecoder for ChatDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let chunk = serde_json::from_str(&event.data)
            .map_err(|error| no_answer(event.data.as_bytes(), error))?;
        self.chunk(chunk, events)?;
        Ok(if self.is_done { Progress::Done } else { Progress::More })
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if self.is_done {
            return Ok(());
        }
        let message = match self.began {
            Some(_) => "the stream ended in the middle of the answer",
            None => "the answer ended before it began",
        };
        Err(self.named(malformed(message)))
    }
}

impl AnswerDecoder for ChatDecoder {
    fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let mut decode = || {
            for chunk in serde_json::Deserializer::from_slice(body).into_iter() {
                self.chunk(chunk.map_err(|error| no_answer(body, error))?, &mut events)?;
            }
            self.end(&mut events)
        };
        let result = decode();
        (events, result)
    }
}

fn no_answer(data: &[u8], error: serde_json::Error) -> ModelError {
    let text = String::from_utf8_lossy(data);
    let beginning = text.char_indices().nth(120).map_or(&*text, |(end, _)| &text[..end]);
    malformed(format!("this is no answer of Ollama: {beginning}")).with_source(error)
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}
