//! [`parse_request_value`]: a request of this dialect, as a client writes it, into a [`ChatRequest`].

use llm_core::{
    ChatRequest, Media, MediaSource, Message, Part, Reasoning, ReasoningOptions, ResponseFormat,
    Role, Sampling, TextPart, Tool, ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Map, Value};

use super::DIALECT;
use crate::openai::fields::{Fields, RequestError};

/// Reads the body of a generation; `stream` is whether the client asked for events, which a header says. What has no name
/// in the vocabulary goes to [`ChatRequest::extra_body`], in its place there.
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field.
pub fn parse_request_value(stream: bool, body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut input = Fields::of(fields.take("input").unwrap_or_default(), "input")?;
    let mut request =
        ChatRequest { model: fields.required("model")?, stream, ..ChatRequest::default() };
    let path = input.path("messages");
    for (at, message) in input.list("messages")?.into_iter().enumerate() {
        request.messages.push(parse_message(message, &format!("{path}[{at}]"))?);
    }
    let parameters = fields.take("parameters").unwrap_or_else(|| Map::new().into());
    let parameters = parse_parameters(parameters, &mut request)?;
    request.extra_body = fields.rest();
    for (name, rest) in [("input", input.rest()), ("parameters", parameters)] {
        if !rest.is_empty() {
            request.extra_body.insert(name.to_owned(), rest.into());
        }
    }
    Ok(request)
}

fn parse_parameters(
    parameters: Value,
    request: &mut ChatRequest,
) -> Result<Map<String, Value>, RequestError> {
    let mut fields = Fields::of(parameters, "parameters")?;
    if fields.peek("result_format").is_some_and(|format| format == "message") {
        fields.take("result_format");
    }
    if fields.peek("incremental_output") == Some(&Value::Bool(request.stream)) {
        fields.take("incremental_output");
    }
    request.sampling = Sampling {
        temperature: fields.optional("temperature")?,
        top_p: fields.optional("top_p")?,
        top_k: fields.optional("top_k")?,
        presence_penalty: fields.optional("presence_penalty")?,
        seed: fields.optional("seed")?,
        ..Sampling::default()
    };
    request.max_output_tokens = fields.optional("max_tokens")?;
    request.stop = match fields.peek("stop") {
        Some(Value::String(_)) => vec![fields.required("stop")?],
        Some(Value::Array(stop)) if stop.iter().all(Value::is_string) => fields.required("stop")?,
        _ => Vec::new(),
    };
    request.n = fields.optional("n")?;
    request.logprobs = fields.optional("logprobs")?;
    request.top_logprobs = fields.optional("top_logprobs")?;
    request.parallel_tool_calls = fields.optional("parallel_tool_calls")?;
    request.response_format = parse_format(&mut fields)?;
    request.reasoning = parse_thinking(&mut fields)?;
    let path = fields.path("tools");
    for (at, tool) in fields.list("tools")?.into_iter().enumerate() {
        request.tools.push(parse_tool(tool, &format!("{path}[{at}]"))?);
    }
    let function = fields
        .peek("tool_choice")
        .and_then(|choice| Some(choice.pointer("/function/name")?.as_str()?.to_owned()));
    request.tool_choice = match (fields.peek("tool_choice").and_then(Value::as_str), function) {
        (Some("auto"), _) => Some(ToolChoice::Auto),
        (Some("none"), _) => Some(ToolChoice::None),
        (_, function) => function.map(ToolChoice::Function),
    };
    if request.tool_choice.is_some() {
        fields.take("tool_choice");
    }
    Ok(fields.rest())
}

