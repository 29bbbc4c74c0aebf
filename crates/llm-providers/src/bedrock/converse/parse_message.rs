//! Messages and content blocks of Converse into parts. A block that has anything without a name in the vocabulary stays as
//! it is, as [`Part::Other`] of this dialect.

use llm_core::{
    Annotation, CacheControl, Media, MediaSource, Message, Part, Reasoning, Role, TextPart,
    ToolCall, ToolResult,
};
use serde_json::{Map, Value};

use super::DIALECT;
use super::media::{Kind, media_type_of};
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Reads the message that stands at `path`.
pub(super) fn parse_message(message: Value, path: &str) -> Result<Message, RequestError> {
    let mut fields = Fields::of(message, path)?;
    let role = match fields.required::<String>("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return Err(fields.error("role", "must be user or assistant")),
    };
    let parts = parse_blocks(fields.list("content")?, &fields.path("content"))?;
    Ok(Message { extra: fields.rest(), ..Message::new(role, parts) })
}

/// Reads a list of blocks. A cache breakpoint goes to the part before it, where that can hold one.
pub(super) fn parse_blocks(blocks: Vec<Value>, path: &str) -> Result<Vec<Part>, RequestError> {
    let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        if let (Some(control), Some(cache)) =
            (block.get("cachePoint").and_then(cache_control), parts.last_mut().and_then(cache_of))
        {
            *cache = Some(control);
            continue;
        }
        parts.push(parse_block(block, &format!("{path}[{at}]"))?);
    }
    Ok(parts)
}

/// Where a part's breakpoint goes, if it has none yet.
fn cache_of(part: &mut Part) -> Option<&mut Option<CacheControl>> {
    let cache = match part {
        Part::Text(part) if !part.text.is_empty() => &mut part.cache,
        Part::Image(media) | Part::Audio(media) | Part::File(media) => &mut media.cache,
        _ => return None,
    };
    cache.is_none().then_some(cache)
}

/// `{"type": "default", "ttl": "5m"}`
pub(super) fn cache_control(point: &Value) -> Option<CacheControl> {
    let point = point.as_object()?;
    let is_plain = point.get("type").is_some_and(|kind| kind == "default")
        && point.keys().all(|name| matches!(name.as_str(), "type" | "ttl"));
    let ttl = point.get("ttl").and_then(Value::as_str).map(str::to_owned);
    is_plain.then_some(CacheControl { ttl })
}

fn parse_block(block: Value, path: &str) -> Result<Part, RequestError> {
    let kind = match &block {
        Value::Object(fields) if fields.contains_key("text") => "text".to_owned(),
        Value::Object(fields) if fields.len() == 1 => {
            fields.keys().next().cloned().unwrap_or_default()
        }
        Value::Object(fields) if fields.is_empty() => {
            return Err(RequestError::at(path, "must have a field that tells its kind"));
        }
        Value::Object(_) => String::new(),
        _ => return Err(RequestError::at(path, "must be an object")),
    };
    let inner = || block.get(&kind).cloned().unwrap_or_default();
    let known = match kind.as_str() {
        "text" => return parse_text(block, path),
        "toolUse" => parse_tool_use(inner(), &format!("{path}.toolUse"))?,
        "toolResult" => Some(parse_tool_result(inner(), &format!("{path}.toolResult"))?),
        "reasoningContent" => reasoning(&inner()).map(Part::Reasoning),
        "citationsContent" => cited_text(&inner()).map(Part::Text),
        _ => {
            let media = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
            media.and_then(|kind| parse_media(kind, inner()))
        }
    };
    Ok(known.unwrap_or_else(|| Part::Other { dialect: DIALECT.into(), value: block }))
}

fn parse_text(block: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(block, path)?;
    let text: String = fields.required("text")?;
    Ok(Part::Text(TextPart { text, extra: fields.rest(), ..TextPart::default() }))
}

/// `None` for the call of a tool that the provider runs.
fn parse_tool_use(call: Value, path: &str) -> Result<Option<Part>, RequestError> {
    let mut fields = Fields::of(call, path)?;
    if fields.peek("type").is_some() {
        return Ok(None);
    }
    Ok(Some(Part::ToolCall(ToolCall {
        id: fields.required("toolUseId")?,
        name: fields.required("name")?,
        arguments: fields.take("input").map_or_else(|| "{}".to_owned(), |input| input.to_string()),
        signature: None,
        extra: fields.rest(),
    })))
}

