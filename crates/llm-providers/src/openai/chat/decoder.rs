//! [`ChatDecoder`]: the chunks of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use std::collections::BTreeMap;

use llm_core::{ChatEvent, ErrorKind, Extra, FinishReason, ModelError, Operation, Started};
use serde_json::{Value, json};

use super::choice::ChoiceState;
use super::logprobs::in_chat_shape;
use super::usage::parse_usage;
use super::wire::{Choice, Chunk, Text};
use crate::Quirks;
use crate::answer::AnswerDecoder;
use crate::openai::errors;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Decodes one answer. Feed it the events of a stream ([`EventDecoder::push`]) or a whole body
/// ([`ChatDecoder::whole`]).
///
/// - Usage is told whenever it changes; it may come on any chunk, twice, or never.
/// - A choice finishes once, at the end, with the last reason that came: some providers repeat reasons, and go on after
///   the first. `stop` after tool calls is read as `ToolCalls`.
/// - Reasoning comes from `reasoning_details`, `reasoning_content` or `reasoning`, whichever says most.
/// - A stream that ends with neither `[DONE]` nor a finish reason for every choice is an error.
#[derive(Debug, Default)]
pub struct ChatDecoder {
    quirks: Quirks,
    request_id: Option<String>,
    /// The provider's id of the answer; `None` until it has begun.
    id: Option<String>,
    /// The provider said that this was all.
    has_ended: bool,
    /// The body is a whole answer, no stream.
    is_whole: bool,
    /// A failure that came together with a part of the answer. It is told after what still comes (usage, mostly).
    failure: Option<ModelError>,
    choices: BTreeMap<u32, ChoiceState>,
    usage: Value,
    /// Fields of the whole answer that have been told, so that each is told once.
    told: Extra,
    /// Fields of the whole answer that wait for its beginning.
    untold: Extra,
}

impl ChatDecoder {
    /// A decoder for one answer of a provider with these quirks. `request_id` is the provider's id of the request, from
    /// the headers.
    pub fn new(quirks: Quirks, request_id: Option<String>) -> Self {
        Self { quirks, request_id, ..Self::default() }
    }

    /// Decodes a body that is a whole answer. Gives the events, and how the answer ended after them.
    ///
    /// # Errors
    /// The failure that the body tells; `Malformed` when it is no answer.
    pub fn whole(mut self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        self.is_whole = true;
        let mut events = Vec::new();
        let result = self.decode("", &String::from_utf8_lossy(body), &mut events).and_then(|()| {
            self.has_ended = true;
            self.end(&mut events)
        });
        (events, result)
    }

