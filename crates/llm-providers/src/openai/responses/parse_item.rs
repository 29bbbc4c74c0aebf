//! The input items of a request, as a client writes them, into [`Message`]s.

use llm_core::{Extra, Media, MediaSource, Message, Part, Role, TextPart, ToolCall, ToolResult};
use serde_json::{Map, Value};

use super::answer_item::parse_annotation;
use super::{header, reasoning};
use crate::openai::chat::{media_from_url, media_type_of_format};
use crate::openai::fields::{Fields, RequestError};

/// Reads items in order. What the model said in a row becomes one assistant message, since other dialects want calls
/// that were made together in one; two texts in a row stay two messages.
pub(super) fn parse_items(
    items: Vec<Value>,
    messages: &mut Vec<Message>,
) -> Result<(), RequestError> {
    for (at, item) in items.into_iter().enumerate() {
        parse_item(item, &format!("input[{at}]"), messages)?;
    }
    Ok(())
}

fn parse_item(item: Value, path: &str, messages: &mut Vec<Message>) -> Result<(), RequestError> {
    let Value::Object(item) = item else {
        return Err(RequestError::at(path, "must be an object"));
    };
    let kind = match item.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        None | Some(Value::Null) if item.contains_key("role") => "message",
        _ => return Err(RequestError::at(path, "must have a `type` or a `role`")),
    };
    match kind {
        "message" => parse_message(item, path, messages)?,
        "reasoning" => said(messages, vec![Part::Reasoning(reasoning::parse(&item))]),
        "function_call" | "custom_tool_call" => said(messages, parse_call(item, path)?),
        "function_call_output" | "custom_tool_call_output" => {
            messages.push(parse_call_output(item, path)?);
        }
        // Items of the provider's own tools, references and the like go back as they came.
        _ => said(messages, vec![header::part(item)]),
    }
    Ok(())
}

/// Adds parts to what the model has just said.
fn said(messages: &mut Vec<Message>, parts: Vec<Part>) {
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant => last.parts.extend(parts),
        _ => messages.push(Message::new(Role::Assistant, parts)),
    }
}

fn parse_message(
    item: Map<String, Value>,
    path: &str,
    messages: &mut Vec<Message>,
) -> Result<(), RequestError> {
    let role = match item.get("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        _ => {
            let problem = "must have the role user, assistant, system or developer";
            return Err(RequestError::at(path, problem));
        }
    };
    let header = header::of_message(&item).filter(|header| header.len() > 1);
    let mut parts: Vec<Part> = header.map(header::part).into_iter().collect();
    let mut fields = Fields::of(Value::Object(item), path)?;
    parts.extend(parse_content(&mut fields, "content")?);
    let follows_text = messages.last().is_some_and(|last| {
        last.role == Role::Assistant
            && matches!(last.parts.last(), Some(Part::Text(_) | Part::Refusal(_)))
    });
    if role == Role::Assistant && !follows_text {
        said(messages, parts);
    } else {
        messages.push(Message::new(role, parts));
    }
    Ok(())
}

fn parse_call(item: Map<String, Value>, path: &str) -> Result<Vec<Part>, RequestError> {
    let header = header::of_call(&item);
    let mut fields = Fields::of(Value::Object(item), path)?;
    let written = fields.take("arguments").or_else(|| fields.take("input"));
    let call = ToolCall {
        id: fields.required("call_id")?,
        name: fields.required("name")?,
        arguments: match written {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(object) => object.to_string(),
        },
        // Another dialect's token, which our server wrote there.
        signature: fields.optional("signature")?,
        extra: Extra::new(),
    };
    let header = header.map(|mut header| {
        header.shift_remove("signature");
        header
    });
    let header = header.filter(|header| header.len() > 2 || !is_function_call(header));
    Ok(std::iter::once(Part::ToolCall(call)).chain(header.map(header::part)).collect())
}

fn is_function_call(header: &Map<String, Value>) -> bool {
    header.get("type").is_some_and(|kind| kind == "function_call")
}

