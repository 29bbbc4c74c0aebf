//! The messages of a request, as v2 takes them.

use llm_core::{
    Annotation, Media, MediaSource, Message, ModelError, Part, Reasoning, Role, TextPart, ToolCall,
    ToolResult,
};
use serde_json::{Map, Value, json};

use super::{DIALECT, TOOL_PLAN};
use crate::notes::Notes;
use crate::openai::chat::media_url;

/// What the messages of a request become.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Value>,
    /// Files that are plain text.
    pub(super) documents: Vec<Value>,
}

/// Writes all messages, in order. Results of tools become messages of their own.
pub(super) fn render_messages(
    messages: Vec<Message>,
    may_think: bool,
    notes: &mut Notes,
) -> Result<Conversation, ModelError> {
    let mut writer = Writer { may_think, notes, conversation: Conversation::default() };
    for message in messages {
        writer.message(message)?;
    }
    Ok(writer.conversation)
}

/// A file that is plain text, as a document to cite.
pub(super) fn document(media: Media, text: String) -> Value {
    let mut data = Map::new();
    if let Some(title) = media.name {
        data.insert("title".into(), title.into());
    }
    data.insert("text".into(), text.into());
    let mut document = Map::from_iter([("data".to_owned(), data.into())]);
    document.extend(media.extra);
    document.into()
}

