//! [`parse_request`]: a request of this dialect, as a client writes it, into a [`ChatRequest`].

use llm_core::{
    ChatRequest, Extra, Message, ReasoningOptions, ResponseFormat, Sampling, Tool, ToolChoice,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::parse_item::parse_items;
use super::request::LOGPROBS;
use crate::openai::fields::{Fields, RequestError};

/// Fields of a request that every response repeats.
const ECHOED: &[&str] = &[
    "background",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Fields of [`ChatRequest::extra_body`] that mean something only to a server of this dialect.
const ONLY_HERE: &[&str] = &[
    "background",
    "context_management",
    "conversation",
    "include",
    "max_tool_calls",
    "moderation",
    "previous_response_id",
    "prompt",
    "store",
    "stream_options",
    "text",
    "truncation",
];

/// A request that came in, and what the reply's form needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncomingResponse {
    /// The question.
    pub request: ChatRequest,
    /// The fields of the request that the response repeats, as they came. Goes into
    /// [`ResponseHead::echo`](super::server::ResponseHead::echo).
    pub echo: Extra,
}

impl IncomingResponse {
    /// Takes the fields out of [`ChatRequest::extra_body`] that upstreams of other dialects would stumble over, and gives
    /// them back. Those that change the answer (`previous_response_id`, `conversation`, `prompt`, `background`) are for
    /// the server to serve or to refuse.
    pub fn take_own_fields(&mut self) -> Extra {
        let body = std::mem::take(&mut self.request.extra_body);
        let (own, others) =
            body.into_iter().partition(|(name, _)| ONLY_HERE.contains(&name.as_str()));
        self.request.extra_body = others;
        own
    }
}

/// Reads the body of `POST …/responses`. Every field without a name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`] (or stays with its item, part or tool), so that nothing is lost on the way to an upstream
/// of the same dialect.
///
/// # Errors
/// When the body is no JSON, or a field that is known here has the wrong type; the error names the field. Values are
/// not judged otherwise: that is up to the model.
pub fn parse_request(body: &[u8]) -> Result<IncomingResponse, RequestError> {
    let value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    parse_request_value(value)
}

/// The same as [`parse_request`] for a body that has been read already.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_request_value(body: Value) -> Result<IncomingResponse, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let echo = echo(&fields);
    let (logprobs, include) = parse_include(&mut fields)?;
    let mut request = ChatRequest {
        model: parse_model(&mut fields)?,
        messages: parse_messages(&mut fields)?,
        stream: fields.optional("stream")?.unwrap_or(false),
        tools: parse_tools(&mut fields)?,
        tool_choice: parse_tool_choice(&mut fields)?,
        parallel_tool_calls: fields.optional("parallel_tool_calls")?,
        sampling: Sampling {
            temperature: fields.optional("temperature")?,
            top_p: fields.optional("top_p")?,
            ..Sampling::default()
        },
        max_output_tokens: fields.optional("max_output_tokens")?,
        logprobs,
        top_logprobs: fields.optional("top_logprobs")?,
        reasoning: parse_reasoning(&mut fields)?,
        service_tier: fields.optional("service_tier")?,
        user: fields.optional("user")?,
        ..ChatRequest::default()
    };
    let (format, text) = parse_text(&mut fields)?;
    request.response_format = format;
    request.extra_body = fields.rest();
    if !text.is_empty() {
        request.extra_body.insert("text".into(), text.into());
    }
    if !include.is_empty() {
        request.extra_body.insert("include".into(), include.into());
    }
    Ok(IncomingResponse { request, echo })
}

fn echo(fields: &Fields) -> Extra {
    let known = |name: &&str| Some(((*name).to_owned(), fields.peek(name)?.clone()));
    ECHOED.iter().filter_map(known).collect()
}

/// A stored prompt may name the model.
fn parse_model(fields: &mut Fields) -> Result<String, RequestError> {
    match fields.peek("prompt") {
        Some(_) => Ok(fields.optional("model")?.unwrap_or_default()),
        None => fields.required("model"),
    }
}

fn parse_messages(fields: &mut Fields) -> Result<Vec<Message>, RequestError> {
    let instructions: Option<String> = fields.optional("instructions")?;
    let mut messages: Vec<Message> = instructions.map(Message::system).into_iter().collect();
    let is_elsewhere = ["prompt", "conversation", "previous_response_id"]
        .iter()
        .any(|name| fields.peek(name).is_some());
    match fields.take("input") {
        Some(Value::String(text)) => messages.push(Message::user(text)),
        Some(Value::Array(items)) if !items.is_empty() || is_elsewhere => {
            parse_items(items, &mut messages)?;
        }
        Some(Value::Array(_)) => return Err(fields.error("input", "must hold at least one item")),
        None if is_elsewhere => {}
        None => return Err(fields.error("input", "is missing")),
        Some(_) => return Err(fields.error("input", "must be a string or an array of items")),
    }
    Ok(messages)
}

