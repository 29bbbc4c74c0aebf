//! One message of a chat-completions request, as a client writes it, into a [`Message`].

use llm_core::{
    Extra, Media, MediaSource, Message, Part, Reasoning, Role, TextPart, ToolCall, ToolResult,
};
use serde_json::Value;

use super::DIALECT;
use super::parse::parse_cache_control;
use crate::openai::fields::{Fields, RequestError};

/// Reads the message that stands at `path`.
pub(super) fn parse_message(message: Value, path: &str) -> Result<Message, RequestError> {
    let mut fields = Fields::of(message, path)?;
    let role = parse_role(&mut fields)?;
    if role == Role::Tool {
        return parse_tool_message(fields);
    }
    let name = fields.optional("name")?;
    let mut parts = Vec::new();
    if role == Role::Assistant {
        parts.extend(parse_reasoning(&mut fields)?);
    }
    parts.extend(parse_content(&mut fields)?);
    if let Some(refusal) = fields.optional::<String>("refusal")? {
        parts.push(Part::Refusal(TextPart::new(refusal)));
    }
    parts.extend(parse_tool_calls(&mut fields)?);
    Ok(Message { role, parts, name, extra: fields.rest() })
}

fn parse_role(fields: &mut Fields) -> Result<Role, RequestError> {
    match fields.required::<String>("role")?.as_str() {
        "system" => Ok(Role::System),
        "developer" => Ok(Role::Developer),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        // `function` is what `tool` was called before there could be several.
        "tool" | "function" => Ok(Role::Tool),
        _ => Err(fields.error("role", "must be system, developer, user, assistant or tool")),
    }
}

/// A result of a tool. Without `tool_call_id` it is one of the older `function` messages, which match by name, or one of a
/// client whose provider matches by order.
fn parse_tool_message(mut fields: Fields) -> Result<Message, RequestError> {
    let name: Option<String> = fields.optional("name")?;
    let call_id: Option<String> = fields.optional("tool_call_id")?;
    let parts = parse_content(&mut fields)?;
    let result = ToolResult {
        call_id: call_id.unwrap_or_default(),
        name,
        parts,
        is_error: false,
        extra: Extra::new(),
    };
    let mut message = Message::new(Role::Tool, vec![Part::ToolResult(result)]);
    message.extra = fields.rest();
    Ok(message)
}

/// Reasoning that a model said in an earlier turn, in any of the three fields that providers use for it. They repeat
/// each other; the most detailed one is kept.
fn parse_reasoning(fields: &mut Fields) -> Result<Vec<Part>, RequestError> {
    let details = fields.list("reasoning_details")?;
    let content: Option<String> = fields.optional("reasoning_content")?;
    let plain: Option<String> = fields.optional("reasoning")?;
    if !details.is_empty() {
        return Ok(details.into_iter().map(reasoning_detail).collect());
    }
    Ok(content
        .or(plain)
        .map(|text| Part::Reasoning(Reasoning { text, ..Default::default() }))
        .into_iter()
        .collect())
}

/// One entry of `reasoning_details`: readable text (signed or not), a summary, or an encrypted block.
pub(super) fn reasoning_detail(detail: Value) -> Part {
    let Value::Object(mut extra) = detail else {
        return Part::Other { dialect: DIALECT.into(), value: detail };
    };
    let mut take = |name: &str| match extra.get(name) {
        Some(Value::String(_)) => match extra.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    };
    let text = take("text").or_else(|| take("summary")).unwrap_or_default();
    let (signature, redacted, id) = (take("signature"), take("data"), take("id"));
    extra.retain(|_, value| !value.is_null());
    Part::Reasoning(Reasoning { text, signature, redacted, id, extra })
}

fn parse_content(fields: &mut Fields) -> Result<Vec<Part>, RequestError> {
    let path = fields.path("content");
    match fields.take("content") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(parts)) => parts
            .into_iter()
            .enumerate()
            .map(|(at, part)| parse_part(part, &format!("{path}[{at}]")))
            .collect(),
        Some(_) => Err(RequestError::at(path, "must be a string or an array of parts")),
    }
}

