//! The blocks of a request: text, media, thinking, tools.

use llm_core::{
    Annotation, CacheControl, Media, MediaSource, ModelError, Part, Reasoning, TextPart, ToolCall,
    ToolResult,
};
use serde_json::{Map, Value, json};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::DIALECT;
use super::family::Family;
use crate::notes::Notes;

/// The word for `anthropic-beta` that files by id want.
const FILES_BETA: &str = "files-api-2025-04-14";

/// Writes parts as blocks, in order.
pub(super) struct BlockWriter<'a> {
    pub(super) family: Family,
    pub(super) notes: &'a mut Notes,
    pub(super) betas: Vec<&'static str>,
}

impl BlockWriter<'_> {
    /// A part as a block; `None` for what was left out.
    pub(super) fn block(&mut self, part: Part) -> Result<Option<Value>, ModelError> {
        match part {
            Part::Text(part) | Part::Refusal(part) => Ok(text(part)),
            Part::Image(media) => self.media(media, true),
            Part::File(media) => self.media(media, false),
            Part::Audio(_) => self.left_out("sound"),
            Part::Reasoning(block) => self.reasoning(block),
            Part::ToolCall(call) => Ok(Some(self.tool_use(call))),
            Part::ToolResult(result) => self.tool_result(result).map(Some),
            Part::Other { dialect, value } if dialect == DIALECT => Ok(Some(value)),
            // Blocks of other dialects mean nothing here, as the vocabulary says.
            _ => Ok(None),
        }
    }

    fn left_out(&mut self, what: &str) -> Result<Option<Value>, ModelError> {
        self.notes.dropped_content("messages", what).map(|()| None)
    }

    /// A picture or a document: which of both, the media type says first.
    fn media(&mut self, media: Media, is_image: bool) -> Result<Option<Value>, ModelError> {
        let Media { source, media_type, name, detail, cache, extra } = media;
        if detail.is_some_and(|detail| detail != "auto") {
            self.notes.dropped_parameter("messages.detail")?;
        }
        let is_image = match media_type.as_deref() {
            Some(media_type) => media_type.starts_with("image/"),
            None => is_image,
        };
        let Some(source) = self.source(source, media_type, is_image)? else {
            return Ok(None);
        };
        let kind = if is_image { "image" } else { "document" };
        let mut block = Map::from_iter([("type".to_owned(), Value::from(kind))]);
        block.insert("source".into(), source);
        if let (Some(name), false) = (name, is_image) {
            block.insert("title".into(), name.into());
        }
        put_cache_control(&mut block, cache);
        block.extend(extra);
        Ok(Some(block.into()))
    }

    fn source(
        &mut self,
        source: MediaSource,
        media_type: Option<String>,
        is_image: bool,
    ) -> Result<Option<Value>, ModelError> {
        let source = match source {
            MediaSource::Url(url) => json!({ "type": "url", "url": url }),
            MediaSource::FileId(id) => {
                if !self.betas.contains(&FILES_BETA) {
                    self.betas.push(FILES_BETA);
                }
                json!({ "type": "file", "file_id": id })
            }
            MediaSource::Text(text) => {
                json!({ "type": "text", "media_type": "text/plain", "data": text })
            }
            MediaSource::Base64(data) => {
                let media_type = media_type.unwrap_or_else(|| guess(&data, is_image).to_owned());
                if is_image || media_type == "application/pdf" {
                    json!({ "type": "base64", "media_type": media_type, "data": data })
                } else if let Some(text) = as_text(&data, &media_type) {
                    json!({ "type": "text", "media_type": "text/plain", "data": text })
                } else {
                    return self.left_out(&format!("files of the type {media_type}"));
                }
            }
        };
        Ok(Some(source))
    }

    /// Thinking goes back when this dialect sealed it. What others said in plain is their own affair and goes stale
    /// with its turn; what they sealed was meant to come back, so that leaving it out is told.
    fn reasoning(&mut self, block: Reasoning) -> Result<Option<Value>, ModelError> {
        // Other dialects give blocks an id, or say whose format they are in.
        let format = block.extra.get("format").and_then(Value::as_str);
        let is_routed = format.is_some();
        let is_foreign =
            block.id.is_some() || format.is_some_and(|format| !format.starts_with("anthropic"));
        let is_plain = block.redacted.is_none() && block.signature.is_none();
        if is_plain && (self.family.sealed_thinking || is_foreign || block.text.is_empty()) {
            return Ok(None);
        }
        if is_foreign {
            return self.left_out("sealed reasoning of other providers");
        }
        let mut fields = Map::new();
        if let Some(data) = block.redacted {
            fields.insert("type".into(), "redacted_thinking".into());
            fields.insert("data".into(), data.into());
        } else {
            fields.insert("type".into(), "thinking".into());
            fields.insert("thinking".into(), block.text.into());
            fields.insert("signature".into(), block.signature.unwrap_or_default().into());
        }
        if !is_routed {
            fields.extend(block.extra);
        }
        Ok(Some(fields.into()))
    }

    fn tool_use(&mut self, call: ToolCall) -> Value {
        let input = match call.parsed_arguments() {
            Ok(input @ Value::Object(_)) => input,
            _ => {
                let message = "arguments that are no JSON object; they stand in `arguments`";
                self.notes.moved_content("messages", message);
                json!({ "arguments": call.arguments })
            }
        };
        let mut block = Map::from_iter([("type".to_owned(), Value::from("tool_use"))]);
        block.insert("id".into(), tool_id(&call.id).into());
        block.insert("name".into(), call.name.into());
        block.insert("input".into(), input);
        block.extend(call.extra);
        block.into()
    }

    fn tool_result(&mut self, result: ToolResult) -> Result<Value, ModelError> {
        let mut content = Vec::with_capacity(result.parts.len());
        for part in result.parts {
            content.extend(self.block(part)?);
        }
        let mut block = Map::from_iter([("type".to_owned(), Value::from("tool_result"))]);
        block.insert("tool_use_id".into(), tool_id(&result.call_id).into());
        if !content.is_empty() {
            block.insert("content".into(), flat(content));
        }
        if result.is_error {
            block.insert("is_error".into(), true.into());
        }
        block.extend(result.extra);
        Ok(block.into())
    }
}