/// Whether log-probabilities are asked for, and what else shall be included.
fn parse_include(fields: &mut Fields) -> Result<(Option<bool>, Vec<Value>), RequestError> {
    let mut include = fields.list("include")?;
    let before = include.len();
    include.retain(|what| what != LOGPROBS);
    Ok(((include.len() < before).then_some(true), include))
}

fn parse_tools(fields: &mut Fields) -> Result<Vec<Tool>, RequestError> {
    let tools = fields.list("tools")?;
    tools
        .into_iter()
        .enumerate()
        .map(|(at, tool)| parse_tool(tool, &format!("tools[{at}]")))
        .collect()
}

/// Tools that the provider runs, and custom ones, go on to upstreams of this dialect as they are.
fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    if tool.get("type").is_none_or(|kind| kind != "function") {
        Fields::of(tool.clone(), path)?.required::<String>("type")?;
        return Ok(Tool::Provider { dialect: DIALECT.into(), value: tool });
    }
    let mut tool = Fields::of(tool, path)?;
    tool.take("type");
    Ok(Tool::Function {
        name: tool.required("name")?,
        description: tool.optional("description")?,
        parameters: tool.take("parameters"),
        strict: tool.optional("strict")?,
        cache: None,
        extra: tool.rest(),
    })
}

/// `None` leaves a choice that has no name here in its place, to go on as it is.
fn parse_tool_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, RequestError> {
    let choice = match fields.peek("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return Err(fields.error("tool_choice", "must be auto, none or required")),
        },
        Some(Value::Object(choice)) => match named_tool_choice(choice) {
            Some(choice) => choice,
            None => return Ok(None),
        },
        Some(_) => return Err(fields.error("tool_choice", "must be a string or an object")),
    };
    fields.take("tool_choice");
    Ok(Some(choice))
}

fn named_tool_choice(choice: &Map<String, Value>) -> Option<ToolChoice> {
    let function_name = |tool: &Value| {
        let is_function = tool.get("type")? == "function";
        is_function.then(|| tool.get("name")?.as_str().map(str::to_owned))?
    };
    match choice.get("type")?.as_str()? {
        "function" => Some(ToolChoice::Function(choice.get("name")?.as_str()?.to_owned())),
        "allowed_tools" => {
            let names = choice.get("tools")?.as_array()?.iter().map(function_name);
            Some(ToolChoice::Allowed {
                names: names.collect::<Option<_>>()?,
                required: choice.get("mode").and_then(Value::as_str) == Some("required"),
            })
        }
        _ => None,
    }
}

/// The form of the answer, and the other fields of `text` (`verbosity`). A format that has no name here stays among
/// those.
fn parse_text(fields: &mut Fields) -> Result<(Option<ResponseFormat>, Extra), RequestError> {
    let Some(text) = fields.take("text") else {
        return Ok((None, Extra::new()));
    };
    let mut text = Fields::of(text, "text")?;
    let format = match text.peek("format") {
        Some(format) => parse_format(format.clone())?,
        None => None,
    };
    if format.is_some() {
        text.take("format");
    }
    Ok((format, text.rest()))
}

fn parse_format(format: Value) -> Result<Option<ResponseFormat>, RequestError> {
    let mut format = Fields::of(format, "text.format")?;
    let parsed = match format.required::<String>("type")?.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::JsonObject,
        "json_schema" => ResponseFormat::JsonSchema {
            name: format.required("name")?,
            description: format.optional("description")?,
            schema: format.take("schema").unwrap_or_else(|| json!({})),
            strict: format.optional("strict")?,
        },
        _ => return Ok(None),
    };
    Ok(format.is_empty().then_some(parsed))
}

fn parse_reasoning(fields: &mut Fields) -> Result<Option<ReasoningOptions>, RequestError> {
    let Some(reasoning) = fields.take("reasoning") else {
        return Ok(None);
    };
    let mut reasoning = Fields::of(reasoning, "reasoning")?;
    Ok(Some(ReasoningOptions {
        effort: reasoning.optional("effort")?,
        budget_tokens: None,
        summary: reasoning.optional("summary")?,
        extra: reasoning.rest(),
    }))
}