fn parse_call_output(item: Map<String, Value>, path: &str) -> Result<Message, RequestError> {
    let mut fields = Fields::of(Value::Object(item), path)?;
    let call_id = fields.required("call_id")?;
    let is_text_or_list =
        fields.peek("output").is_none_or(|output| output.is_string() || output.is_array());
    let parts = match is_text_or_list {
        true => parse_content(&mut fields, "output")?,
        // Some clients send the object itself.
        false => {
            fields.take("output").map(|output| Part::text(output.to_string())).into_iter().collect()
        }
    };
    let mut extra = fields.rest();
    let tells_nothing = |name: &str, value: &Value| {
        name == "type" && value == "function_call_output"
            || name == "status" && value == "completed"
    };
    extra.retain(|name, value| !tells_nothing(name, value));
    let result = ToolResult { call_id, name: None, parts, is_error: false, extra };
    Ok(Message::new(Role::Tool, vec![Part::ToolResult(result)]))
}

/// A string, or a list of parts.
fn parse_content(fields: &mut Fields, name: &str) -> Result<Vec<Part>, RequestError> {
    let path = fields.path(name);
    match fields.take(name) {
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
    let mut fields = Fields::of(part, path)?;
    match kind.as_str() {
        "input_text" | "output_text" | "text" => parse_text(fields),
        "refusal" => Ok(Part::Refusal(TextPart::new(fields.required::<String>("refusal")?))),
        "input_image" => parse_image(fields),
        "input_file" => parse_file(fields),
        "input_audio" => parse_audio(fields),
        _ => {
            fields.peek("type").ok_or_else(|| fields.error("type", "is missing"))?;
            Ok(header::part(fields.rest()))
        }
    }
}

fn parse_text(mut fields: Fields) -> Result<Part, RequestError> {
    fields.take("type");
    // What is said of the tokens of an earlier answer means nothing in a question.
    fields.take("logprobs");
    let annotations = fields.list("annotations")?.into_iter().map(parse_annotation).collect();
    Ok(Part::Text(TextPart {
        text: fields.required("text")?,
        annotations,
        signature: fields.optional("signature")?,
        extra: fields.rest(),
        ..TextPart::default()
    }))
}

fn parse_image(mut fields: Fields) -> Result<Part, RequestError> {
    fields.take("type");
    let id: Option<String> = fields.optional("file_id")?;
    let url: Option<String> = fields.optional("image_url")?;
    let mut media = match (id, url) {
        (Some(id), _) => Media::new(MediaSource::FileId(id)),
        (None, Some(url)) => media_from_url(url),
        (None, None) => return Err(fields.error("image_url", "or `file_id` is missing")),
    };
    media.detail = fields.optional("detail")?;
    media.extra = fields.rest();
    Ok(Part::Image(media))
}

fn parse_file(mut fields: Fields) -> Result<Part, RequestError> {
    fields.take("type");
    let id: Option<String> = fields.optional("file_id")?;
    let url: Option<String> = fields.optional("file_url")?;
    let data: Option<String> = fields.optional("file_data")?;
    let mut media = match (id, url, data) {
        (Some(id), ..) => Media::new(MediaSource::FileId(id)),
        (None, Some(url), _) => Media::new(MediaSource::Url(url)),
        (None, None, Some(data)) => inline_file(data),
        _ => return Err(fields.error("file_data", "or `file_id` or `file_url` is missing")),
    };
    media.name = fields.optional("filename")?;
    media.extra = fields.rest();
    Ok(Part::File(media))
}

/// A `data:` URL, or the bare base64 that some clients send.
fn inline_file(data: String) -> Media {
    match data.starts_with("data:") {
        true => media_from_url(data),
        false => Media::new(MediaSource::Base64(data)),
    }
}

fn parse_audio(mut fields: Fields) -> Result<Part, RequestError> {
    let audio = fields.required::<Value>("input_audio")?;
    let mut audio = Fields::of(audio, fields.path("input_audio"))?;
    let mut media = Media::new(MediaSource::Base64(audio.required("data")?));
    let format: Option<String> = audio.optional("format")?;
    media.media_type = format.map(|format| media_type_of_format(&format));
    media.extra = audio.rest();
    Ok(Part::Audio(media))
}