fn parse_part(part: Value, path: &str) -> Result<Part, RequestError> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "text" => parse_text(part, path),
        "image_url" => parse_image(part, path),
        "input_audio" if part.get("input_audio").is_some_and(Value::is_object) => {
            parse_audio(part, path)
        }
        "file" => parse_file(part, path),
        "refusal" => {
            let text = Fields::of(part, path)?.required::<String>("refusal")?;
            Ok(Part::Refusal(TextPart::new(text)))
        }
        _ => {
            // Parts of one provider (video, documents …) go on to upstreams of this dialect as they are.
            Fields::of(part.clone(), path)?.required::<String>("type")?;
            Ok(Part::Other { dialect: DIALECT.into(), value: part })
        }
    }
}

fn parse_text(part: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(part, path)?;
    fields.take("type");
    Ok(Part::Text(TextPart {
        text: fields.required("text")?,
        cache: fields.take("cache_control").map(|value| parse_cache_control(&value)),
        extra: fields.rest(),
        ..TextPart::default()
    }))
}

fn parse_image(part: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(part, path)?;
    fields.take("type");
    let cache = fields.take("cache_control").map(|value| parse_cache_control(&value));
    let mut media = match fields.required::<Value>("image_url")? {
        Value::String(url) => media_from_url(url),
        image => {
            let mut image = Fields::of(image, fields.path("image_url"))?;
            let mut media = media_from_url(image.required("url")?);
            media.detail = image.optional("detail")?;
            media.extra = image.rest();
            media
        }
    };
    media.cache = cache;
    Ok(Part::Image(media))
}

fn parse_audio(part: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(part, path)?;
    let audio = fields.required::<Value>("input_audio")?;
    let mut audio = Fields::of(audio, fields.path("input_audio"))?;
    let data: String = audio.required("data")?;
    let is_address = ["data:", "http:", "https:"].iter().any(|scheme| data.starts_with(scheme));
    let mut media =
        if is_address { media_from_url(data) } else { Media::new(MediaSource::Base64(data)) };
    if let Some(format) = audio.optional::<String>("format")? {
        media.media_type = Some(media_type_of_format(&format));
    }
    media.extra = audio.rest();
    Ok(Part::Audio(media))
}

fn parse_file(part: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(part, path)?;
    fields.take("type");
    let cache = fields.take("cache_control").map(|value| parse_cache_control(&value));
    let file = fields.required::<Value>("file")?;
    let mut file = Fields::of(file, fields.path("file"))?;
    let id: Option<String> = file.optional("file_id")?;
    let data: Option<String> = file.optional("file_data")?;
    let mut media = match (id, data) {
        (Some(id), _) => Media::new(MediaSource::FileId(id)),
        (None, Some(data)) => media_from_url(data),
        (None, None) => return Err(file.error("file_data", "or `file_id` is missing")),
    };
    media.name = file.optional("filename")?;
    media.cache = cache;
    media.extra = file.rest();
    Ok(Part::File(media))
}

/// Media at a URL; a `data:` URL in base64 is taken apart.
pub(crate) fn media_from_url(url: String) -> Media {
    let inline = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
        .map(|(media_type, data)| (media_type.to_owned(), data.to_owned()));
    match inline {
        Some((media_type, data)) => Media {
            media_type: Some(media_type).filter(|name| !name.is_empty()),
            ..Media::new(MediaSource::Base64(data))
        },
        None => Media::new(MediaSource::Url(url)),
    }
}

/// `wav` → `audio/wav`; the one irregular name is `mp3` → `audio/mpeg`.
pub(in crate::openai) fn media_type_of_format(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".into(),
        other => format!("audio/{other}"),
    }
}

fn parse_tool_calls(fields: &mut Fields) -> Result<Vec<Part>, RequestError> {
    let path = fields.path("tool_calls");
    fields
        .list("tool_calls")?
        .into_iter()
        .enumerate()
        .map(|(at, call)| parse_tool_call(call, &format!("{path}[{at}]")))
        .collect()
}

fn parse_tool_call(call: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(call, path)?;
    if fields.peek("type").is_some_and(|kind| kind != "function") {
        let value = Value::Object(fields.rest());
        return Ok(Part::Other { dialect: DIALECT.into(), value });
    }
    fields.take("type");
    let function = fields.required::<Value>("function")?;
    let mut function = Fields::of(function, fields.path("function"))?;
    let arguments = match function.take("arguments") {
        None => String::new(),
        Some(Value::String(text)) => text,
        // Some clients send the object itself.
        Some(object) => object.to_string(),
    };
    Ok(Part::ToolCall(ToolCall {
        id: fields.optional("id")?.unwrap_or_default(),
        name: function.required("name")?,
        arguments,
        signature: None,
        extra: fields.rest(),
    }))
}