    /// Decodes one chunk, or a body that is a whole answer. `name` is the name of the event that it came in.
    fn decode(
        &mut self,
        name: &str,
        data: &str,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        let chunk: Chunk<'_> = serde_json::from_str(data).map_err(|error| {
            malformed(format!("this is no chat completion: {}", snippet(data))).with_source(error)
        })?;
        let has_choices = chunk.choices.as_ref().is_some_and(|choices| !choices.is_empty());
        let has_error = is_something(&chunk.error);
        let tells_failure = has_error && !has_choices
            || name == "error"
            || chunk.choices.is_none() && chunk.extra.contains_key("message");
        if tells_failure {
            return Err(self.failed(&serde_json::from_str(data).unwrap_or(Value::Null)));
        }
        if has_error {
            self.failure = Some(self.failed(&json!({ "error": chunk.error })));
        }
        self.chunk(chunk, events);
        Ok(())
    }

    fn chunk(&mut self, mut chunk: Chunk<'_>, events: &mut Vec<ChatEvent>) {
        self.begin(&chunk, events);
        self.whole_fields(&mut chunk, events);
        let choices = chunk.choices.unwrap_or_default();
        for (position, choice) in choices.into_iter().enumerate() {
            self.choice(position as u32, choice, events);
        }
        self.usage(chunk.usage, events);
    }

    fn failed(&self, body: &Value) -> ModelError {
        let failure = errors::from_body(Operation::Chat, None, body);
        match &self.request_id {
            Some(id) => failure.with_request_id(id),
            None => failure,
        }
    }

    /// Tells that the answer began, at the first chunk that is about it (some providers send one before).
    fn begin(&mut self, chunk: &Chunk<'_>, events: &mut Vec<ChatEvent>) {
        if self.id.is_some() {
            return;
        }
        let non_empty = |text: &Option<Text<'_>>| {
            text.as_ref().map(|text| text.0.to_string()).filter(|text| !text.is_empty())
        };
        let (id, model) = (non_empty(&chunk.id), non_empty(&chunk.model));
        if id.is_none() && chunk.choices.as_ref().is_none_or(Vec::is_empty) {
            return;
        }
        self.id = Some(id.clone().unwrap_or_default());
        let created = chunk.created.as_f64().map(|seconds| seconds as i64);
        let request_id = self.request_id.clone();
        events.push(ChatEvent::Started(Started { id, model, created, request_id }));
    }

    /// Tells the fields of the whole answer that are new or have changed.
    fn whole_fields(&mut self, chunk: &mut Chunk<'_>, events: &mut Vec<ChatEvent>) {
        for (name, text) in [
            ("system_fingerprint", &chunk.system_fingerprint),
            ("service_tier", &chunk.service_tier),
        ] {
            if let Some(Text(text)) = text
                && self.told.get(name).and_then(Value::as_str) != Some(text)
            {
                self.untold.insert(name.to_owned(), text.as_ref().into());
                self.told.insert(name.to_owned(), text.as_ref().into());
            }
        }
        if chunk.usage.is_null()
            && let Some(usage) = chunk.extra.get("x_groq").and_then(|groq| groq.get("usage"))
        {
            chunk.usage = usage.clone();
        }
        for (name, value) in std::mem::take(&mut chunk.extra) {
            if !value.is_null() && self.told.get(&name) != Some(&value) {
                self.told.insert(name.clone(), value.clone());
                self.untold.insert(name, value);
            }
        }
        self.tell(events);
    }

    fn tell(&mut self, events: &mut Vec<ChatEvent>) {
        if self.id.is_some() && !self.untold.is_empty() {
            events.push(ChatEvent::Extra { fields: std::mem::take(&mut self.untold) });
        }
    }

    /// Fields of one choice without a name are told under `choices`, by the choice's number.
    fn choice_fields(&mut self, index: u32, fields: Extra, events: &mut Vec<ChatEvent>) {
        if fields.values().all(Value::is_null) {
            return;
        }
        let choices = self.told.entry("choices").or_insert_with(|| json!({}));
        let before = choices.clone();
        if let Some(choices) = choices.as_object_mut() {
            let known = choices.entry(index.to_string()).or_insert_with(|| json!({}));
            if let Some(known) = known.as_object_mut() {
                known.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
            }
        }
        if *choices != before {
            self.untold.insert("choices".to_owned(), choices.clone());
            self.tell(events);
        }
    }

    fn usage(&mut self, raw: Value, events: &mut Vec<ChatEvent>) {
        if raw == self.usage {
            return;
        }
        if let Some(usage) = parse_usage(raw.clone(), &self.quirks) {
            self.usage = raw;
            events.push(ChatEvent::Usage(usage));
        }
    }

    fn choice(&mut self, position: u32, choice: Choice<'_>, events: &mut Vec<ChatEvent>) {
        if is_something(&choice.error) {
            self.failure = Some(self.failed(&json!({ "error": choice.error })));
        }
        let index = choice.index.unwrap_or(position);
        // Some providers put both into every choice; the other one is empty then, or repeats what was said.
        let said = if self.is_whole {
            choice.message.or(choice.delta)
        } else {
            choice.delta.or(choice.message)
        };
        let mut said = said.unwrap_or_default();
        if !is_something(&said.content) {
            said.content = choice.text;
        }
        let mut fields = choice.extra;
        fields.extend(std::mem::take(&mut said.extra));

        let state = self.choices.entry(index).or_default();
        state.delta(index, self.id.as_deref().unwrap_or_default(), said, events);
        if is_something(&choice.logprobs) {
            events
                .push(ChatEvent::Logprobs { choice: index, value: in_chat_shape(choice.logprobs) });
        }
        let older_finish =
            fields.get("finish_details").and_then(|details| details.get("type")?.as_str());
        state.finish(choice.finish_reason.as_ref().map(|word| &*word.0), older_finish);
        self.choice_fields(index, fields, events);
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
        if data.is_empty() {
            return Ok(Progress::More);
        }
        if data == "[DONE]" {
            self.has_ended = true;
            return Ok(Progress::Done);
        }
        self.decode(&event.name, data, events)?;
        Ok(Progress::More)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let mut is_complete = true;
        for (index, choice) in &mut self.choices {
            match choice.finished(*index) {
                Some(finished) => events.push(finished),
                // The provider says that this is the end, but not why.
                None if self.has_ended && self.failure.is_none() => {
                    let reason = FinishReason::Other;
                    events.push(ChatEvent::Finished { choice: *index, reason, raw: None });
                }
                None => is_complete = false,
            }
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.choices.is_empty() {
            return Err(malformed("the answer ended before it began"));
        }
        if !is_complete {
            return Err(malformed("the stream ended in the middle of the answer"));
        }
        Ok(())
    }
}

/// Neither null nor an empty object or text: some providers send those for "no error".
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

/// The beginning of a text, for messages.
fn snippet(text: &str) -> &str {
    text.char_indices().nth(120).map_or(text, |(end, _)| &text[..end])
}