struct Writer<'a> {
    may_think: bool,
    notes: &'a mut Notes,
    conversation: Conversation,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, extra } = message;
        if name.is_some() {
            self.notes.dropped_parameter("messages.name")?;
        }
        let (results, parts): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        let is_only_results = !results.is_empty() && parts.is_empty();
        for result in results {
            if let Part::ToolResult(result) = result {
                self.tool_result(result)?;
            }
        }
        if is_only_results {
            return Ok(());
        }
        let role_word = match role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let mut fields = Map::from_iter([("role".to_owned(), role_word.into())]);
        if role == Role::Assistant {
            self.assistant(parts, &mut fields)?;
        } else {
            let content = self.content(parts, Place::Message)?;
            fields.insert("content".into(), or_empty(content));
        }
        fields.extend(extra);
        self.conversation.messages.push(fields.into());
        Ok(())
    }

    fn tool_result(&mut self, result: ToolResult) -> Result<(), ModelError> {
        let content = self.content(result.parts, Place::ToolResult)?;
        let mut fields = Map::from_iter([
            ("role".to_owned(), Value::from("tool")),
            ("tool_call_id".to_owned(), result.call_id.into()),
            ("content".to_owned(), or_empty(content)),
        ]);
        fields.extend(result.extra);
        self.conversation.messages.push(fields.into());
        Ok(())
    }

    fn assistant(
        &mut self,
        parts: Vec<Part>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ModelError> {
        let (mut said, mut calls, mut plan) = (Vec::new(), Vec::new(), String::new());
        let mut citations = Vec::new();
        for mut part in parts {
            match &mut part {
                Part::ToolCall(call) => calls.push(tool_call(std::mem::take(call))),
                Part::Reasoning(block) if is_plan(block) => plan.push_str(&block.text),
                Part::Text(text) => {
                    citations.extend(text.annotations.drain(..).filter_map(citation));
                    said.push(part);
                }
                _ => said.push(part),
            }
        }
        let content = self.content(said, Place::Answer)?;
        // Content may only be missing where something else says what the model did.
        if !content.is_null() || calls.is_empty() {
            fields.insert("content".into(), or_empty(content));
        }
        if !plan.is_empty() {
            fields.insert("tool_plan".into(), plan.into());
        }
        if !calls.is_empty() {
            fields.insert("tool_calls".into(), calls.into());
        }
        if !citations.is_empty() {
            fields.insert("citations".into(), citations.into());
        }
        Ok(())
    }

    /// Null for nothing, a string for one plain text, an array otherwise.
    fn content(&mut self, parts: Vec<Part>, place: Place) -> Result<Value, ModelError> {
        let mut rendered = Vec::with_capacity(parts.len());
        for part in parts {
            rendered.extend(self.part(part, place)?);
        }
        let is_one_text = matches!(
            &rendered[..],
            [Value::Object(part)] if part.len() == 2
                && part.get("type").is_some_and(|kind| kind == "text")
        );
        Ok(match rendered.pop() {
            None => Value::Null,
            Some(Value::Object(mut part)) if is_one_text => {
                part.shift_remove("text").unwrap_or_default()
            }
            Some(last) => {
                rendered.push(last);
                rendered.into()
            }
        })
    }

    /// A part of content; `None` for what was left out or moved.
    fn part(&mut self, part: Part, place: Place) -> Result<Option<Value>, ModelError> {
        let dropped = match part {
            Part::Text(part) | Part::Refusal(part) => return self.text(part),
            Part::Reasoning(block) if place == Place::Answer => return self.thinking(block),
            Part::File(media) => return self.file(media, place),
            Part::Image(media) if place == Place::Message => return self.image(media),
            Part::Other { dialect, value } if dialect == DIALECT => return Ok(Some(value)),
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            Part::Other { .. } => return Ok(None),
            Part::Image(_) => "pictures in answers and results of tools",
            Part::Audio(_) => "sound",
            _ => "reasoning or tools in this message",
        };
        self.notes.dropped_content("messages", dropped)?;
        Ok(None)
    }

    fn text(&mut self, part: TextPart) -> Result<Option<Value>, ModelError> {
        if part.cache.is_some() {
            self.notes.dropped_parameter("cache_control")?;
        }
        let mut fields = Map::from_iter([
            ("type".to_owned(), Value::from("text")),
            ("text".to_owned(), part.text.into()),
        ]);
        fields.extend(part.extra);
        Ok(Some(fields.into()))
    }

    /// What the model thought in an earlier turn. Models that do not think are not told; what other providers signed or
    /// encrypted cannot be read here.
    fn thinking(&mut self, block: Reasoning) -> Result<Option<Value>, ModelError> {
        if block.signature.is_some() || block.redacted.is_some() {
            let what = "sealed reasoning of other providers";
            return self.notes.dropped_content("messages", what).map(|()| None);
        }
        let is_told = self.may_think && !block.text.is_empty();
        Ok(is_told.then(|| json!({ "type": "thinking", "thinking": block.text })))
    }

    fn file(&mut self, mut media: Media, place: Place) -> Result<Option<Value>, ModelError> {
        let MediaSource::Text(text) = &mut media.source else {
            let what = "files that are no plain text";
            return self.notes.dropped_content("messages", what).map(|()| None);
        };
        let text = std::mem::take(text);
        let document = document(media, text);
        if place == Place::ToolResult {
            return Ok(Some(json!({ "type": "document", "document": document })));
        }
        self.conversation.documents.push(document);
        Ok(None)
    }

    fn image(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        let Some(url) = media_url(media.source, media.media_type.as_deref()) else {
            self.notes.dropped_content("messages", "pictures by file id or as text")?;
            return Ok(None);
        };
        let mut image = Map::from_iter([("url".to_owned(), Value::from(url))]);
        if let Some(detail) = media.detail {
            image.insert("detail".into(), detail.into());
        }
        image.extend(media.extra);
        Ok(Some(json!({ "type": "image_url", "image_url": image })))
    }
}

/// Where content stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Message,
    Answer,
    ToolResult,
}

fn or_empty(content: Value) -> Value {
    if content.is_null() { "".into() } else { content }
}

/// Whether reasoning came as a `tool_plan`.
pub(super) fn is_plan(block: &Reasoning) -> bool {
    block.extra.contains_key(TOOL_PLAN)
}

/// A source that this dialect named.
fn citation(annotation: Annotation) -> Option<Value> {
    match annotation {
        Annotation::Other { value } if value.get("sources").is_some_and(Value::is_array) => {
            Some(value)
        }
        _ => None,
    }
}

fn tool_call(call: ToolCall) -> Value {
    let arguments = if call.arguments.trim().is_empty() { "{}".into() } else { call.arguments };
    let mut value = Map::from_iter([
        ("id".to_owned(), Value::from(call.id)),
        ("type".to_owned(), "function".into()),
        ("function".to_owned(), json!({ "name": call.name, "arguments": arguments })),
    ]);
    value.extend(call.extra);
    value.into()
}
