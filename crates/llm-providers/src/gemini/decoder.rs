//! [`ChatDecoder`]: the chunks of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use std::collections::BTreeMap;

use llm_core::{ChatEvent, ErrorKind, Extra, ModelError, Operation, Started};
use serde_json::{Value, json};

use super::candidate::CandidateState;
use super::errors;
use super::usage::parse_usage;
use super::wire::{Candidate, Chunk};
use crate::answer::AnswerDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Decodes one answer. Feed it the events of a stream ([`EventDecoder::push`]) or a whole body
/// ([`ChatDecoder::whole`]).
///
/// - Usage is told whenever it changes; Gemini repeats its running totals on every chunk.
/// - A candidate finishes once, at the end, with the last reason that came. `STOP` after calls of functions is read as
///   `ToolCalls`.
/// - Calls of functions come whole; one without an id gets one made from the answer's id and its number.
/// - A prompt that was blocked is an error of kind `ContentFilter`, told after the usage.
/// - There is no end mark: a stream that ends without a finish reason for every candidate is an error.
#[derive(Debug, Default)]
pub struct ChatDecoder {
    request_id: Option<String>,
    /// The provider's id of the answer; `None` until it has begun.
    id: Option<String>,
    /// The body was one whole answer, so that a missing finish reason does not mean a missing rest.
    is_whole: bool,
    candidates: BTreeMap<u32, CandidateState>,
    /// How many calls of functions there were, in all candidates.
    calls: usize,
    usage: Value,
    /// Fields of the whole answer that have been told, so that each is told once.
    told: Extra,
}

impl ChatDecoder {
    /// A decoder for one answer. `request_id` is the provider's id of the request, from the headers.
    pub fn new(request_id: Option<String>) -> Self {
        Self { request_id, ..Self::default() }
    }

