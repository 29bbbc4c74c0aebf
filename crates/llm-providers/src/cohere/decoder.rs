//! [`ChatDecoder`]: the events of a streamed answer of v2, or a whole answer, into [`ChatEvent`]s. Pure.

use llm_core::{
    Annotation, ChatEvent, ErrorKind, Extra, ModelError, Operation, ReasoningDelta, Retry, Started,
    ToolCallDelta,
};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde_json::{Map, Value, json};

use super::finish::{Ending, ending};
use super::usage::parse_usage;
use super::wire::{Call, Content, Event, Kind, Logprobs, Piece, WholeAnswer};
use super::{DIALECT, TOOL_PLAN, errors};
use crate::answer::AnswerDecoder;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Decodes one answer of v2. Feed it the events of a stream ([`EventDecoder::push`]) or a whole body
/// ([`ChatDecoder::whole`]).
///
/// - `thinking` becomes [`ChatEvent::Reasoning`], one index a block. So does the `tool_plan` that some models write before
///   they call tools: its block is marked in [`ReasoningDelta::extra`] and goes back as `tool_plan`.
/// - Citations of text are [`Annotation::Other`], as they came; their `start` and `end` count characters of the text that
///   they belong to. Citations of thinking or of a plan are told at the end, in [`ChatEvent::Extra`].
/// - Two texts are kept apart by [`ChatEvent::TextEnd`].
/// - Log-probabilities come for groups of tokens; a group is one entry with their sum.
/// - `finish_reason` `ERROR` and `TIMEOUT` are failures, told after what had been said. A stream without `message-end` is
///   an error.
#[derive(Debug, Default)]
pub struct ChatDecoder {
    request_id: Option<String>,
    has_begun: bool,
    /// The number of the content that the open text belongs to.
    text: Option<u32>,
    /// Where the open block of reasoning comes from, and our number of it.
    reasoning: Option<(Source, u32)>,
    calls: u32,
    /// Citations of what is no text.
    others: Vec<Value>,
    ending: Option<(Ending, String)>,
}

/// Where reasoning comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Plan,
    Thinking(u32),
}

