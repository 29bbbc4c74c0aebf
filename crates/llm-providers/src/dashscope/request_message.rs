//! The messages of a request, as DashScope takes them.

use llm_core::{Media, MediaSource, Message, ModelError, Part, Role, ToolResult};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::generation::Generation;
use crate::notes::Notes;

/// Writes all messages, in order. Results of tools become messages of their own.
pub(super) fn render_messages(
    messages: Vec<Message>,
    generation: Generation,
    notes: &mut Notes,
) -> Result<Vec<Value>, ModelError> {
    let mut writer = Writer { generation, notes, rendered: Vec::new() };
    for message in messages {
        writer.message(message)?;
    }
    Ok(writer.rendered)
}

struct Writer<'a> {
    generation: Generation,
    notes: &'a mut Notes,
    rendered: Vec<Value>,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, .. } = message;
        if name.is_some() {
            self.notes.dropped_parameter("name")?;
        }
        let mut fields = Map::from_iter([("role".to_owned(), Value::from(word(role)))]);
        let (mut said, mut thought, mut calls) = (Vec::new(), String::new(), Vec::new());
        let mut is_only_results = !parts.is_empty();
        for part in parts {
            is_only_results &= matches!(part, Part::ToolResult(_));
            match part {
                Part::ToolResult(result) => self.result(result)?,
                Part::Reasoning(block) => thought.push_str(&block.text),
                Part::ToolCall(call) => calls.push(json!({
                    "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                })),
                part => said.push(part),
            }
        }
        if is_only_results {
            return Ok(());
        }
        fields.insert("content".to_owned(), self.content(said)?);
        if !thought.is_empty() {
            fields.insert("reasoning_content".to_owned(), thought.into());
        }
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.into());
        }
        self.rendered.push(fields.into());
        Ok(())
    }

    fn result(&mut self, result: ToolResult) -> Result<(), ModelError> {
        let content = self.content(result.parts)?;
        let mut fields =
            json!({ "role": "tool", "tool_call_id": result.call_id, "content": content });
        if let (Some(fields), Some(name)) = (fields.as_object_mut(), result.name) {
            fields.insert("name".to_owned(), name.into());
        }
        self.rendered.push(fields);
        Ok(())
    }

    /// Text where content is text, else a list.
    fn content(&mut self, parts: Vec<Part>) -> Result<Value, ModelError> {
        let mut items = Vec::with_capacity(parts.len());
        for part in parts {
            items.extend(self.item(part)?);
        }
        if self.generation == Generation::Multimodal {
            return Ok(items.into());
        }
        let texts = items.iter().filter_map(|item| item.get("text")?.as_str());
        Ok(texts.collect::<String>().into())
    }

    fn item(&mut self, part: Part) -> Result<Option<Value>, ModelError> {
        Ok(match part {
            Part::Text(part) => {
                if part.cache.is_some() {
                    self.notes.dropped_parameter("cache_control")?;
                }
                Some(json!({ "text": part.text }))
            }
            Part::Refusal(part) => Some(json!({ "text": part.text })),
            Part::File(Media { source: MediaSource::Text(text), .. }) => {
                Some(json!({ "text": text }))
            }
            Part::Image(media) => self.media("image", media)?,
            Part::Audio(media) => self.media("audio", media)?,
            Part::File(_) => {
                self.notes.dropped_content("messages", "files")?;
                None
            }
            Part::Other { dialect, value } if dialect == DIALECT => Some(value),
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            _ => None,
        })
    }

    fn media(&mut self, name: &str, media: Media) -> Result<Option<Value>, ModelError> {
        let url = match media.source {
            MediaSource::Url(url) => url,
            MediaSource::Base64(data) => {
                let kind = media.media_type.unwrap_or_else(|| format!("{name}/*"));
                format!("data:{kind};base64,{data}")
            }
            MediaSource::FileId(_) | MediaSource::Text(_) => {
                self.notes.dropped_content("messages", "media by file id or as text")?;
                return Ok(None);
            }
        };
        Ok(Some(Value::Object(Map::from_iter([(name.to_owned(), url.into())]))))
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}