    /// Decodes a body that is a whole answer: one object, or the array of chunks that a stream is when it was not asked
    /// for as server-sent events. Gives the events, and how the answer ended after them.
    ///
    /// # Errors
    /// The failure that the body tells; `Malformed` when it is no answer.
    pub fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let result = self.whole_body(body, &mut events).and_then(|()| self.end(&mut events));
        (events, result)
    }

    fn whole_body(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if !is_array {
            self.is_whole = true;
            return self.chunk(read(body)?, events);
        }
        let chunks: Vec<Chunk> = read(body)?;
        chunks.into_iter().try_for_each(|chunk| self.chunk(chunk, events))
    }

    fn chunk(&mut self, mut chunk: Chunk, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if !chunk.error.is_null() {
            return Err(self.failed(&json!({ "error": chunk.error })));
        }
        self.begin(&chunk, events);
        let block = block_reason(&chunk.prompt_feedback);
        if block.is_none() && !chunk.prompt_feedback.is_null() {
            chunk.extra.insert("promptFeedback".to_owned(), chunk.prompt_feedback.take());
        }
        self.whole_fields(chunk.extra, events);
        let candidates = chunk.candidates.unwrap_or_default();
        for (position, candidate) in candidates.into_iter().enumerate() {
            self.candidate(position as u32, candidate, events);
        }
        self.usage(chunk.usage_metadata, events);
        match block {
            Some(reason) => Err(self.blocked(&reason, &chunk.prompt_feedback)),
            None => Ok(()),
        }
    }

    /// Tells that the answer began.
    fn begin(&mut self, chunk: &Chunk, events: &mut Vec<ChatEvent>) {
        if self.id.is_some() {
            return;
        }
        let non_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (id, model) = (non_empty(&chunk.response_id), non_empty(&chunk.model_version));
        if id.is_none() && chunk.candidates.is_none() && chunk.prompt_feedback.is_null() {
            return;
        }
        self.id = Some(id.clone().unwrap_or_default());
        let request_id = self.request_id.clone();
        events.push(ChatEvent::Started(Started { id, model, created: None, request_id }));
    }

    /// Tells the fields of the whole answer that are new or have changed.
    fn whole_fields(&mut self, fields: Extra, events: &mut Vec<ChatEvent>) {
        let is_new =
            |name: &String, value: &Value| !value.is_null() && self.told.get(name) != Some(value);
        let fields: Extra =
            fields.into_iter().filter(|(name, value)| is_new(name, value)).collect();
        if !fields.is_empty() {
            self.told.extend(fields.clone());
            events.push(ChatEvent::Extra { fields });
        }
    }

    /// Fields of one candidate without a name are told under `choices`, by the candidate's number.
    fn candidate_fields(&mut self, index: u32, fields: Extra, events: &mut Vec<ChatEvent>) {
        if fields.values().all(Value::is_null) {
            return;
        }
        let mut choices = self.told.get("choices").cloned().unwrap_or_else(|| json!({}));
        if let Some(choices) = choices.as_object_mut() {
            let known = choices.entry(index.to_string()).or_insert_with(|| json!({}));
            if let Some(known) = known.as_object_mut() {
                known.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
            }
        }
        self.whole_fields(Extra::from_iter([("choices".to_owned(), choices)]), events);
    }

    fn candidate(&mut self, position: u32, mut candidate: Candidate, events: &mut Vec<ChatEvent>) {
        let index = candidate.index.unwrap_or(position);
        let state = self.candidates.entry(index).or_default();
        let parts = candidate.content.take().and_then(|content| content.parts);
        for part in parts.unwrap_or_default() {
            let id = self.id.as_deref().unwrap_or_default();
            state.part(index, part, id, &mut self.calls, events);
        }
        state.logprobs(index, candidate.logprobs_result, events);
        state.sources(&candidate.extra);
        state.finish(&candidate.finish_reason);
        self.candidate_fields(index, candidate.extra, events);
    }

    fn usage(&mut self, raw: Value, events: &mut Vec<ChatEvent>) {
        if raw == self.usage {
            return;
        }
        if let Some(usage) = parse_usage(raw.clone()) {
            self.usage = raw;
            events.push(ChatEvent::Usage(usage));
        }
    }

    fn failed(&self, body: &Value) -> ModelError {
        self.named(errors::from_body(Operation::Chat, None, body))
    }

    fn blocked(&self, reason: &str, feedback: &Value) -> ModelError {
        let message = match feedback.get("blockReasonMessage").and_then(Value::as_str) {
            Some(why) if !why.is_empty() => format!("the prompt was blocked ({reason}): {why}"),
            _ => format!("the prompt was blocked ({reason})"),
        };
        let error = ModelError::new(ErrorKind::ContentFilter, Operation::Chat, message);
        self.named(error.with_code(reason))
    }

    fn named(&self, error: ModelError) -> ModelError {
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

impl AnswerDecoder for ChatDecoder {
    fn whole(self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        ChatDecoder::whole(self, body)
    }
}

impl EventDecoder for ChatDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let data = event.data.trim();
        // Gemini sends no end mark; servers in front of it may.
        if !data.is_empty() && data != "[DONE]" {
            self.chunk(read(data.as_bytes())?, events)?;
        }
        Ok(Progress::More)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let mut is_complete = true;
        for (index, candidate) in &mut self.candidates {
            is_complete &= candidate.end(*index, self.is_whole, events);
        }
        if self.candidates.is_empty() {
            return Err(self.named(malformed("the answer ended before it began")));
        }
        if !is_complete {
            return Err(self.named(malformed("the stream ended in the middle of the answer")));
        }
        Ok(())
    }
}

/// Why a prompt was refused; `None` for feedback that only rates it.
fn block_reason(feedback: &Value) -> Option<String> {
    match feedback.get("blockReason")? {
        Value::String(word) if word.is_empty() || word.ends_with("_UNSPECIFIED") => None,
        Value::String(word) => Some(word.clone()),
        Value::Number(number) if number.as_u64() != Some(0) => Some(number.to_string()),
        _ => None,
    }
}

fn read<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(data).map_err(|error| {
        let text = String::from_utf8_lossy(data);
        let beginning = text.char_indices().nth(120).map_or(&*text, |(end, _)| &text[..end]);
        malformed(format!("this is no answer of Gemini: {beginning}")).with_source(error)
    })
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}
