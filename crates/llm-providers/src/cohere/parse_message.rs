//! One message of a v2 request, as a client writes it, into a [`Message`].

use llm_core::{Annotation, Extra, Message, Part, Reasoning, Role, TextPart, ToolCall, ToolResult};
use serde_json::Value;

use super::{DIALECT, TOOL_PLAN};
use crate::openai::RequestError;
use crate::openai::chat::media_from_url;
use crate::openai::fields::Fields;

/// Reads the message that stands at `path`.
pub(super) fn parse_message(message: Value, path: &str) -> Result<Message, RequestError> {
    let mut fields = Fields::of(message, path)?;
    let role = match fields.required::<String>("role")?.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => return parse_tool_message(fields),
        _ => return Err(fields.error("role", "must be system, user, assistant or tool")),
    };
    let mut parts = Vec::new();
    if role == Role::Assistant {
        parts.extend(fields.optional::<String>("tool_plan")?.map(plan));
    }
    parts.extend(parse_content(&mut fields)?);
    if role == Role::Assistant {
        cite(fields.list("citations")?, &mut parts);
        let path = fields.path("tool_calls");
        for (at, call) in fields.list("tool_calls")?.into_iter().enumerate() {
            parts.push(parse_tool_call(call, &format!("{path}[{at}]"))?);
        }
    }
    Ok(Message { extra: fields.rest(), ..Message::new(role, parts) })
}

fn plan(text: String) -> Part {
    let extra = Extra::from_iter([(TOOL_PLAN.to_owned(), Value::from(true))]);
    Part::Reasoning(Reasoning { text, extra, ..Reasoning::default() })
}

/// Puts citations on the last text, as the answer's decoder does.
fn cite(citations: Vec<Value>, parts: &mut Vec<Part>) {
    if citations.is_empty() {
        return;
    }
    let annotations = citations.into_iter().map(|value| Annotation::Other { value }).collect();
    let text = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    match text {
        Some(text) => text.annotations = annotations,
        None => parts.push(Part::Text(TextPart { annotations, ..TextPart::default() })),
    }
}

fn parse_tool_message(mut fields: Fields) -> Result<Message, RequestError> {
    let result = ToolResult {
        call_id: fields.optional("tool_call_id")?.unwrap_or_default(),
        name: None,
        parts: parse_content(&mut fields)?,
        is_error: false,
        extra: fields.rest(),
    };
    Ok(Message::new(Role::Tool, vec![Part::ToolResult(result)]))
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
    let mut fields = Fields::of(part.clone(), path)?;
    match fields.required::<String>("type")?.as_str() {
        "text" => Ok(Part::Text(TextPart {
            text: fields.required("text")?,
            extra: fields.rest(),
            ..TextPart::default()
        })),
        "thinking" => Ok(Part::Reasoning(Reasoning {
            text: fields.required("thinking")?,
            ..Reasoning::default()
        })),
        "image_url" => {
            let image = fields.required::<Value>("image_url")?;
            let mut image = Fields::of(image, fields.path("image_url"))?;
            let mut media = media_from_url(image.required("url")?);
            media.detail = image.optional("detail")?;
            media.extra = image.rest();
            Ok(Part::Image(media))
        }
        // Documents, whose data may have any form, and whatever comes.
        _ => Ok(Part::Other { dialect: DIALECT.into(), value: part }),
    }
}

fn parse_tool_call(call: Value, path: &str) -> Result<Part, RequestError> {
    let mut fields = Fields::of(call, path)?;
    fields.take("type");
    let function = fields.required::<Value>("function")?;
    let mut function = Fields::of(function, fields.path("function"))?;
    Ok(Part::ToolCall(ToolCall {
        id: fields.optional("id")?.unwrap_or_default(),
        name: function.required("name")?,
        arguments: function.optional("arguments")?.unwrap_or_default(),
        signature: None,
        extra: fields.rest(),
    }))
}
