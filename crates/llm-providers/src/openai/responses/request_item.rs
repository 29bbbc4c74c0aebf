//! The messages of a request, as the items that a provider of this dialect takes.

use std::collections::BTreeMap;

use llm_core::{
    Annotation, Media, MediaSource, Message, ModelError, Part, Reasoning, Role, TextPart, ToolCall,
    ToolResult,
};
use serde_json::{Map, Value, json};

use super::header::{self, Header};
use super::{DIALECT, reasoning};
use crate::notes::Notes;
use crate::openai::chat::{format_of_media_type, media_url};
use crate::quirks::Quirks;

/// Whether the provider keeps answers, so that an id alone can stand for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    AtProvider,
    Never,
}

/// Writes all messages, in order. A leading system message of plain text comes first, as instructions.
pub(super) fn render_items(
    mut messages: Vec<Message>,
    quirks: &Quirks,
    storage: Storage,
    notes: &mut Notes,
) -> Result<(Option<String>, Vec<Value>), ModelError> {
    let instructions = take_instructions(&mut messages);
    let calls = call_headers(&messages);
    let mut writer = Writer {
        quirks,
        storage,
        notes,
        calls,
        items: Vec::new(),
        content: Vec::new(),
        header: None,
    };
    for message in messages {
        writer.message(message)?;
    }
    Ok((instructions, writer.items))
}

/// Instructions alone are no input, so something else must follow.
fn take_instructions(messages: &mut Vec<Message>) -> Option<String> {
    if messages.len() < 2 {
        return None;
    }
    let first = messages.first_mut().filter(|first| {
        first.role == Role::System && matches!(&first.parts[..], [part] if is_plain_text(part))
    })?;
    let text = match first.parts.pop()? {
        Part::Text(part) => part.text,
        _ => return None,
    };
    messages.remove(0);
    Some(text)
}

/// The headers of all calls, by their ids.
fn call_headers(messages: &[Message]) -> BTreeMap<String, Map<String, Value>> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts
        .filter_map(|part| match part {
            Part::Other { dialect, value } if dialect == DIALECT => match header::read(value)? {
                Header::Call(id, fields) => Some((id.to_owned(), fields.clone())),
                Header::Message(_) => None,
            },
            _ => None,
        })
        .collect()
}

