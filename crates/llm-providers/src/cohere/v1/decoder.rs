//! [`ChatDecoder`]: the events of a streamed answer of v1, or a whole answer, into [`ChatEvent`]s. Pure.

use std::collections::BTreeSet;

use llm_core::{
    Annotation, ChatEvent, ErrorKind, Extra, FinishReason, ModelError, Operation, Started,
    ToolCallDelta,
};
use serde_json::{Map, Value, json};

use super::wire::{Answer, Call, CallDelta, Event, Generation, Kind, Likelihood};
use crate::answer::AnswerDecoder;
use crate::call_id;
use crate::cohere::finish::{Ending, ending};
use crate::cohere::{errors, parse_usage};
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// The most answers to one request that are kept apart.
const MAX_CHOICES: usize = 128;

/// Decodes one answer of `POST /v1/chat` or `POST /v1/generate`. Feed it the events of a stream ([`EventDecoder::push`], a
/// line of JSON as the data of one) or a whole body ([`ChatDecoder::whole`]).
///
/// - The plan before tool calls is text here, as the answer's own `text` has it.
/// - Calls of tools get ids of ours, since they have none. An answer with calls ends with
///   [`FinishReason::ToolCalls`], whatever its word.
/// - Citations are [`Annotation::Other`], as they came. Documents, search queries and search results are told in
///   [`ChatEvent::Extra`].
/// - The whole answer at the end of a stream is told as far as it had not been.
/// - `finish_reason` `ERROR` is a failure, told after what had been said. A stream without `stream-end` is an error.
#[derive(Debug, Default)]
pub struct ChatDecoder {
    request_id: Option<String>,
    id: Option<String>,
    has_begun: bool,
    /// The answers that have said something.
    told: BTreeSet<u32>,
    /// The answers that have ended, and their last words.
    ended: Vec<(u32, Ending, String)>,
    calls: u32,
    has_citations: bool,
    is_over: bool,
}

impl ChatDecoder {
    /// A decoder for one answer. `request_id` is the provider's id of the request, from the headers.
    pub fn new(request_id: Option<String>) -> Self {
        Self { request_id, ..Self::default() }
    }

