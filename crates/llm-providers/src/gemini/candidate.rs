//! One candidate of an answer: its parts into events, and its end.

use llm_core::{
    AudioDelta, ChatEvent, Extra, FinishReason, Media, MediaSource, ReasoningDelta, ToolCallDelta,
};
use serde_json::{Map, Value};

use super::grounding::Sources;
use super::logprobs::to_openai_logprobs;
use super::partial_args::add_piece;
use super::{DIALECT, call_id};

/// Gemini's words for the end of a candidate, and what they mean.
const REASONS: &[(&str, FinishReason)] = &[
    ("STOP", FinishReason::Stop),
    ("MAX_TOKENS", FinishReason::Length),
    ("SAFETY", FinishReason::ContentFilter),
    ("RECITATION", FinishReason::ContentFilter),
    ("BLOCKLIST", FinishReason::ContentFilter),
    ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("SPII", FinishReason::ContentFilter),
    ("MODEL_ARMOR", FinishReason::ContentFilter),
    ("IMAGE_SAFETY", FinishReason::ContentFilter),
    ("IMAGE_PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("IMAGE_RECITATION", FinishReason::ContentFilter),
    ("MALFORMED_FUNCTION_CALL", FinishReason::Error),
    ("UNEXPECTED_TOOL_CALL", FinishReason::Error),
    ("TOO_MANY_TOOL_CALLS", FinishReason::Error),
    ("MISSING_THOUGHT_SIGNATURE", FinishReason::Error),
    ("MALFORMED_RESPONSE", FinishReason::Error),
    // The numbers on which both services agree.
    ("1", FinishReason::Stop),
    ("2", FinishReason::Length),
    ("3", FinishReason::ContentFilter),
    ("4", FinishReason::ContentFilter),
];

/// What is known of a candidate so far.
#[derive(Debug, Default)]
pub(super) struct CandidateState {
    /// The block of reasoning that is open, and how many there have been.
    open_reasoning: Option<u32>,
    reasoning_blocks: u32,
    calls: u32,
    /// A call whose arguments come in pieces: its number, and what has come.
    open_call: Option<(u32, Value)>,
    sources: Sources,
    finish: Option<String>,
    /// The type of the sound has been told.
    has_sound: bool,
}

impl CandidateState {
    /// Tells one part. `total_calls` counts the calls of all candidates, for ids.
    pub(super) fn part(
        &mut self,
        choice: u32,
        mut part: Map<String, Value>,
        answer: &str,
        total_calls: &mut usize,
        events: &mut Vec<ChatEvent>,
    ) {
        let is_thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        let kind = part_kind(&part, is_thought);
        if kind != Kind::Thought {
            self.open_reasoning = None;
        }
        if kind == Kind::Block {
            let value = Value::Object(part);
            events.push(ChatEvent::Block { choice, dialect: DIALECT.to_owned(), value });
            return;
        }
        part.shift_remove("thought");
        let signature = take_text(&mut part, "thoughtSignature");
        match kind {
            Kind::Text => {
                let text = take_text(&mut part, "text").unwrap_or_default();
                self.sources.text(&text);
                if !text.is_empty() || signature.is_some() {
                    events.push(ChatEvent::Text { choice, text, signature });
                }
            }
            Kind::Thought => events.push(self.reasoning(choice, part, signature)),
            Kind::Call => {
                let id = call_id::make(answer, *total_calls);
                if self.call(choice, part, signature, id, events) {
                    *total_calls += 1;
                }
            }
            Kind::Media => self.media(choice, part, signature, events),
            Kind::Block => {}
        }
    }

    fn reasoning(
        &mut self,
        choice: u32,
        mut part: Map<String, Value>,
        signature: Option<String>,
    ) -> ChatEvent {
        let index = *self.open_reasoning.get_or_insert_with(|| {
            self.reasoning_blocks += 1;
            self.reasoning_blocks - 1
        });
        let text = take_text(&mut part, "text").unwrap_or_default();
        // The mark tells a signature of ours from another provider's when the block comes back.
        let extra = if signature.is_some() { mark(part) } else { extra(part) };
        if signature.is_some() {
            self.open_reasoning = None;
        }
        ChatEvent::Reasoning(ReasoningDelta {
            choice,
            index,
            text,
            signature,
            extra,
            ..ReasoningDelta::default()
        })
    }

    /// Tells a call, or a piece of the one that is open. Returns whether it was a new one. `made` is its id where the
    /// provider gives none.
    fn call(
        &mut self,
        choice: u32,
        mut part: Map<String, Value>,
        signature: Option<String>,
        made: String,
        events: &mut Vec<ChatEvent>,
    ) -> bool {
        let mut call = match part.shift_remove("functionCall") {
            Some(Value::Object(call)) => call,
            _ => Map::new(),
        };
        let name = take_text(&mut call, "name").filter(|name| !name.is_empty());
        let pieces = call.shift_remove("partialArgs");
        let goes_on = call.shift_remove("willContinue") == Some(Value::Bool(true));
        let is_new = name.is_some() || self.open_call.is_none();
        if is_new {
            self.close_call(choice, events);
            let id = take_text(&mut call, "id").filter(|id| !id.is_empty()).unwrap_or(made);
            let args = call.shift_remove("args").filter(|args| !args.is_null());
            let args = args.unwrap_or_else(|| Value::Object(Map::new()));
            let is_open = goes_on || pieces.is_some();
            let arguments = if is_open { String::new() } else { args.to_string() };
            if !call.is_empty() {
                part.insert("functionCall".to_owned(), Value::Object(call));
            }
            let index = self.calls;
            self.calls += 1;
            events.push(ChatEvent::ToolCall(ToolCallDelta {
                choice,
                index,
                id: Some(id),
                name: Some(name.unwrap_or_default()),
                arguments,
                signature,
                extra: extra(part),
            }));
            self.open_call = is_open.then_some((index, args));
        }
        if let (Some((_, arguments)), Some(Value::Array(pieces))) = (&mut self.open_call, pieces) {
            pieces.iter().for_each(|piece| add_piece(arguments, piece));
        }
        if !goes_on {
            self.close_call(choice, events);
        }
        is_new
    }

    /// Tells the arguments of a call that came in pieces, once they are whole.
    fn close_call(&mut self, choice: u32, events: &mut Vec<ChatEvent>) {
        if let Some((index, arguments)) = self.open_call.take() {
            let arguments = arguments.to_string();
            let delta = ToolCallDelta { choice, index, arguments, ..ToolCallDelta::default() };
            events.push(ChatEvent::ToolCall(delta));
        }
    }

    fn media(
        &mut self,
        choice: u32,
        mut part: Map<String, Value>,
        signature: Option<String>,
        events: &mut Vec<ChatEvent>,
    ) {
        let inline = part.shift_remove("inlineData").or_else(|| part.shift_remove("fileData"));
        let mut fields = match inline {
            Some(Value::Object(fields)) => fields,
            _ => return,
        };
        let media_type = take_text(&mut fields, "mimeType");
        let is_sound = media_type.as_ref().is_some_and(|name| name.starts_with("audio/"));
        let data = take_text(&mut fields, "data");
        let uri = take_text(&mut fields, "fileUri");
        if let (true, Some(data)) = (is_sound, &data) {
            if !std::mem::replace(&mut self.has_sound, true) {
                let fields = Extra::from_iter([("audioMimeType".to_owned(), media_type.into())]);
                events.push(ChatEvent::Extra { fields });
            }
            let data = data.clone();
            events.push(ChatEvent::Audio(AudioDelta { choice, data, ..AudioDelta::default() }));
            return;
        }
        let source = match (data, uri) {
            (Some(data), _) => MediaSource::Base64(data),
            (None, uri) => MediaSource::Url(uri.unwrap_or_default()),
        };
        let name = take_text(&mut fields, "displayName");
        if let Some(signature) = signature {
            part.insert("thoughtSignature".to_owned(), signature.into());
        }
        let media = Media { media_type, name, extra: extra(part), ..Media::new(source) };
        events.push(ChatEvent::Media { choice, media });
    }

    pub(super) fn logprobs(&mut self, choice: u32, result: Value, events: &mut Vec<ChatEvent>) {
        if let Some(value) = to_openai_logprobs(&result) {
            events.push(ChatEvent::Logprobs { choice, value });
        }
    }

    /// Notes the sources that the candidate names; they are told at its end, when its text is whole.
    pub(super) fn sources(&mut self, fields: &Extra) {
        self.sources.note(fields);
    }

    /// Notes why it ended. The last reason counts.
    pub(super) fn finish(&mut self, reason: &Value) {
        let word = match reason {
            Value::String(word) if !word.ends_with("_UNSPECIFIED") => word.clone(),
            Value::Number(number) if number.as_u64() != Some(0) => number.to_string(),
            _ => return,
        };
        if !word.is_empty() {
            self.finish = Some(word);
        }
    }

    /// Tells the sources and the end. Returns whether there is one.
    pub(super) fn end(&mut self, choice: u32, is_whole: bool, events: &mut Vec<ChatEvent>) -> bool {
        self.close_call(choice, events);
        let annotations = std::mem::take(&mut self.sources).annotations();
        events.extend(
            annotations.into_iter().map(|annotation| ChatEvent::Annotation { choice, annotation }),
        );
        let Some(raw) = self.finish.take() else {
            if is_whole {
                let reason = FinishReason::Other;
                events.push(ChatEvent::Finished { choice, reason, raw: None });
            }
            return is_whole;
        };
        let known = REASONS.iter().find(|(word, _)| *word == raw);
        let reason = match known.map_or(FinishReason::Other, |(_, reason)| *reason) {
            FinishReason::Stop if self.calls > 0 => FinishReason::ToolCalls,
            reason => reason,
        };
        events.push(ChatEvent::Finished { choice, reason, raw: Some(raw) });
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Call,
    Media,
    /// Code, results of code, tools of the provider, drafts of pictures: given back as they came.
    Block,
}

fn part_kind(part: &Map<String, Value>, is_thought: bool) -> Kind {
    let is_object = |name: &str| part.get(name).is_some_and(Value::is_object);
    if is_object("functionCall") {
        Kind::Call
    } else if part.get("text").is_some_and(Value::is_string) {
        if is_thought { Kind::Thought } else { Kind::Text }
    } else if !is_thought && (is_object("inlineData") || is_object("fileData")) {
        Kind::Media
    } else if part.keys().all(|name| matches!(name.as_str(), "thought" | "thoughtSignature")) {
        // Nothing but a signature: it belongs to what was said before.
        if is_thought { Kind::Thought } else { Kind::Text }
    } else {
        Kind::Block
    }
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.get_mut(name)?.take() {
        Value::String(text) => {
            fields.shift_remove(name);
            Some(text)
        }
        other => {
            fields.insert(name.to_owned(), other);
            None
        }
    }
}

/// Fields without a name, kept under the dialect's.
fn extra(fields: Map<String, Value>) -> Extra {
    if fields.is_empty() { Extra::new() } else { mark(fields) }
}

fn mark(fields: Map<String, Value>) -> Extra {
    Extra::from_iter([(DIALECT.to_owned(), Value::Object(fields))])
}
