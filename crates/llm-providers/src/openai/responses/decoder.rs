//! [`ResponsesDecoder`]: the events of a streamed answer, or a whole answer, into [`ChatEvent`]s. Pure.

use std::borrow::Cow;

use llm_core::{
    ChatEvent, ErrorKind, Extra, FinishReason, ModelError, Operation, Started, Warning,
};
use serde_json::{Map, Value, json};

use super::answer_item::Items;
use super::reasoning::Section;
use super::wire::{Closing, Event, Head, Opening};
use crate::Quirks;
use crate::answer::AnswerDecoder;
use crate::openai::chat::parse_usage;
use crate::openai::errors;
use crate::sse::SseEvent;
use crate::stream::{EventDecoder, Progress};

/// Fields of a response that repeat the request, or that have a place of their own among the events.
const NOT_TOLD: &[&str] = &[
    "id",
    "object",
    "created_at",
    "model",
    "status",
    "output",
    "output_text",
    "usage",
    "error",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    "frequency_penalty",
    "presence_penalty",
    "max_output_tokens",
    "max_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "store",
    "background",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "previous_response_id",
    "prompt",
];

/// Decodes one answer. Feed it the events of a stream ([`EventDecoder::push`]) or a whole body
/// ([`ResponsesDecoder::whole`]).
///
/// - Texts come from deltas; what deltas left out comes from the item when it is complete, so a provider that sends only
///   whole items loses nothing. Items are told apart by their place in the output, since some providers give one item
///   another id in each event.
/// - The end is `response.completed`, `response.incomplete` or `response.failed`, which also tell the usage. `[DONE]` and
///   whatever follows is not waited for. A stream without such an end is an error.
/// - `completed` is [`FinishReason::ToolCalls`] when the model asked for tools that the caller runs, and
///   [`FinishReason::Refusal`] when it declined.
/// - A response that the provider goes on with in the background ends as [`FinishReason::Other`], with a warning.
#[derive(Debug, Default)]
pub struct ResponsesDecoder {
    request_id: Option<String>,
    has_begun: bool,
    has_ended: bool,
    items: Items,
}

