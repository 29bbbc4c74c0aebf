//! [`ChatDecoder`]: the events of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use std::collections::BTreeMap;

use llm_core::{
    ChatEvent, ErrorKind, Extra, FinishReason, Media, MediaSource, ModelError, Operation,
    ReasoningDelta, Started, ToolCallDelta,
};
use serde_json::Value;

use super::DIALECT;
use super::errors;
use super::usage::parse_usage;
use super::wire::{Choice, Chunk, Message, ToolCall};
use crate::answer::AnswerDecoder;
use crate::call_id;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// The service's words for the end of an answer, and what they mean.
const REASONS: &[(&str, FinishReason)] = &[
    ("stop", FinishReason::Stop),
    ("length", FinishReason::Length),
    ("tool_calls", FinishReason::ToolCalls),
    ("content_filter", FinishReason::ContentFilter),
];

/// What an event adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Increments {
    /// What is new (`incremental_output: true`).
    #[default]
    Deltas,
    /// Everything so far.
    Whole,
}

/// Decodes one answer. There is no end mark: a stream that ends without a reason for every choice is an error.
#[derive(Debug, Default)]
pub struct ChatDecoder {
    increments: Increments,
    /// The service's id of the request; `None` until the answer has begun.
    id: Option<String>,
    choices: BTreeMap<u32, State>,
    usage: Value,
    told: Extra,
}

/// What has been told of one choice.
#[derive(Debug, Default)]
struct State {
    text: Told,
    reasoning: Told,
    calls: BTreeMap<u32, Call>,
    is_finished: bool,
}

#[derive(Debug, Default)]
struct Call {
    is_begun: bool,
    arguments: Told,
}

/// Text that has been told, kept only where events repeat it.
#[derive(Debug, Default)]
struct Told(String);

impl Told {
    /// What is new in `text`.
    fn delta(&mut self, text: String, increments: Increments) -> Result<String, ModelError> {
        if increments == Increments::Deltas {
            return Ok(text);
        }
        match text.strip_prefix(&self.0) {
            Some(new) => {
                self.0.push_str(new);
                Ok(new.to_owned())
            }
            // The last event may have nothing but the reason.
            None if text.is_empty() => Ok(text),
            None => Err(malformed("an event does not repeat what came before")),
        }
    }
}

impl ChatDecoder {
    /// A decoder for one answer.
    pub fn new(increments: Increments) -> Self {
        Self { increments, ..Self::default() }
    }

    fn data(&mut self, data: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let chunk: Chunk = serde_json::from_slice(data).map_err(|error| {
            let text = String::from_utf8_lossy(data);
            let beginning: String = text.chars().take(120).collect();
            malformed(format!("this is no answer of DashScope: {beginning}")).with_source(error)
        })?;
        let is_failure = chunk.code.as_str().is_some_and(|code| !code.is_empty());
        if is_failure {
            let body = serde_json::from_slice(data).unwrap_or_default();
            return Err(errors::from_body(Operation::Chat, None, &body));
        }
        self.chunk(chunk, events)
    }

    fn chunk(&mut self, chunk: Chunk, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let Some(mut output) = chunk.output else {
            return Err(malformed("this is no answer of DashScope: it has no output"));
        };
        if self.id.is_none() {
            self.id = Some(chunk.request_id.clone().unwrap_or_default());
            let started = Started { request_id: chunk.request_id, ..Started::default() };
            events.push(ChatEvent::Started(started));
        }
        let choices = output.choices.take().unwrap_or_else(|| {
            let content = output.text.take().map(Value::from).unwrap_or_default();
            let message = Some(Message { content, ..Message::default() });
            vec![Choice {
                message,
                finish_reason: output.finish_reason.take(),
                ..Choice::default()
            }]
        });
        for (position, choice) in choices.into_iter().enumerate() {
            let index = choice.index.unwrap_or(position as u32);
            self.choice(index, choice, events)?;
        }
        if chunk.usage != self.usage
            && let Some(usage) = parse_usage(chunk.usage.clone())
        {
            self.usage = chunk.usage;
            events.push(ChatEvent::Usage(usage));
        }
        let is_new =
            |name: &String, value: &Value| !value.is_null() && self.told.get(name) != Some(value);
        let fields: Extra =
            output.extra.into_iter().filter(|(name, value)| is_new(name, value)).collect();
        if !fields.is_empty() {
            self.told.extend(fields.clone());
            events.push(ChatEvent::Extra { fields });
        }
        Ok(())
    }