    /// Decodes a body that is a whole answer. Gives the events, and how the answer ended after them.
    ///
    /// # Errors
    /// The failure that the body tells; `Malformed` when it is no answer.
    pub fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        let mut events = Vec::new();
        let result = serde_json::from_slice(body)
            .map_err(|error| unreadable(&String::from_utf8_lossy(body), error))
            .and_then(|answer| self.whole_value(answer, &mut events))
            .and_then(|()| self.end(&mut events));
        (events, result)
    }

    fn whole_value(&mut self, body: Value, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let is_answer = ["text", "generations", "finish_reason"]
            .iter()
            .any(|name| body.get(*name).is_some_and(|value| !value.is_null()));
        if !is_answer {
            return Err(match body.get("message") {
                Some(Value::String(_)) => self.failed(&body),
                _ => malformed("the answer has no text"),
            });
        }
        let text = body.to_string();
        let answer: Answer =
            serde_json::from_value(body).map_err(|error| unreadable(&text, error))?;
        self.answer(answer, None, events)
    }

    /// Takes a whole answer, and tells what has not been told of it.
    fn answer(
        &mut self,
        answer: Answer,
        finish_reason: Option<String>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        self.is_over = true;
        self.begin(answer.generation_id.or(answer.id), events);
        for (at, generation) in answer.generations.into_iter().flatten().enumerate() {
            self.generation(at as u32, generation, events)?;
        }
        if let Some(text) = answer.text.filter(|_| self.told.is_empty()) {
            self.text(0, text, events)?;
        }
        if !self.has_citations {
            self.citations(answer.citations, events);
        }
        self.tool_calls(answer.tool_calls, events);
        let mut extra = answer.extra;
        // What repeats the request, and what is no one's business.
        extra.retain(|name, value| {
            let is_known = matches!(
                name.as_str(),
                "chat_history" | "prompt" | "amazon-bedrock-invocationMetrics"
            );
            !is_known && !value.is_null()
        });
        tell(extra, events);
        let mut meta = answer.meta.unwrap_or_default();
        meta.retain(|name, _| !matches!(name.as_str(), "api_version" | "warnings"));
        if !meta.is_empty() {
            events.extend(parse_usage(meta.into()).map(ChatEvent::Usage));
        }
        let word = answer.finish_reason.or(finish_reason);
        if self.ended.is_empty() || word.as_deref() == Some("ERROR") {
            self.ends(0, word.unwrap_or_default())?;
        }
        Ok(())
    }

    fn generation(
        &mut self,
        choice: u32,
        generation: Generation,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        if !self.told.contains(&choice) {
            self.text(choice, generation.text, events)?;
        }
        let likelihoods = generation.token_likelihoods.unwrap_or_default();
        if !likelihoods.is_empty() {
            let entry = |Likelihood { token, likelihood }| json!({ "token": token, "logprob": likelihood, "top_logprobs": [] });
            let content: Vec<Value> = likelihoods.into_iter().map(entry).collect();
            events.push(ChatEvent::Logprobs { choice, value: json!({ "content": content }) });
        }
        if !self.ended.iter().any(|(known, ..)| *known == choice) {
            self.ends(choice, generation.finish_reason.unwrap_or_default())?;
        }
        Ok(())
    }

    fn begin(&mut self, id: Option<String>, events: &mut Vec<ChatEvent>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        self.id.clone_from(&id);
        let started = Started { id, request_id: self.request_id.clone(), ..Started::default() };
        events.push(ChatEvent::Started(started));
    }

    fn text(
        &mut self,
        choice: u32,
        text: String,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        if self.told.len() >= MAX_CHOICES && !self.told.contains(&choice) {
            return Err(malformed("there are too many answers"));
        }
        self.told.insert(choice);
        if !text.is_empty() {
            events.push(ChatEvent::Text { choice, text, signature: None });
        }
        Ok(())
    }

    fn citations(
        &mut self,
        citations: Option<Vec<Map<String, Value>>>,
        events: &mut Vec<ChatEvent>,
    ) {
        for citation in citations.into_iter().flatten() {
            self.has_citations = true;
            let annotation = Annotation::Other { value: citation.into() };
            events.push(ChatEvent::Annotation { choice: 0, annotation });
        }
    }

    fn call_id(&self, number: u32) -> String {
        call_id::make(self.id.as_deref().unwrap_or_default(), number as usize)
    }

    /// Whole calls, unless their pieces have been told.
    fn tool_calls(&mut self, calls: Option<Vec<Call>>, events: &mut Vec<ChatEvent>) {
        if self.calls > 0 {
            return;
        }
        for call in calls.into_iter().flatten() {
            events.push(ChatEvent::ToolCall(ToolCallDelta {
                index: self.calls,
                id: Some(self.call_id(self.calls)),
                name: Some(call.name),
                arguments: match call.parameters {
                    Value::Null => "{}".to_owned(),
                    parameters => parameters.to_string(),
                },
                ..ToolCallDelta::default()
            }));
            self.calls = self.calls.saturating_add(1);
        }
    }

    fn call_delta(
        &mut self,
        delta: CallDelta,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        if let Some(text) = delta.text {
            self.text(0, text, events)?;
        }
        if delta.name.is_none() && delta.parameters.is_none() {
            return Ok(());
        }
        let last = self.calls.saturating_sub(1);
        let index = delta.index.unwrap_or(if delta.name.is_some() { self.calls } else { last });
        self.calls = self.calls.max(index.saturating_add(1));
        events.push(ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: delta.name.is_some().then(|| self.call_id(index)),
            name: delta.name,
            arguments: delta.parameters.unwrap_or_default(),
            ..ToolCallDelta::default()
        }));
        Ok(())
    }

    fn ends(&mut self, choice: u32, word: String) -> Result<(), ModelError> {
        match ending(&word) {
            Ending::Failed(kind) => {
                let message = "the provider ended the answer with a failure";
                let error = ModelError::new(kind, Operation::Chat, message).with_code(word);
                Err(self.named(error))
            }
            ending => {
                if self.ended.len() < MAX_CHOICES {
                    self.ended.push((choice, ending, word));
                }
                Ok(())
            }
        }
    }

    /// Takes one event of a stream.
    fn event(&mut self, event: Event, events: &mut Vec<ChatEvent>) -> Result<Progress, ModelError> {
        let choice = event.index.unwrap_or(0);
        match event.event_type {
            Some(Kind::StreamStart) => self.begin(event.generation_id, events),
            Some(Kind::StreamEnd) => {
                let answer = event.response.unwrap_or_default();
                self.answer(answer, event.finish_reason, events)?;
                return Ok(Progress::Done);
            }
            Some(Kind::StreamError | Kind::Other) => {}
            // Bedrock's stream of `generate` names no types.
            Some(Kind::TextGeneration) | None => {
                self.begin(None, events);
                if let Some(text) = event.text {
                    self.text(choice, text, events)?;
                }
                if event.is_finished == Some(true) {
                    self.is_over = true;
                    self.ends(choice, event.finish_reason.unwrap_or_default())?;
                }
            }
            Some(_) => {
                self.begin(None, events);
                if let Some(text) = event.text.filter(|_| self.told.is_empty()) {
                    self.text(0, text, events)?;
                }
                if let Some(delta) = event.tool_call_delta {
                    self.call_delta(delta, events)?;
                }
                self.citations(event.citations, events);
                self.tool_calls(event.tool_calls, events);
                for (name, value) in [
                    ("search_queries", event.search_queries),
                    ("search_results", event.search_results),
                    ("documents", event.documents),
                ] {
                    let fields = value.map(|value| (name.to_owned(), value));
                    tell(fields.into_iter().collect(), events);
                }
            }
        }
        Ok(Progress::More)
    }

    fn failed(&self, body: &Value) -> ModelError {
        self.named(errors::from_body(Operation::Chat, None, body))
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
        if data.is_empty() || data == "[DONE]" {
            return Ok(Progress::More);
        }
        let event: Event = serde_json::from_str(data).map_err(|error| unreadable(data, error))?;
        let is_event = event.event_type.is_some() || event.is_finished.is_some();
        if is_event && event.event_type != Some(Kind::StreamError) {
            return self.event(event, events);
        }
        // A failure, or an answer in one piece.
        let body: Value = serde_json::from_str(data).map_err(|error| unreadable(data, error))?;
        if is_event {
            return Err(self.failed(&body));
        }
        self.whole_value(body, events)?;
        Ok(Progress::Done)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if !self.has_begun {
            return Err(malformed("the answer ended before it began"));
        }
        let is_whole =
            self.told.iter().all(|told| self.ended.iter().any(|(choice, ..)| choice == told));
        if !self.is_over || !is_whole {
            return Err(malformed("the stream ended in the middle of the answer"));
        }
        for (choice, ending, raw) in std::mem::take(&mut self.ended) {
            // Waiting for tools is an end like any other here.
            let ending = match ending {
                Ending::Finished(FinishReason::Stop) if self.calls > 0 => {
                    Ending::Finished(FinishReason::ToolCalls)
                }
                ending => ending,
            };
            events.push(ending.event(choice, raw));
        }
        Ok(())
    }
}

/// Tells fields of the whole answer, if there are some.
fn tell(fields: Extra, events: &mut Vec<ChatEvent>) {
    if !fields.is_empty() {
        events.push(ChatEvent::Extra { fields });
    }
}

fn unreadable(text: &str, error: serde_json::Error) -> ModelError {
    let beginning = text.char_indices().nth(120).map_or(text, |(end, _)| &text[..end]);
    malformed(format!("this is no part of an answer: {beginning}")).with_source(error)
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}