/// Citations of thinking and plans that are kept; the rest is left out.
const MAX_OTHERS: usize = 1024;

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
        let result = self.answer(body, &mut events).and_then(|()| self.end(&mut events));
        (events, result)
    }

    fn answer(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let answer: WholeAnswer = serde_json::from_slice(body).map_err(|error| {
            // A message that is a text is a failure.
            match serde_json::from_slice::<Value>(body) {
                Ok(body) if body.get("message").is_some_and(Value::is_string) => self.failed(&body),
                _ => {
                    let text = String::from_utf8_lossy(body);
                    malformed(format!("this is no answer: {}", snippet(&text))).with_source(error)
                }
            }
        })?;
        self.begin(answer.id, events);
        let message = answer.message;
        if let Some(plan) = message.tool_plan {
            self.plan(plan, events);
        }
        let mut citations = message.citations.unwrap_or_default();
        for (at, content) in message.content.unwrap_or_default().into_iter().enumerate() {
            self.whole_content(at as u32, content, events);
            // Citations without a number are of the text, of which there is one.
            let of_this = |citation: &Map<String, Value>| match citation.get("content_index") {
                Some(index) => index.as_u64() == Some(at as u64),
                None => true,
            };
            if self.text == Some(at as u32) {
                let (here, elsewhere) = citations.into_iter().partition(of_this);
                citations = elsewhere;
                self.citations(here, events);
            }
        }
        self.citations(citations, events);
        for (at, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
            self.call(Some(at as u32), call, events);
        }
        answer.logprobs.into_iter().flatten().for_each(|group| logprobs(group, events));
        tell(answer.extra, events);
        let finish = answer.finish_reason.unwrap_or_default();
        self.finish(finish, answer.usage, Value::Null, Value::Null, events)
    }

    fn whole_content(
        &mut self,
        index: u32,
        content: Map<String, Value>,
        events: &mut Vec<ChatEvent>,
    ) {
        let text = |name: &str| content.get(name).and_then(Value::as_str).map(str::to_owned);
        let known = Content { text: text("text"), thinking: text("thinking") };
        if known.text.is_none() && known.thinking.is_none() {
            let value = content.into();
            return events.push(ChatEvent::Block { choice: 0, dialect: DIALECT.into(), value });
        }
        self.content(index, known, events);
    }

    fn begin(&mut self, id: Option<String>, events: &mut Vec<ChatEvent>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let started = Started { id, request_id: self.request_id.clone(), ..Started::default() };
        events.push(ChatEvent::Started(started));
    }

    fn piece(&mut self, kind: Kind, index: Option<u32>, piece: Piece, events: &mut Vec<ChatEvent>) {
        match kind {
            Kind::ContentStart | Kind::ContentDelta => {
                if let Some(content) = piece.content.0 {
                    self.content(index.unwrap_or(0), content, events);
                }
            }
            Kind::ToolPlanDelta => self.plan(piece.tool_plan.unwrap_or_default(), events),
            Kind::ToolCallStart | Kind::ToolCallDelta => {
                if let Some(call) = piece.tool_calls.0 {
                    self.call(index, call, events);
                }
            }
            Kind::CitationStart => self.citations(piece.citations.0.into_iter().collect(), events),
            Kind::MessageStart | Kind::MessageEnd | Kind::Other => {}
        }
    }

    fn content(&mut self, index: u32, content: Content, events: &mut Vec<ChatEvent>) {
        if let Some(text) = content.thinking.filter(|text| !text.is_empty()) {
            self.reason(Source::Thinking(index), text, events);
        }
        if let Some(text) = content.text.filter(|text| !text.is_empty()) {
            if self.text.is_some_and(|open| open != index) {
                events.push(ChatEvent::TextEnd { choice: 0 });
            }
            self.text = Some(index);
            events.push(ChatEvent::text(text));
        }
    }

    fn plan(&mut self, text: String, events: &mut Vec<ChatEvent>) {
        if !text.is_empty() {
            self.reason(Source::Plan, text, events);
        }
    }

    fn reason(&mut self, source: Source, text: String, events: &mut Vec<ChatEvent>) {
        let (index, is_new) = match self.reasoning {
            Some((open, index)) if open == source => (index, false),
            Some((_, index)) => (index.saturating_add(1), true),
            None => (0, true),
        };
        self.reasoning = Some((source, index));
        let mut delta = ReasoningDelta { index, ..ReasoningDelta::text(text) };
        if is_new && source == Source::Plan {
            delta.extra.insert(TOOL_PLAN.into(), true.into());
        }
        events.push(ChatEvent::Reasoning(delta));
    }

    fn call(&mut self, index: Option<u32>, call: Call, events: &mut Vec<ChatEvent>) {
        let begins = call.function.name.is_some();
        let last = self.calls.saturating_sub(1);
        let index = index.unwrap_or(if begins { self.calls } else { last });
        self.calls = self.calls.max(index.saturating_add(1));
        events.push(ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: call.id,
            name: call.function.name,
            arguments: call.function.arguments.unwrap_or_default(),
            ..ToolCallDelta::default()
        }));
    }

    fn citations(&mut self, citations: Vec<Map<String, Value>>, events: &mut Vec<ChatEvent>) {
        for citation in citations {
            let of_text = citation.get("type").is_none_or(|kind| kind == "TEXT_CONTENT");
            let value = citation.into();
            if of_text {
                let annotation = Annotation::Other { value };
                events.push(ChatEvent::Annotation { choice: 0, annotation });
            } else if self.others.len() < MAX_OTHERS {
                self.others.push(value);
            }
        }
    }

    fn finish(
        &mut self,
        reason: String,
        usage: Value,
        error: Value,
        error_type: Value,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        events.extend(parse_usage(usage).map(ChatEvent::Usage));
        match ending(&reason) {
            Ending::Failed(kind) => {
                let body = json!({ "error": error, "error_type": error_type });
                Err(self.broken(kind, reason, &body))
            }
            ending => {
                self.ending = Some((ending, reason));
                Ok(())
            }
        }
    }

    /// The failure that an answer broke off with. What it says of itself weighs more than its last word.
    fn broken(&self, kind: ErrorKind, reason: String, body: &Value) -> ModelError {
        let failure = self.failed(body);
        if failure.kind() != ErrorKind::Unknown {
            return failure;
        }
        let code = failure.code().unwrap_or(&reason).to_owned();
        let error = ModelError::new(kind, Operation::Chat, failure.message());
        self.named(error.with_code(code).with_retry(Retry::No))
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
        let read: Event = serde_json::from_str(data).map_err(|error| {
            malformed(format!("this is no event of an answer: {}", snippet(data)))
                .with_source(error)
        })?;
        let Some(kind) = read.kind.or_else(|| kind_named(&event.name)) else {
            // Failures before the answer come as they would without a stream.
            let body: Value = serde_json::from_str(data).unwrap_or_default();
            return match body.get("message") {
                Some(Value::String(_)) => Err(self.failed(&body)),
                _ => Ok(Progress::More),
            };
        };
        let delta = read.delta.unwrap_or_default();
        match kind {
            Kind::MessageStart => self.begin(read.id, events),
            Kind::MessageEnd => {
                self.begin(read.id, events);
                let finish = delta.finish_reason.unwrap_or_default();
                self.finish(finish, delta.usage, delta.error, delta.error_type, events)?;
                return Ok(Progress::Done);
            }
            Kind::Other => tracing::trace!(name = %event.name, "an event without a name here"),
            kind => {
                self.begin(None, events);
                self.piece(kind, read.index, delta.message.unwrap_or_default(), events);
                read.logprobs.into_iter().for_each(|group| logprobs(group, events));
            }
        }
        Ok(Progress::More)
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        if !self.has_begun {
            return Err(malformed("the answer ended before it began"));
        }
        let Some((ending, raw)) = self.ending.take() else {
            return Err(malformed("the stream ended in the middle of the answer"));
        };
        if !self.others.is_empty() {
            let citations = std::mem::take(&mut self.others).into();
            tell(Extra::from_iter([("citations".to_owned(), citations)]), events);
        }
        events.push(ending.event(0, raw));
        Ok(())
    }
}

/// What an event is about by the name that it was sent under.
fn kind_named(name: &str) -> Option<Kind> {
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    Kind::deserialize(name).ok().filter(|kind| *kind != Kind::Other)
}

fn logprobs(group: Logprobs, events: &mut Vec<ChatEvent>) {
    if group.logprobs.is_empty() {
        return;
    }
    let sum: f64 = group.logprobs.iter().sum();
    let entry = json!({ "token": group.text, "logprob": sum, "top_logprobs": [] });
    events.push(ChatEvent::Logprobs { choice: 0, value: json!({ "content": [entry] }) });
}

/// Tells fields of the whole answer, those that say something.
fn tell(mut fields: Extra, events: &mut Vec<ChatEvent>) {
    fields.retain(|_, value| !value.is_null());
    if !fields.is_empty() {
        events.push(ChatEvent::Extra { fields });
    }
}

fn malformed(message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, Operation::Chat, message)
}

/// The beginning of a text, for messages.
fn snippet(text: &str) -> &str {
    text.char_indices().nth(120).map_or(text, |(end, _)| &text[..end])
}
