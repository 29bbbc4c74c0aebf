//! The messages of a request, as Converse takes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{
    Annotation, CacheControl, Media, MediaSource, Message, ModelError, Part, Reasoning, Role,
    TextPart, ToolCall, ToolResult,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::media::{Kind, document_name, format_of, kind_of};
use crate::notes::Notes;

/// A conversation: instructions apart, and turns of `user` and `assistant` that alternate.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
}

/// Writes all messages. Turns of one role that follow each other become one, since the service wants them to alternate;
/// results of tools are said by the user; instructions go to `system`, wherever they stood.
pub(super) fn render_messages(
    messages: Vec<Message>,
    notes: &mut Notes,
) -> Result<Conversation, ModelError> {
    let mut writer = Writer { notes, names: Vec::new() };
    let mut conversation = Conversation::default();
    let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for message in messages {
        if message.name.is_some() {
            writer.notes.dropped_content("messages", "names of speakers")?;
        }
        let role = match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    let what = "instructions within the conversation were put before it";
                    writer.notes.moved_content("messages", what);
                }
                conversation.system.extend(writer.parts(message.parts)?);
                continue;
            }
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let content = writer.parts(message.parts)?;
        match turns.last_mut() {
            Some((last, said)) if *last == role => said.extend(content),
            // A turn in which nothing was said is none.
            _ if content.is_empty() => {}
            _ => turns.push((role, content)),
        }
    }
    conversation.messages = turns
        .into_iter()
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect();
    Ok(conversation)
}

/// A cache breakpoint is a block of its own, behind what it caches.
pub(super) fn cache_point(cache: CacheControl) -> Value {
    match cache.ttl {
        Some(ttl) => json!({ "cachePoint": { "type": "default", "ttl": ttl } }),
        None => json!({ "cachePoint": { "type": "default" } }),
    }
}

struct Writer<'a> {
    notes: &'a mut Notes,
    /// Names of documents so far; the service wants them to differ.
    names: Vec<String>,
}

impl Writer<'_> {
    fn parts(&mut self, parts: Vec<Part>) -> Result<Vec<Value>, ModelError> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            self.part(part, &mut blocks)?;
        }
        Ok(blocks)
    }

    fn part(&mut self, part: Part, blocks: &mut Vec<Value>) -> Result<(), ModelError> {
        match part {
            Part::Text(part) => text(part, blocks),
            Part::Refusal(part) => blocks.push(json!({ "text": part.text })),
            Part::Image(media) => self.media(Kind::Image, media, blocks)?,
            Part::Audio(media) => self.media(Kind::Audio, media, blocks)?,
            Part::File(media) => self.media(kind_of(&media), media, blocks)?,
            Part::Reasoning(block) => reasoning(block, self.notes, blocks)?,
            Part::ToolCall(call) => blocks.push(self.tool_call(call)),
            Part::ToolResult(result) => {
                let result = self.tool_result(result)?;
                blocks.push(result);
            }
            Part::Other { dialect, value } if dialect == DIALECT => blocks.push(value),
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            _ => {}
        }
        Ok(())
    }

    fn media(
        &mut self,
        kind: Kind,
        media: Media,
        blocks: &mut Vec<Value>,
    ) -> Result<(), ModelError> {
        let format = format_of(kind, &media);
        let Media { source, name, cache, extra, .. } = media;
        let source = match source {
            MediaSource::Base64(data) => json!({ "bytes": data }),
            MediaSource::Url(url) if url.starts_with("s3://") => {
                json!({ "s3Location": { "uri": url } })
            }
            MediaSource::Text(text) if kind == Kind::Document => json!({ "text": text }),
            MediaSource::Text(text) => json!({ "bytes": STANDARD.encode(text) }),
            MediaSource::Url(_) => {
                return self.notes.dropped_content("messages", "media by URL, other than s3://");
            }
            MediaSource::FileId(_) => {
                return self.notes.dropped_content("messages", "media by file id");
            }
        };
        let mut fields = Map::from_iter([("format".to_owned(), Value::from(format))]);
        if kind == Kind::Document {
            fields.insert("name".into(), document_name(name, &mut self.names).into());
        }
        fields.insert("source".into(), source);
        fields.extend(extra);
        blocks.push(Map::from_iter([(kind.as_str().to_owned(), Value::from(fields))]).into());
        blocks.extend(cache.map(cache_point));
        Ok(())
    }

    fn tool_call(&mut self, call: ToolCall) -> Value {
        let input = match call.parsed_arguments() {
            Ok(input) => input,
            Err(_) => {
                let what = "broken arguments of an earlier call were put into an object";
                self.notes.moved_content("messages", what);
                json!({ "invalid_json": call.arguments })
            }
        };
        let mut fields = Map::new();
        fields.insert("toolUseId".into(), call.id.into());
        fields.insert("name".into(), call.name.into());
        fields.insert("input".into(), input);
        fields.extend(call.extra);
        json!({ "toolUse": fields })
    }

    fn tool_result(&mut self, result: ToolResult) -> Result<Value, ModelError> {
        let mut content = self.parts(result.parts)?;
        let breakpoint = content.pop_if(|block| block.get("cachePoint").is_some());
        if breakpoint.is_some() {
            self.notes.dropped_parameter("cache_control")?;
        }
        let mut fields = Map::new();
        fields.insert("toolUseId".into(), result.call_id.into());
        fields.insert("content".into(), content.into());
        if result.is_error {
            fields.insert("status".into(), "error".into());
        }
        fields.extend(result.extra);
        Ok(json!({ "toolResult": fields }))
    }
}

/// Text, or text with the sources that the model named for it. The service refuses empty text, which says nothing.
fn text(part: TextPart, blocks: &mut Vec<Value>) {
    let citations: Vec<Value> = part
        .annotations
        .into_iter()
        .filter_map(|annotation| match annotation {
            Annotation::Other { value } if value.get("location").is_some() => Some(value),
            _ => None,
        })
        .collect();
    if !citations.is_empty() {
        let content = json!([{ "text": part.text }]);
        let block = json!({ "content": content, "citations": citations });
        blocks.push(json!({ "citationsContent": block }));
    } else if !part.text.is_empty() {
        let mut block = Map::from_iter([("text".to_owned(), Value::from(part.text))]);
        block.extend(part.extra);
        blocks.push(block.into());
    }
    blocks.extend(part.cache.map(cache_point));
}

/// What was sealed goes back as it came. Plain reasoning does too: models that do not sign take it.
fn reasoning(
    block: Reasoning,
    notes: &mut Notes,
    blocks: &mut Vec<Value>,
) -> Result<(), ModelError> {
    if let Some(redacted) = block.redacted {
        blocks.push(json!({ "reasoningContent": { "redactedContent": redacted } }));
        if block.text.is_empty() && block.signature.is_none() {
            return Ok(());
        }
    }
    if block.text.is_empty() && block.signature.is_none() {
        return if block.id.is_some() {
            notes.dropped_content("messages", "reasoning by its id")
        } else {
            Ok(())
        };
    }
    let mut fields = Map::from_iter([("text".to_owned(), Value::from(block.text))]);
    if let Some(signature) = block.signature {
        fields.insert("signature".into(), signature.into());
    }
    blocks.push(json!({ "reasoningContent": { "reasoningText": fields } }));
    Ok(())
}