/// One plain text as a string, anything else as the list that it is.
pub(super) fn flat(mut blocks: Vec<Value>) -> Value {
    let is_plain = |block: &Value| {
        block.as_object().is_some_and(|fields| {
            fields.len() == 2 && fields.get("type").is_some_and(|kind| kind == "text")
        })
    };
    if let [block] = &mut blocks[..]
        && is_plain(block)
        && let Some(text) = block.get_mut("text")
    {
        return text.take();
    }
    blocks.into()
}

/// Puts a cache breakpoint on a block or tool.
pub(super) fn put_cache_control(block: &mut Map<String, Value>, cache: Option<CacheControl>) {
    let Some(cache) = cache else {
        return;
    };
    let mut control = json!({ "type": "ephemeral" });
    if let (Some(ttl), Some(fields)) = (cache.ttl, control.as_object_mut()) {
        fields.insert("ttl".into(), ttl.into());
    }
    block.insert("cache_control".into(), control);
}

/// `None` for empty text, which the provider refuses and which says nothing.
fn text(part: TextPart) -> Option<Value> {
    if part.text.is_empty() {
        return None;
    }
    let mut block = Map::from_iter([("type".to_owned(), Value::from("text"))]);
    block.insert("text".into(), part.text.into());
    let citations: Vec<Value> = part.annotations.into_iter().filter_map(own_citation).collect();
    if !citations.is_empty() {
        block.insert("citations".into(), citations.into());
    }
    put_cache_control(&mut block, part.cache);
    block.extend(part.extra);
    Some(block.into())
}

/// A source as this dialect wrote it; those of others are about an earlier answer and stay behind.
fn own_citation(annotation: Annotation) -> Option<Value> {
    match annotation {
        Annotation::Other { value } => {
            let is_own = value.get("type")?.as_str()?.ends_with("_location");
            is_own.then_some(value)
        }
        _ => None,
    }
}

/// Ids of other providers may hold what this one refuses. The same replacement on the call and on its result keeps them
/// together.
fn tool_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The type of a file from its first bytes, which base64 leaves recognisable.
fn guess(base64: &str, is_image: bool) -> &'static str {
    const BEGINNINGS: [(&str, &str); 5] = [
        ("iVBOR", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    let known = BEGINNINGS.iter().find(|(beginning, _)| base64.starts_with(beginning));
    let unknown = if is_image { "image/png" } else { "application/octet-stream" };
    known.map_or(unknown, |(_, media_type)| *media_type)
}

/// The text in base64 of a type that is text.
fn as_text(base64: &str, media_type: &str) -> Option<String> {
    const TEXTS: [&str; 4] =
        ["application/json", "application/xml", "application/yaml", "application/javascript"];
    if !media_type.starts_with("text/") && !TEXTS.contains(&media_type) {
        return None;
    }
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}
