//! One message of a request of this dialect, as a client writes it, into [`Message`]s.

use llm_core::{
    Annotation, CacheControl, Media, MediaSource, Message, Part, Reasoning, Role, TextPart,
    ToolCall, ToolResult,
};
use serde_json::Value;

use super::DIALECT;
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Reads the instructions at the top; `None` for empty ones.
pub(super) fn parse_system(system: Value) -> Result<Option<Message>, RequestError> {
    let parts = parse_blocks(system, "system")?;
    Ok((!parts.is_empty()).then(|| Message::new(Role::System, parts)))
}

/// Reads the message that stands at `path`. Results of tools at the beginning of a user's message become a message of
/// their own.
pub(super) fn parse_message(
    message: Value,
    path: &str,
    messages: &mut Vec<Message>,
) -> Result<(), RequestError> {
    let mut fields = Fields::of(message, path)?;
    let role = match fields.required::<String>("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(fields.error("role", "must be user or assistant")),
    };
    let content = fields.required::<Value>("content")?;
    let mut parts = parse_blocks(content, &fields.path("content"))?;
    let extra = fields.rest();
    if role == Role::User {
        let is_result = |part: &&Part| matches!(part, Part::ToolResult(_));
        let results = parts.iter().take_while(is_result).count();
        if results > 0 {
            let rest = parts.split_off(results);
            messages.push(Message::new(Role::Tool, parts));
            parts = rest;
            if parts.is_empty() {
                if let Some(last) = messages.last_mut() {
                    last.extra = extra;
                }
                return Ok(());
            }
        }
    }
    messages.push(Message { extra, ..Message::new(role, parts) });
    Ok(())
}

/// A text, or a list of blocks.
fn parse_blocks(content: Value, path: &str) -> Result<Vec<Part>, RequestError> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => blocks
            .into_iter()
            .enumerate()
            .map(|(at, block)| parse_block(block, &format!("{path}[{at}]")))
            .collect(),
        _ => Err(RequestError::at(path, "must be a string or an array of blocks")),
    }
}

fn parse_block(block: Value, path: &str) -> Result<Part, RequestError> {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text" => parse_text(block, path),
        "image" | "document" => match media_source(&block) {
            Some((source, media_type)) => parse_media(block, path, source, media_type),
            None => Ok(other(block)),
        },
        "thinking" => {
            let mut fields = block_fields(block, path)?;
            let text = fields.required("thinking")?;
            let signature: Option<String> = fields.optional("signature")?;
            let signature = signature.filter(|signature| !signature.is_empty());
            let extra = fields.rest();
            Ok(Part::Reasoning(Reasoning { text, signature, extra, ..Reasoning::default() }))
        }
        "redacted_thinking" => {
            let mut fields = block_fields(block, path)?;
            let redacted = Some(fields.required("data")?);
            let extra = fields.rest();
            Ok(Part::Reasoning(Reasoning { redacted, extra, ..Reasoning::default() }))
        }
        "tool_use" => {
            let mut fields = block_fields(block, path)?;
            Ok(Part::ToolCall(ToolCall {
                id: fields.required("id")?,
                name: fields.required("name")?,
                arguments: fields.required::<Value>("input")?.to_string(),
                signature: None,
                extra: fields.rest(),
            }))
        }
        "tool_result" => parse_tool_result(block, path),
        // Server tools, their results, and what is new. They go on to upstreams of this dialect as they are.
        _ => {
            Fields::of(block.clone(), path)?.required::<String>("type")?;
            Ok(other(block))
        }
    }
}

fn other(value: Value) -> Part {
    Part::Other { dialect: DIALECT.into(), value }
}

/// The fields of a block besides its type.
fn block_fields(block: Value, path: &str) -> Result<Fields, RequestError> {
    let mut fields = Fields::of(block, path)?;
    fields.take("type");
    Ok(fields)
}

fn parse_text(block: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = block_fields(block, path)?;
    let annotations = fields.list("citations")?;
    Ok(Part::Text(TextPart {
        text: fields.required("text")?,
        annotations: annotations.into_iter().map(|value| Annotation::Other { value }).collect(),
        cache: take_cache_control(&mut fields),
        signature: None,
        extra: fields.rest(),
    }))
}

/// Where the bytes of a picture or document are, and their type; `None` for sources without a name here.
fn media_source(block: &Value) -> Option<(MediaSource, Option<String>)> {
    let source = block.get("source")?.as_object()?;
    let text = |name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
    let media_type = text("media_type");
    let (source, fields) = match (source.get("type")?.as_str()?, source.len()) {
        ("base64", fields) => (MediaSource::Base64(text("data")?), fields - 1),
        ("text", fields) => (MediaSource::Text(text("data")?), fields - 1),
        ("url", fields) => (MediaSource::Url(text("url")?), fields),
        ("file", fields) => (MediaSource::FileId(text("file_id")?), fields),
        _ => return None,
    };
    // A type, the place, and for what is here its media type: with more than that it stays as it came.
    (fields == 2).then_some((source, media_type))
}

fn parse_media(
    block: Value,
    path: &str,
    source: MediaSource,
    media_type: Option<String>,
) -> Result<Part, RequestError> {
    let is_image = block.get("type").is_some_and(|kind| kind == "image");
    let mut fields = block_fields(block, path)?;
    fields.take("source");
    let media = Media {
        media_type,
        name: if is_image { None } else { fields.optional("title")? },
        cache: take_cache_control(&mut fields),
        extra: fields.rest(),
        ..Media::new(source)
    };
    Ok(if is_image { Part::Image(media) } else { Part::File(media) })
}

fn parse_tool_result(block: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = block_fields(block, path)?;
    let parts = match fields.take("content") {
        Some(content) => parse_blocks(content, &fields.path("content"))?,
        None => Vec::new(),
    };
    Ok(Part::ToolResult(ToolResult {
        call_id: fields.required("tool_use_id")?,
        name: None,
        parts,
        is_error: fields.optional("is_error")?.unwrap_or(false),
        extra: fields.rest(),
    }))
}

/// Takes `{"type": "ephemeral", "ttl": "5m"}`; one of another form is left in its place, to go on as it is.
pub(super) fn take_cache_control(fields: &mut Fields) -> Option<CacheControl> {
    let control = fields.peek("cache_control")?.as_object()?;
    let is_known = control.get("type")? == "ephemeral"
        && control.iter().all(|(name, value)| match name.as_str() {
            "type" => true,
            "ttl" => value.is_string(),
            _ => false,
        });
    let ttl = control.get("ttl").and_then(Value::as_str).map(str::to_owned);
    if !is_known {
        return None;
    }
    fields.take("cache_control");
    Some(CacheControl { ttl })
}
