//! [`parse_request`]: a body of `POST /v2/chat`, as a client writes it, into a [`ChatRequest`].

use llm_core::{ChatRequest, Extra, ReasoningOptions, ResponseFormat, Sampling, Tool, ToolChoice};
use serde_json::Value;

use super::DIALECT;
use super::parse_message::parse_message;
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Reads the body. What has no name in [`ChatRequest`] (`documents`, `citation_options`, `safety_mode` …) goes to
/// [`ChatRequest::extra_body`], or into parts of this dialect, so that nothing is lost on the way to an upstream of the
/// same dialect.
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field. Values are not judged otherwise.
pub fn parse_request(body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut request = ChatRequest {
        model: fields.optional("model")?.unwrap_or_default(),
        stream: fields.optional("stream")?.unwrap_or(false),
        logprobs: fields.optional("logprobs")?,
        ..ChatRequest::default()
    };
    for (at, message) in fields.list("messages")?.into_iter().enumerate() {
        request.messages.push(parse_message(message, &format!("messages[{at}]"))?);
    }
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        request.tools.push(parse_tool(tool, &format!("tools[{at}]"))?);
    }
    parse_strict(&mut fields, &mut request)?;
    parse_tool_choice(&mut fields, &mut request);
    parse_sampling(&mut fields, &mut request)?;
    request.response_format = parse_response_format(&mut fields);
    request.reasoning = parse_thinking(&mut fields)?;
    request.extra_body = fields.rest();
    Ok(request)
}

/// Sampling, limits and stops, which both versions name alike.
pub(super) fn parse_sampling(
    fields: &mut Fields,
    request: &mut ChatRequest,
) -> Result<(), RequestError> {
    request.sampling = Sampling {
        temperature: fields.optional("temperature")?,
        top_p: fields.optional("p")?,
        top_k: fields.optional("k")?,
        frequency_penalty: fields.optional("frequency_penalty")?,
        presence_penalty: fields.optional("presence_penalty")?,
        seed: fields.optional("seed")?,
        ..Sampling::default()
    };
    request.max_output_tokens = fields.optional("max_tokens")?;
    request.stop = fields.optional("stop_sequences")?.unwrap_or_default();
    Ok(())
}

fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    let mut outer = Fields::of(tool.clone(), path)?;
    let kind = outer.take("type");
    let is_function = kind.is_none_or(|kind| kind == "function");
    let (Some(function), true, true) = (outer.take("function"), is_function, outer.is_empty())
    else {
        // Tools that have no name here go on as they are.
        return Ok(Tool::Provider { dialect: DIALECT.into(), value: tool });
    };
    let mut function = Fields::of(function, outer.path("function"))?;
    Ok(Tool::Function {
        name: function.required("name")?,
        description: function.optional("description")?,
        parameters: function.take("parameters"),
        strict: None,
        cache: None,
        extra: function.rest(),
    })
}

/// What holds for all tools is said of each.
fn parse_strict(fields: &mut Fields, request: &mut ChatRequest) -> Result<(), RequestError> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let all: Option<bool> = fields.optional("strict_tools")?;
    for tool in &mut request.tools {
        if let Tool::Function { strict, .. } = tool {
            *strict = all;
        }
    }
    Ok(())
}

/// A choice that is not known here goes on as it is.
fn parse_tool_choice(fields: &mut Fields, request: &mut ChatRequest) {
    request.tool_choice = match fields.peek("tool_choice").and_then(Value::as_str) {
        Some("NONE") => Some(ToolChoice::None),
        Some("REQUIRED") => Some(ToolChoice::Required),
        _ => None,
    };
    if request.tool_choice.is_some() {
        fields.take("tool_choice");
    }
}

/// `{"type": "json_object"}`, with the schema under its name of today or an older one. A format that is not known here goes
/// on as it is.
pub(super) fn parse_response_format(fields: &mut Fields) -> Option<ResponseFormat> {
    let format = fields.peek("response_format")?.as_object()?;
    let schema = ["json_schema", "schema"].iter().find_map(|name| format.get(*name));
    let known = match (format.get("type")?.as_str()?, schema, format.len()) {
        ("text", None, 1) => ResponseFormat::Text,
        ("json_object", None, 1) => ResponseFormat::JsonObject,
        ("json_object", Some(schema), 2) => ResponseFormat::JsonSchema {
            name: "answer".into(),
            description: None,
            schema: schema.clone(),
            strict: None,
        },
        _ => return None,
    };
    fields.take("response_format");
    Some(known)
}

fn parse_thinking(fields: &mut Fields) -> Result<Option<ReasoningOptions>, RequestError> {
    let is_known = fields
        .peek("thinking")
        .and_then(|thinking| thinking.get("type")?.as_str())
        .is_some_and(|kind| matches!(kind, "enabled" | "disabled"));
    if !is_known {
        return Ok(None);
    }
    let Some(thinking) = fields.take("thinking") else {
        return Ok(None);
    };
    let mut thinking = Fields::of(thinking, "thinking")?;
    let is_on = thinking.take("type").is_some_and(|kind| kind == "enabled");
    Ok(Some(if is_on {
        ReasoningOptions {
            budget_tokens: thinking.optional("token_budget")?,
            extra: thinking.rest(),
            ..ReasoningOptions::default()
        }
    } else {
        ReasoningOptions {
            effort: Some("none".into()),
            extra: Extra::new(),
            ..ReasoningOptions::default()
        }
    }))
}