fn parse_tool_result(result: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(result, path)?;
    let parts = parse_blocks(fields.list("content")?, &fields.path("content"))?;
    let status: Option<String> = fields.optional("status")?;
    Ok(Part::ToolResult(ToolResult {
        call_id: fields.required("toolUseId")?,
        name: None,
        parts,
        is_error: status.as_deref() == Some("error"),
        extra: fields.rest(),
    }))
}

fn reasoning(content: &Value) -> Option<Reasoning> {
    let content = content.as_object().filter(|content| content.len() == 1)?;
    if let Some(redacted) = content.get("redactedContent") {
        let redacted = Some(redacted.as_str()?.to_owned());
        return Some(Reasoning { redacted, ..Reasoning::default() });
    }
    let text = content.get("reasoningText")?.as_object()?;
    if !text.keys().all(|name| matches!(name.as_str(), "text" | "signature")) {
        return None;
    }
    let field = |name: &str| text.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Reasoning { text: field("text")?, signature: field("signature"), ..Reasoning::default() })
}

/// One piece of text with its sources.
fn cited_text(content: &Value) -> Option<TextPart> {
    let content = content.as_object().filter(|content| content.len() == 2)?;
    let [piece] = &content.get("content")?.as_array()?[..] else {
        return None;
    };
    let text = piece.as_object().filter(|piece| piece.len() == 1)?.get("text")?.as_str()?;
    let citations = content.get("citations")?.as_array()?;
    let goes_back = |value: &&Value| matches!(annotation((*value).clone()), Annotation::Other { value } if value.get("location").is_some());
    if citations.is_empty() || !citations.iter().all(|citation| goes_back(&citation)) {
        return None;
    }
    let annotations = citations.iter().cloned().map(annotation).collect();
    Some(TextPart { annotations, ..TextPart::new(text) })
}

/// A citation. One of a page of the web that says nothing else gets its type; others stay as they came, and so can go
/// back in the next turn.
pub(super) fn annotation(citation: Value) -> Annotation {
    web_citation(&citation).unwrap_or(Annotation::Other { value: citation })
}

fn web_citation(citation: &Value) -> Option<Annotation> {
    let fields = citation.as_object()?;
    let is_plain = fields.keys().all(|name| matches!(name.as_str(), "title" | "location"));
    let url = citation.pointer("/location/web/url")?.as_str()?;
    is_plain.then(|| Annotation::UrlCitation {
        url: url.to_owned(),
        title: fields.get("title").and_then(Value::as_str).map(str::to_owned),
        start: None,
        end: None,
    })
}

/// An image block's fields; [`Part::Other`] for what cannot be read.
pub(super) fn parse_image(image: Value) -> Part {
    parse_media(Kind::Image, image.clone()).unwrap_or_else(|| Part::Other {
        dialect: DIALECT.into(),
        value: Map::from_iter([("image".to_owned(), image)]).into(),
    })
}

/// `None` for formats and sources that have no name in the vocabulary.
fn parse_media(kind: Kind, value: Value) -> Option<Part> {
    let Value::Object(mut fields) = value else {
        return None;
    };
    let media_type = media_type_of(kind, fields.shift_remove("format")?.as_str()?)?;
    let name = match fields.shift_remove("name") {
        Some(Value::String(name)) => Some(name),
        Some(_) => return None,
        None => None,
    };
    let source = match fields.shift_remove("source")? {
        Value::Object(source) if source.len() == 1 => parse_source(source)?,
        _ => return None,
    };
    let media = Media { media_type: Some(media_type), name, extra: fields, ..Media::new(source) };
    Some(match kind {
        Kind::Image => Part::Image(media),
        Kind::Audio => Part::Audio(media),
        Kind::Video | Kind::Document => Part::File(media),
    })
}

fn parse_source(source: Map<String, Value>) -> Option<MediaSource> {
    let (kind, value) = source.into_iter().next()?;
    match (kind.as_str(), value) {
        ("bytes", Value::String(data)) => Some(MediaSource::Base64(data)),
        ("text", Value::String(text)) => Some(MediaSource::Text(text)),
        ("s3Location", Value::Object(location)) if location.len() == 1 => {
            Some(MediaSource::Url(location.get("uri")?.as_str()?.to_owned()))
        }
        _ => None,
    }
}