impl ResponsesDecoder {
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
        let result = self.decode_whole(body, &mut events);
        (events, result)
    }

    fn decode_whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        let body: Value = serde_json::from_slice(body).map_err(|error| {
            malformed(format!("this is no response: {}", snippet(&String::from_utf8_lossy(body))))
                .with_source(error)
        })?;
        let Value::Object(response) = body else {
            return Err(malformed("a response must be an object"));
        };
        let tells_only_failure = !response.contains_key("output")
            && (response.contains_key("error") || response.contains_key("message"));
        if tells_only_failure {
            return Err(self.failed(&Value::Object(response)));
        }
        if !response.contains_key("output") {
            return Err(malformed("this is no response: it has no output"));
        }
        self.begin(head_of(&response), events);
        self.close("completed", response, Map::new(), events)
    }

    /// Decodes one event. `name` is its name, for servers that leave its type out.
    fn decode(
        &mut self,
        name: &str,
        data: &str,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        let mut event: Event<'_> = parse(data)?;
        let kind = event.kind.take().map_or(Cow::Borrowed(name), |kind| kind.0);
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.begin(parse::<Opening>(data)?.response, events);
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                let Closing { response, mut beside } = parse(data)?;
                beside.shift_remove("type");
                beside.shift_remove("sequence_number");
                self.begin(head_of(&response), events);
                let word = kind.strip_prefix("response.").unwrap_or_default();
                let word = if word == "done" { "completed" } else { word };
                self.close(word, response, beside, events)?;
                return Ok(Progress::Done);
            }
            "error" => return Err(self.error_event(event, events)),
            "" if !event.error.is_null() => return Err(self.error_event(event, events)),
            other => self.item_event(other, event, events),
        }
        Ok(Progress::More)
    }

    /// An event about one item. Types without a name here are skipped, as the documentation asks of clients; what they
    /// tell stands in the item when it is complete.
    fn item_event(&mut self, kind: &str, event: Event<'_>, events: &mut Vec<ChatEvent>) {
        let items = &mut self.items;
        let index = event.output_index.unwrap_or_else(|| items.last_index());
        let content = event.content_index.unwrap_or(0);
        let summary = event.summary_index.unwrap_or(0);
        let delta = event.delta;
        match kind {
            "response.output_item.added" => {
                if let Some(item) = &event.item {
                    items.begin(index, item, events);
                }
            }
            "response.output_item.done" => {
                let index = event.output_index.unwrap_or_else(|| items.open_index());
                if let Some(item) = event.item {
                    items.complete(index, item, events);
                }
            }
            "response.output_text.delta" => {
                items.text(index, content, text(delta), event.logprobs, events);
            }
            "response.refusal.delta" => items.refusal(index, content, text(delta), events),
            "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta" => {
                items.reasoning(index, Section::Summary, summary, text(delta), events);
            }
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                items.reasoning(index, Section::Content, content, text(delta), events);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                items.arguments(index, text(delta), events);
            }
            "response.output_text.annotation.added" => {
                items.annotation(index, content, event.annotation, events);
            }
            _ => {}
        }
    }

    /// Tells that the answer began, once.
    fn begin(&mut self, head: Head, events: &mut Vec<ChatEvent>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        self.items.set_answer_id(head.id.as_deref().unwrap_or_default());
        events.push(ChatEvent::Started(Started {
            id: head.id,
            model: head.model,
            created: head.created_at.as_f64().map(|seconds| seconds as i64),
            request_id: self.request_id.clone(),
        }));
    }

    /// The end of the answer. `word` is the status where the response does not tell one.
    fn close(
        &mut self,
        word: &str,
        mut response: Map<String, Value>,
        beside: Extra,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        self.has_ended = true;
        let status = response.get("status").and_then(Value::as_str).unwrap_or(word).to_owned();
        if let Some(Value::Array(output)) = response.shift_remove("output")
            && self.items.is_empty()
        {
            self.items.complete_all(output, events);
        }
        let usage = response.shift_remove("usage").unwrap_or_default();
        events.extend(parse_usage(usage, &Quirks::default()).map(ChatEvent::Usage));
        let error = response.get("error").cloned().unwrap_or_default();
        let detail = response.get("incomplete_details").and_then(|details| details.get("reason"));
        let reason = self.finish_reason(&status, detail.and_then(Value::as_str));

        let mut fields = response;
        fields.retain(|name, value| !NOT_TOLD.contains(&name.as_str()) && is_something(value));
        fields.extend(beside);
        if !fields.is_empty() {
            events.push(ChatEvent::Extra { fields });
        }
        if is_pending(&status) {
            events.push(ChatEvent::Warning(Warning {
                code: "not_finished".into(),
                param: Some("background".into()),
                message: "the provider answers in the background; ask for the response by its id"
                    .into(),
            }));
        }
        let raw = Some(status.clone());
        events.push(ChatEvent::Finished { choice: 0, reason, raw });
        match status.as_str() {
            "completed" | "incomplete" | "queued" | "in_progress" => Ok(()),
            "failed" => Err(self.failed(&json!({ "error": error }))),
            "cancelled" => Err(self.with_request_id(ModelError::new(
                ErrorKind::Cancelled,
                Operation::Chat,
                "the response was cancelled at the provider",
            ))),
            other => Err(malformed(format!("`{}` is no status of a response", snippet(other)))),
        }
    }

    fn finish_reason(&self, status: &str, detail: Option<&str>) -> FinishReason {
        match (status, detail) {
            ("completed", _) if self.items.waits_for_tools() => FinishReason::ToolCalls,
            ("completed", _) if self.items.has_refusal() => FinishReason::Refusal,
            ("completed", _) => FinishReason::Stop,
            ("incomplete", Some("content_filter")) => FinishReason::ContentFilter,
            ("incomplete", Some("max_output_tokens" | "max_tokens") | None) => FinishReason::Length,
            ("failed" | "cancelled", _) => FinishReason::Error,
            _ => FinishReason::Other,
        }
    }

    /// `{"type": "error", "code", "message", "param"}`, or the same inside of `error`. It ends the answer.
    fn error_event(&mut self, event: Event<'_>, events: &mut Vec<ChatEvent>) -> ModelError {
        self.has_ended = true;
        let error = match event.error {
            Value::Null => json!({
                "message": event.message, "code": event.code, "param": event.param,
            }),
            error => error,
        };
        if self.has_begun {
            let (reason, raw) = (FinishReason::Error, Some("failed".to_owned()));
            events.push(ChatEvent::Finished { choice: 0, reason, raw });
        }
        self.failed(&json!({ "error": error }))
    }

    fn failed(&self, body: &Value) -> ModelError {
        self.with_request_id(errors::from_body(Operation::Chat, None, body))
    }

    fn with_request_id(&self, error: ModelError) -> ModelError {
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

impl AnswerDecoder for ResponsesDecoder {
    fn whole(self, body: &[u8]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
        ResponsesDecoder::whole(self, body)
    }
}

impl EventDecoder for ResponsesDecoder {
    fn push(
        &mut self,
        event: SseEvent<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<Progress, ModelError> {
        match event.data.trim() {
            "" => Ok(Progress::More),
            // Only routers send it; whether the answer is complete is judged without it.
            "[DONE]" => Ok(Progress::Done),
            data => self.decode(&event.name, data, events),
        }
    }

    fn end(&mut self, _events: &mut Vec<ChatEvent>) -> Result<(), ModelError> {
        match (self.has_ended, self.has_begun) {
            (true, _) => Ok(()),
            (false, true) => Err(malformed("the stream ended in the middle of the answer")),
            (false, false) => Err(malformed("the answer ended before it began")),
        }
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(data: &'a str) -> Result<T, ModelError> {
    serde_json::from_str(data).map_err(|error| {
        malformed(format!("this is no event of a response: {}", snippet(data))).with_source(error)
    })
}

fn head_of(response: &Map<String, Value>) -> Head {
    let text_of = |name: &str| response.get(name).and_then(Value::as_str).map(str::to_owned);
    Head {
        id: text_of("id"),
        model: text_of("model"),
        created_at: response.get("created_at").cloned().unwrap_or_default(),
    }
}

/// A delta; some servers wrap it into an object.
fn text(delta: Value) -> String {
    match delta {
        Value::String(text) => text,
        Value::Object(fields) => {
            fields.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

fn is_pending(status: &str) -> bool {
    matches!(status, "queued" | "in_progress")
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
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
