//! [`EventWriter`]: events into the server-sent events of a streamed answer.

use llm_core::{ChatEvent, Extra, FinishReason, ModelError, Usage, Warning};
use serde_json::{Map, Value, json};

use super::ResponseHead;
use super::body::{State, response_value, status_of};
use super::output::{Output, Told};
use crate::openai::responses::DIALECT;
use crate::openai::responses::request_item::annotation_value;
use crate::openai::server::error_body;

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEvent {
    /// Its `event:` field, which its data repeats as `type`.
    pub name: &'static str,
    /// Its `data:` field: JSON.
    pub data: String,
}

/// Writes the events of one streamed answer, each with its `sequence_number`, in the order that the API documents.
/// There is no `[DONE]`.
///
/// Only the first choice is written: this API has only one. Reasoning goes out as summary; warnings, and fields of the
/// whole answer without a name, stand in the response object of the last event.
#[derive(Clone, Debug)]
pub struct EventWriter {
    head: ResponseHead,
    sequence: u64,
    has_begun: bool,
    output: Output,
    usage: Usage,
    extra: Extra,
    warnings: Vec<Warning>,
    /// Blocks of other dialects.
    blocks: Vec<Value>,
    finish: Option<FinishReason>,
}

/// The end of a streamed answer.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The whole response object, as the last event says it.
    pub response: Value,
    before: Vec<ServerEvent>,
    name: &'static str,
    writer: EventWriter,
}

impl Ending {
    /// The last events.
    pub fn written(mut self) -> Vec<ServerEvent> {
        self.before.push(self.writer.write((self.name, json!({ "response": self.response }))));
        self.before
    }
}

impl EventWriter {
    /// A writer for one answer.
    pub fn new(head: ResponseHead) -> Self {
        Self {
            output: Output::new(&head.id),
            head,
            sequence: 0,
            has_begun: false,
            usage: Usage::default(),
            extra: Extra::new(),
            warnings: Vec::new(),
            blocks: Vec::new(),
            finish: None,
        }
    }

    /// The events that say that the answer begins. Empty when they have been given already: [`push`](Self::push) and
    /// [`end`](Self::end) give them themselves.
    pub fn begin(&mut self) -> Vec<ServerEvent> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Vec::new();
        }
        let opening =
            json!({ "response": self.response("in_progress", None, Value::Null, Vec::new()) });
        ["response.created", "response.in_progress"]
            .map(|name| self.write((name, opening.clone())))
            .into()
    }

    /// The events for what the model said.
    pub fn push(&mut self, event: ChatEvent) -> Vec<ServerEvent> {
        let mut written = self.begin();
        self.take(event);
        written.extend(self.written());
        written
    }

    /// What comes after the last event: the ends of what is open, and the whole response.
    pub fn end(self) -> Vec<ServerEvent> {
        self.ending().written()
    }

    /// The same, before it is written: for servers that keep the response first.
    pub fn ending(mut self) -> Ending {
        let mut before = self.begin();
        self.output.close();
        before.extend(self.written());
        let (status, reason) = self.status();
        let name = match status {
            "incomplete" => "response.incomplete",
            "failed" => "response.failed",
            _ => "response.completed",
        };
        let response = self.final_response(status, reason, Value::Null);
        Ending { response, before, name, writer: self }
    }

    /// The last events of a stream that fails half-way: `error` and `response.failed`. Nothing follows them.
    pub fn fail(mut self, error: &ModelError) -> Vec<ServerEvent> {
        let mut written = self.begin();
        let body = error_body(error);
        let field =
            |name: &str| body.pointer(&format!("/error/{name}")).cloned().unwrap_or_default();
        let code = match field("code") {
            Value::Null => field("type"),
            code => code,
        };
        let told = json!({ "code": code, "message": field("message"), "param": field("param") });
        written.push(self.write(("error", told)));
        let summary = json!({ "code": code, "message": field("message") });
        let response = self.final_response("failed", None, summary);
        written.push(self.write(("response.failed", json!({ "response": response }))));
        written
    }

    /// The whole response object, of everything pushed so far.
    pub(super) fn into_response(mut self) -> Value {
        self.output.close();
        let (status, reason) = self.status();
        self.final_response(status, reason, Value::Null)
    }

    fn take(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Text { choice: 0, text, signature } => self.output.text(&text, signature),
            ChatEvent::Refusal { choice: 0, text } => self.output.refusal(&text),
            ChatEvent::Reasoning(delta) if delta.choice == 0 => self.output.reasoning(delta),
            ChatEvent::ToolCall(delta) if delta.choice == 0 => self.output.tool_call(delta),
            ChatEvent::Annotation { choice: 0, annotation } => {
                self.output.annotation(annotation_value(&annotation));
            }
            ChatEvent::Logprobs { choice: 0, value } => self.output.logprobs(&value),
            ChatEvent::Media { choice: 0, media } => self.output.media(media),
            ChatEvent::Block { choice: 0, dialect, value } if dialect == DIALECT => {
                self.output.block(value);
            }
            ChatEvent::Block { choice: 0, dialect, value } => {
                self.blocks.push(json!({ "dialect": dialect, "value": value }));
            }
            ChatEvent::Audio(piece) if piece.choice == 0 => {
                self.audio(piece.data, piece.transcript)
            }
            ChatEvent::Warning(warning) => self.warnings.push(warning),
            ChatEvent::Usage(usage) => self.usage.merge(usage),
            ChatEvent::Finished { choice: 0, reason, .. } => self.finish = Some(reason),
            ChatEvent::Extra { fields } => self.extra.extend(fields),
            _ => {}
        }
    }

    /// Sound has events of its own and no item.
    fn audio(&mut self, data: String, transcript: String) {
        for (name, text) in
            [("response.audio.delta", data), ("response.audio.transcript.delta", transcript)]
        {
            if !text.is_empty() {
                self.output.told.push((name, json!({ "delta": text })));
            }
        }
    }

    fn status(&self) -> (&'static str, Option<&'static str>) {
        self.finish.map_or(("completed", None), status_of)
    }

    fn written(&mut self) -> Vec<ServerEvent> {
        let told = std::mem::take(&mut self.output.told);
        told.into_iter().map(|told| self.write(told)).collect()
    }

    fn write(&mut self, (name, fields): Told) -> ServerEvent {
        let mut data = Map::new();
        data.insert("type".into(), name.into());
        data.insert("sequence_number".into(), self.sequence.into());
        if let Value::Object(fields) = fields {
            data.extend(fields);
        }
        self.sequence += 1;
        ServerEvent { name, data: Value::Object(data).to_string() }
    }

    fn final_response(
        &mut self,
        status: &'static str,
        reason: Option<&'static str>,
        error: Value,
    ) -> Value {
        let output = std::mem::take(&mut self.output).into_items();
        self.response(status, reason, error, output)
    }

    fn response(
        &self,
        status: &'static str,
        reason: Option<&'static str>,
        error: Value,
        output: Vec<Value>,
    ) -> Value {
        let state = State {
            status,
            reason,
            error,
            output,
            usage: &self.usage,
            extra: &self.extra,
            warnings: &self.warnings,
            blocks: &self.blocks,
        };
        response_value(&self.head, state)
    }
}