    fn choice(
        &mut self,
        index: u32,
        choice: Choice,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        let state = self.choices.entry(index).or_default();
        if state.is_finished {
            return Ok(());
        }
        let message = choice.message.unwrap_or_default();
        let thought = message.reasoning_content.unwrap_or_default();
        let text = state.reasoning.delta(thought, self.increments)?;
        if !text.is_empty() {
            let delta = ReasoningDelta { choice: index, text, ..ReasoningDelta::default() };
            events.push(ChatEvent::Reasoning(delta));
        }
        let text = state.text.delta(content(index, message.content, events), self.increments)?;
        if !text.is_empty() {
            events.push(ChatEvent::Text { choice: index, text, signature: None });
        }
        for (position, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
            let answer = self.id.as_deref().unwrap_or_default();
            let number = call.index.unwrap_or(position as u32);
            events.push(state.call(index, number, call, answer, self.increments)?);
        }
        if !choice.logprobs.is_null() {
            events.push(ChatEvent::Logprobs { choice: index, value: choice.logprobs });
        }
        // An unfinished choice has the word `null`.
        let raw = choice.finish_reason.filter(|word| !word.is_empty() && word != "null");
        if let Some(raw) = raw {
            state.is_finished = true;
            let known = REASONS.iter().find(|(word, _)| *word == raw);
            let reason = match known.map_or(FinishReason::Other, |(_, reason)| *reason) {
                FinishReason::Stop if !state.calls.is_empty() => FinishReason::ToolCalls,
                reason => reason,
            };
            events.push(ChatEvent::Finished { choice: index, reason, raw: Some(raw) });
        }
        Ok(())
    }
}

impl State {
    fn call(
        &mut self,
        choice: u32,
        index: u32,
        call: ToolCall,
        answer: &str,
        increments: Increments,
    ) -> Result<ChatEvent, ModelError> {
        let state = self.calls.entry(index).or_default();
        let arguments = call.function.arguments.unwrap_or_default();
        let arguments = state.arguments.delta(arguments, increments)?;
        let is_first = !std::mem::replace(&mut state.is_begun, true);
        let id = call.id.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| call_id::make(answer, index as usize));
        Ok(ChatEvent::ToolCall(ToolCallDelta {
            choice,
            index,
            id: is_first.then_some(id),
            name: is_first.then(|| call.function.name.unwrap_or_default()),
            arguments,
            ..ToolCallDelta::default()
        }))
    }
}

/// The text of content; media in it are told.
fn content(choice: u32, content: Value, events: &mut Vec<ChatEvent>) -> String {
    let items = match content {
        Value::String(text) => return text,
        Value::Array(items) => items,
        _ => return String::new(),
    };
    let mut text = String::new();
    for item in items {
        let field = |name: &str| item.get(name).and_then(Value::as_str);
        match (field("text"), field("image")) {
            (Some(more), _) => text.push_str(more),
            (None, Some(url)) => {
                let media = Media::new(MediaSource::Url(url.to_owned()));
                events.push(ChatEvent::Media { choice, media });
            }
            (None, None) => {
                events.push(ChatEvent::Block { choice, dialect: DIALECT.to_owned(), value: item })
            }
        }
    }
    text
}

impl EventDecoder for ChatDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        if event.name == "error" {
            let body = serde_json::from_str(&event.data)
                .unwrap_or_else(|_| Value::String(event.data.into_owned()));
            return Err(errors::from_body(Operation::Chat, None, &body));
        }
        self.data(event.data.as_bytes(), events)?;
        Ok(Progress::More)
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if self.choices.is_empty() {
            return Err(malformed("the answer ended before it began"));
        }
        if self.choices.values().all(|choice| choice.is_finished) {
            return Ok(());
        }
        Err(malformed("the stream ended in the middle of the answer"))
    }
}

impl AnswerDecoder for ChatDecoder {
    fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let result = self.data(body, &mut events).and_then(|()| self.end(&mut events));
        (events, result)
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}