fn parse_format(fields: &mut Fields) -> Result<Option<ResponseFormat>, RequestError> {
    let kind = fields.peek("response_format").and_then(|format| format.get("type")?.as_str());
    Ok(match kind {
        Some("text") => fields.take("response_format").map(|_| ResponseFormat::Text),
        Some("json_object") => fields.take("response_format").map(|_| ResponseFormat::JsonObject),
        Some("json_schema") => {
            let path = fields.path("response_format.json_schema");
            let mut format = fields.take("response_format").unwrap_or_default();
            let schema = format.get_mut("json_schema").map(Value::take).unwrap_or_default();
            let mut schema = Fields::of(schema, path)?;
            Some(ResponseFormat::JsonSchema {
                name: schema.required("name")?,
                description: schema.optional("description")?,
                schema: schema.take("schema").unwrap_or_default(),
                strict: schema.optional("strict")?,
            })
        }
        _ => None,
    })
}

fn parse_thinking(fields: &mut Fields) -> Result<Option<ReasoningOptions>, RequestError> {
    let is_on: Option<bool> = fields.optional("enable_thinking")?;
    let budget_tokens: Option<u32> = fields.optional("thinking_budget")?;
    let effort = (is_on == Some(false)).then(|| "none".to_owned());
    let summary = (is_on == Some(true) && budget_tokens.is_none()).then(|| "auto".to_owned());
    let is_told = is_on.is_some() || budget_tokens.is_some();
    Ok(is_told.then(|| ReasoningOptions {
        effort,
        budget_tokens,
        summary,
        ..ReasoningOptions::default()
    }))
}

fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    if !tool.get("function").is_some_and(Value::is_object) {
        return Ok(Tool::Provider { dialect: DIALECT.to_owned(), value: tool });
    }
    let mut fields = Fields::of(tool, path)?;
    let path = fields.path("function");
    let mut function = Fields::of(fields.take("function").unwrap_or_default(), path)?;
    Ok(Tool::Function {
        name: function.required("name")?,
        description: function.optional("description")?,
        parameters: function.take("parameters"),
        strict: None,
        cache: None,
        extra: Map::new(),
    })
}

fn parse_message(message: Value, path: &str) -> Result<Message, RequestError> {
    let mut fields = Fields::of(message, path)?;
    let role = match fields.required::<String>("role")?.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(fields.error("role", "must be system, user, assistant or tool")),
    };
    let mut parts = Vec::new();
    if let Some(text) = fields.optional::<String>("reasoning_content")? {
        parts.push(Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
    }
    let content = parse_content(fields.take("content").unwrap_or_default());
    if role == Role::Tool {
        let call_id: String = fields.optional("tool_call_id")?.unwrap_or_default();
        let name = fields.optional("name")?;
        let result = ToolResult { name, parts: content, ..ToolResult::text(call_id, "") };
        return Ok(Message::new(role, vec![Part::ToolResult(result)]));
    }
    parts.extend(content);
    let path = fields.path("tool_calls");
    for (at, call) in fields.list("tool_calls")?.into_iter().enumerate() {
        let mut call = Fields::of(call, format!("{path}[{at}]"))?;
        let id = call.optional("id")?.unwrap_or_default();
        let path = call.path("function");
        let mut function = Fields::of(call.take("function").unwrap_or_default(), path)?;
        let name = function.required("name")?;
        let arguments = function.optional("arguments")?.unwrap_or_default();
        parts.push(Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() }));
    }
    Ok(Message::new(role, parts))
}

/// Text, or a list. Items without a name in the vocabulary stay as they are.
fn parse_content(content: Value) -> Vec<Part> {
    let items = match content {
        Value::String(text) if text.is_empty() => return Vec::new(),
        Value::String(text) => return vec![Part::text(text)],
        Value::Array(items) => items,
        _ => return Vec::new(),
    };
    let part = |item: Value| {
        let field = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_alone = item.as_object().is_some_and(|item| item.len() == 1);
        let url = |url| Media::new(MediaSource::Url(url));
        match (field("text"), field("image"), field("audio")) {
            (Some(text), ..) if is_alone => Part::Text(TextPart::new(text)),
            (_, Some(image), _) if is_alone => Part::Image(url(image)),
            (.., Some(audio)) if is_alone => Part::Audio(url(audio)),
            _ => Part::Other { dialect: DIALECT.to_owned(), value: item },
        }
    };
    items.into_iter().map(part).collect()
}
