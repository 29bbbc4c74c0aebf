//! [`parse_request`]: a request of Ollama's dialect, as a client writes it, into a [`ChatRequest`].

use llm_core::{ChatRequest, Extra, ResponseFormat, Tool};
use serde_json::{Map, Value};

use super::DIALECT;
use super::options::parse_options;
use super::parse_message::parse_messages;
use super::thinking::parse_think;
use crate::openai::fields::{Fields, RequestError};

/// Reads the body of `POST /api/chat`. Every field without a name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`] (or the `extra` of its message or tool), so that nothing is lost on the way to Ollama.
/// An answer is streamed unless the request says otherwise, as the server does.
///
/// # Errors
/// When the body is no JSON, or a field that is known here has the wrong type; the error names the field.
pub fn parse_request(body: &[u8]) -> Result<ChatRequest, RequestError> {
    let value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    parse_request_value(value)
}

/// The same as [`parse_request`] for a body that has been read already.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_request_value(body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let mut request = ChatRequest {
        model: fields.required("model")?,
        messages: parse_messages(fields.list("messages")?)?,
        tools: parse_tools(&mut fields)?,
        response_format: parse_format(&mut fields),
        ..ChatRequest::default()
    };
    let options = fields.take("options").unwrap_or_else(|| Map::new().into());
    let options = parse_options(options, &mut request)?;
    parse_rest(fields, options, &mut request)?;
    Ok(request)
}

/// Reads what chat and completion have in common.
pub(super) fn parse_rest(
    mut fields: Fields,
    options: Map<String, Value>,
    request: &mut ChatRequest,
) -> Result<(), RequestError> {
    request.stream = fields.optional("stream")?.unwrap_or(true);
    request.reasoning = fields.take("think").map(parse_think);
    request.logprobs = fields.optional("logprobs")?;
    request.top_logprobs = fields.optional("top_logprobs")?;
    request.extra_body = fields.rest();
    if !options.is_empty() {
        request.extra_body.insert("options".to_owned(), options.into());
    }
    Ok(())
}

/// An empty `format` is none; another word than `json` stays where it is.
pub(super) fn parse_format(fields: &mut Fields) -> Option<ResponseFormat> {
    let is_known = match fields.peek("format")? {
        Value::String(word) => word.is_empty() || word == "json",
        Value::Object(_) => true,
        _ => false,
    };
    match fields.take("format").filter(|_| is_known)? {
        Value::String(word) => (word == "json").then_some(ResponseFormat::JsonObject),
        schema => Some(ResponseFormat::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema,
            strict: None,
        }),
    }
}

fn parse_tools(fields: &mut Fields) -> Result<Vec<Tool>, RequestError> {
    let tools = fields.list("tools")?.into_iter().enumerate();
    tools.map(|(at, tool)| parse_tool(tool, &format!("tools[{at}]"))).collect()
}

fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    let is_function = tool.get("function").is_some_and(Value::is_object);
    if !is_function {
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
        extra: own(function.rest()),
    })
}

/// Fields without a name, kept under the dialect's.
pub(super) fn own(fields: Map<String, Value>) -> Extra {
    match fields.is_empty() {
        true => Extra::new(),
        false => Extra::from_iter([(DIALECT.to_owned(), fields.into())]),
    }
}