struct Writer<'a> {
    quirks: &'a Quirks,
    storage: Storage,
    notes: &'a mut Notes,
    calls: BTreeMap<String, Map<String, Value>>,
    items: Vec<Value>,
    /// Content of the message item that is being written, and its header.
    content: Vec<Value>,
    header: Option<Map<String, Value>>,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, mut parts, name, .. } = message;
        if name.is_some() {
            self.notes.dropped_content("messages", "names of speakers")?;
        }
        if role != Role::Assistant
            && let [part] = &parts[..]
            && is_plain_text(part)
            && let Some(Part::Text(part)) = parts.pop()
        {
            self.items.push(json!({ "role": self.role(role), "content": part.text }));
            return Ok(());
        }
        let is_empty = parts.is_empty();
        for part in parts {
            match role {
                Role::Assistant => self.said(part)?,
                _ => self.given(role, part)?,
            }
        }
        if is_empty && role != Role::Assistant {
            self.items.push(json!({ "role": self.role(role), "content": "" }));
        }
        self.flush(role);
        Ok(())
    }

    fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Developer if !self.quirks.no_developer_role => "developer",
            Role::System | Role::Developer => "system",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        }
    }

    /// A part of an earlier answer.
    fn said(&mut self, part: Part) -> Result<(), ModelError> {
        match part {
            Part::Text(part) => self.content.push(output_text(part)),
            Part::Refusal(part) => {
                self.content.push(json!({ "type": "refusal", "refusal": part.text }));
            }
            Part::Reasoning(block) => {
                self.flush(Role::Assistant);
                self.reasoning(block)?;
            }
            Part::ToolCall(call) => {
                self.flush(Role::Assistant);
                let item = self.tool_call(call);
                self.items.push(item);
            }
            Part::ToolResult(result) => {
                self.flush(Role::Assistant);
                self.tool_result(result)?;
            }
            Part::Image(media) => self.picture(media)?,
            Part::Audio(_) | Part::File(_) => {
                self.notes.dropped_content("messages", "media in earlier answers")?;
            }
            Part::Other { dialect, value } if dialect == DIALECT => {
                self.other(Role::Assistant, value);
            }
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            _ => {}
        }
        Ok(())
    }

    /// A part of any other message.
    fn given(&mut self, role: Role, part: Part) -> Result<(), ModelError> {
        match part {
            Part::ToolResult(result) => {
                self.flush(role);
                self.tool_result(result)?;
            }
            Part::Other { dialect, value } if dialect == DIALECT => self.other(role, value),
            part => {
                let value = self.input(part)?;
                self.content.extend(value);
            }
        }
        Ok(())
    }

    fn other(&mut self, role: Role, value: Value) {
        match header::read(&value) {
            Some(Header::Message(fields)) => {
                let fields = fields.clone();
                self.flush(role);
                self.header = Some(fields);
            }
            // Goes with its call.
            Some(Header::Call(..)) => {}
            None if is_content(&value) => self.content.push(value),
            None => {
                self.flush(role);
                self.items.push(value);
            }
        }
    }

    /// Ends the message item that is being written, if there is one.
    fn flush(&mut self, role: Role) {
        let header = self.header.take();
        let content = std::mem::take(&mut self.content);
        if content.is_empty() {
            return;
        }
        let mut item = Map::from_iter([("role".to_owned(), self.role(role).into())]);
        let has_id = header.as_ref().is_some_and(|header| header.contains_key("id"));
        match &content[..] {
            // An answer without an id may be written as a question is.
            [part] if !has_id && is_only_text(part) => {
                item.insert("content".into(), part.get("text").cloned().unwrap_or_default());
            }
            _ => {
                item.insert("content".into(), content.into());
            }
        }
        if has_id && role == Role::Assistant {
            item.insert("status".into(), "completed".into());
        }
        item.extend(header.unwrap_or_default());
        self.items.push(item.into());
    }

    fn reasoning(&mut self, block: Reasoning) -> Result<(), ModelError> {
        if !reasoning::is_own(&block) {
            // Plain reasoning is the model's own affair and goes stale with its turn. What another provider signed or
            // encrypted means something only to that one.
            let is_sealed = block.signature.is_some() || block.redacted.is_some();
            return match is_sealed {
                true => self.notes.dropped_content("messages", "reasoning that others have sealed"),
                false => Ok(()),
            };
        }
        let is_only_id =
            block.id.is_some() && block.redacted.is_none() && !reasoning::has_content(&block);
        if self.storage == Storage::Never && is_only_id {
            // There is nothing behind its id, and a summary is not what the model thought.
            return self.notes.dropped_content("messages", "reasoning that was not kept");
        }
        self.items.push(reasoning::item(block));
        Ok(())
    }

    fn tool_call(&self, call: ToolCall) -> Value {
        let header = self.calls.get(&call.id);
        let is_custom = self.is_custom(&call.id);
        let (kind, text) = match is_custom {
            true => ("custom_tool_call", "input"),
            false => ("function_call", "arguments"),
        };
        let mut item = Map::new();
        item.insert("type".into(), kind.into());
        item.insert("call_id".into(), call.id.into());
        item.insert("name".into(), call.name.into());
        let arguments = match call.arguments.trim() {
            "" if !is_custom => "{}".to_owned(),
            _ => call.arguments,
        };
        item.insert(text.into(), arguments.into());
        item.extend(header.cloned().unwrap_or_default());
        item.into()
    }

    fn is_custom(&self, call_id: &str) -> bool {
        let header = self.calls.get(call_id);
        header
            .is_some_and(|header| header.get("type").is_some_and(|kind| kind == "custom_tool_call"))
    }

    fn tool_result(&mut self, result: ToolResult) -> Result<(), ModelError> {
        let ToolResult { call_id, parts, extra, .. } = result;
        let own_kind = extra.get("type").is_some_and(|kind| kind == "custom_tool_call_output");
        let is_custom = own_kind || self.is_custom(&call_id);
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        let output = match &parts[..] {
            [] => "".into(),
            texts if texts.iter().all(is_plain_text) => {
                texts.iter().filter_map(Part::as_text).collect::<String>().into()
            }
            _ => {
                let mut output = Vec::with_capacity(parts.len());
                for part in parts {
                    output.extend(self.input(part)?);
                }
                output.into()
            }
        };
        let mut item = Map::new();
        item.insert("type".into(), kind.into());
        item.insert("call_id".into(), call_id.into());
        item.insert("output".into(), output);
        for name in ["id", "status"] {
            if let Some(value) = extra.get(name) {
                item.insert(name.into(), value.clone());
            }
        }
        self.items.push(item.into());
        Ok(())
    }

    /// A picture that the provider's tool made goes back into the item that it came out of.
    fn picture(&mut self, media: Media) -> Result<(), ModelError> {
        let call = self.items.last_mut().and_then(Value::as_object_mut).filter(|item| {
            item.get("type").is_some_and(|kind| kind == "image_generation_call")
                && !item.contains_key("result")
        });
        match (call, media.source) {
            (Some(call), MediaSource::Base64(data)) => {
                call.insert("result".into(), data.into());
                Ok(())
            }
            _ => self.notes.dropped_content("messages", "media in earlier answers"),
        }
    }

    /// A part of what the model is given; `None` for what was left out.
    fn input(&mut self, part: Part) -> Result<Option<Value>, ModelError> {
        match part {
            Part::Text(part) | Part::Refusal(part) => self.text(part).map(Some),
            Part::Image(media) => self.image(media),
            Part::Audio(media) => self.audio(media),
            Part::File(media) => self.file(media),
            Part::Other { dialect, value } if dialect == DIALECT => Ok(Some(value)),
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                self.notes.dropped_content("messages", "reasoning or tools in this message")?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn text(&mut self, part: TextPart) -> Result<Value, ModelError> {
        self.no_cache(part.cache.is_some())?;
        let mut value = Map::new();
        value.insert("type".into(), "input_text".into());
        value.insert("text".into(), part.text.into());
        value.extend(part.extra);
        Ok(value.into())
    }

    fn image(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        self.no_cache(media.cache.is_some())?;
        let mut value = Map::from_iter([("type".to_owned(), "input_image".into())]);
        match media.source {
            MediaSource::FileId(id) => value.insert("file_id".into(), id.into()),
            source => match media_url(source, media.media_type.as_deref()) {
                Some(url) => value.insert("image_url".into(), url.into()),
                None => {
                    self.notes.dropped_content("messages", "pictures as text")?;
                    return Ok(None);
                }
            },
        };
        if let Some(detail) = media.detail {
            value.insert("detail".into(), detail.into());
        }
        value.extend(media.extra);
        Ok(Some(value.into()))
    }

    fn audio(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        let MediaSource::Base64(data) = media.source else {
            self.notes.dropped_content("messages", "sound that is not inline")?;
            return Ok(None);
        };
        let format = media.media_type.as_deref().map(format_of_media_type);
        let mut audio = Map::from_iter([("data".to_owned(), Value::from(data))]);
        if let Some(format) = format {
            audio.insert("format".into(), format.into());
        }
        audio.extend(media.extra);
        Ok(Some(json!({ "type": "input_audio", "input_audio": audio })))
    }

    fn file(&mut self, media: Media) -> Result<Option<Value>, ModelError> {
        self.no_cache(media.cache.is_some())?;
        let mut value = Map::from_iter([("type".to_owned(), "input_file".into())]);
        match media.source {
            MediaSource::FileId(id) => {
                value.insert("file_id".into(), id.into());
            }
            MediaSource::Url(url) => {
                value.insert("file_url".into(), url.into());
            }
            MediaSource::Text(text) => return self.text(TextPart::new(text)).map(Some),
            source @ MediaSource::Base64(_) => {
                let url = media_url(source, media.media_type.as_deref()).unwrap_or_default();
                value.insert("file_data".into(), url.into());
            }
        }
        if let Some(name) = media.name {
            value.insert("filename".into(), name.into());
        }
        value.extend(media.extra);
        Ok(Some(value.into()))
    }

    /// Prompts are cached without being asked; there are no breakpoints of this form.
    fn no_cache(&mut self, is_given: bool) -> Result<(), ModelError> {
        if is_given { self.notes.dropped_parameter("cache_control") } else { Ok(()) }
    }
}

fn output_text(part: TextPart) -> Value {
    let mut value = Map::new();
    value.insert("type".into(), "output_text".into());
    value.insert("text".into(), part.text.into());
    if !part.annotations.is_empty() {
        let annotations: Vec<Value> = part.annotations.iter().map(annotation_value).collect();
        value.insert("annotations".into(), annotations.into());
    }
    value.into()
}

/// An annotation as this dialect writes it: flat.
pub(super) fn annotation_value(annotation: &Annotation) -> Value {
    match annotation {
        Annotation::UrlCitation { url, title, start, end } => {
            let mut citation = Map::new();
            citation.insert("type".into(), "url_citation".into());
            citation.insert("url".into(), url.as_str().into());
            if let Some(title) = title {
                citation.insert("title".into(), title.as_str().into());
            }
            if let Some(start) = start {
                citation.insert("start_index".into(), (*start).into());
            }
            if let Some(end) = end {
                citation.insert("end_index".into(), (*end).into());
            }
            citation.into()
        }
        Annotation::Other { value } => flat(value),
        _ => Value::Null,
    }
}

/// Chat completions put a citation into a field named as its type.
fn flat(value: &Value) -> Value {
    let nested = value.get("type").and_then(Value::as_str).and_then(|kind| value.get(kind));
    match (nested.and_then(Value::as_object), value.as_object()) {
        (Some(nested), Some(outer)) => {
            let mut flat = Map::from_iter([(
                "type".to_owned(),
                outer.get("type").cloned().unwrap_or_default(),
            )]);
            flat.extend(nested.clone());
            flat.into()
        }
        _ => value.clone(),
    }
}

/// Content of a kind that has no name here, which stands inside of a message.
fn is_content(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("input_") || kind.starts_with("output_") || kind == "summary_text"
}

fn is_only_text(content: &Value) -> bool {
    content.get("type").is_some_and(|kind| kind == "output_text")
        && content.as_object().is_some_and(|fields| fields.len() == 2)
}

fn is_plain_text(part: &Part) -> bool {
    matches!(part, Part::Text(part) if part.cache.is_none() && part.extra.is_empty())
}
