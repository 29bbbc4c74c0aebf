//! [`parse_request`]: a chat-completions request, as a client writes it, into a [`ChatRequest`].

use std::collections::BTreeMap;

use llm_core::{
    CacheControl, ChatRequest, Extra, ReasoningOptions, ResponseFormat, Sampling, Tool, ToolChoice,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::parse_message::parse_message;
use crate::openai::fields::{Fields, RequestError};

/// A request that came in, and what it asks of the reply's form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncomingChat {
    /// The question.
    pub request: ChatRequest,
    /// Whether a streamed reply shall end with a chunk of usage (`stream_options.include_usage`).
    pub include_usage: bool,
}

/// Reads the body of `POST …/chat/completions`. Every field without a name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`] (or the `extra` of its message, part or tool), so that nothing is lost on the way to an
/// upstream of the same dialect.
///
/// # Errors
/// When the body is no JSON, or a field that is known here has the wrong type; the error names the field. Values are
/// not judged otherwise: that is up to the model.
pub fn parse_request(body: &[u8]) -> Result<IncomingChat, RequestError> {
    let value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    parse_request_value(value)
}

/// The same as [`parse_request`] for a body that has been read already.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_request_value(body: Value) -> Result<IncomingChat, RequestError> {
    let mut fields = Fields::of(body, "")?;
    let model = fields.required("model")?;
    let messages = parse_messages(&mut fields)?;
    let stream = fields.optional("stream")?.unwrap_or(false);
    let (include_usage, stream_options) = parse_stream_options(&mut fields)?;
    let mut request = ChatRequest {
        model,
        messages,
        stream,
        tools: parse_tools(&mut fields)?,
        tool_choice: parse_tool_choice(&mut fields)?,
        parallel_tool_calls: fields.optional("parallel_tool_calls")?,
        response_format: parse_response_format(&mut fields)?,
        sampling: parse_sampling(&mut fields)?,
        max_output_tokens: parse_output_limit(&mut fields)?,
        stop: parse_stop(&mut fields)?,
        n: fields.optional("n")?,
        logprobs: fields.optional("logprobs")?,
        top_logprobs: fields.optional("top_logprobs")?,
        reasoning: parse_reasoning(&mut fields)?,
        service_tier: fields.optional("service_tier")?,
        user: fields.optional("user")?,
        ..ChatRequest::default()
    };
    request.extra_body = fields.rest();
    if !stream_options.is_empty() {
        request.extra_body.insert("stream_options".into(), Value::Object(stream_options));
    }
    Ok(IncomingChat { request, include_usage })
}

fn parse_messages(fields: &mut Fields) -> Result<Vec<llm_core::Message>, RequestError> {
    if fields.peek("messages").is_none() {
        return Err(fields.error("messages", "is missing"));
    }
    let messages = fields.list("messages")?;
    if messages.is_empty() {
        return Err(fields.error("messages", "must hold at least one message"));
    }
    messages
        .into_iter()
        .enumerate()
        .map(|(at, message)| parse_message(message, &format!("messages[{at}]")))
        .collect()
}

/// `include_usage`, and the options besides it.
fn parse_stream_options(fields: &mut Fields) -> Result<(bool, Extra), RequestError> {
    let Some(options) = fields.take("stream_options") else {
        return Ok((false, Extra::new()));
    };
    let mut options = Fields::of(options, "stream_options")?;
    let include_usage = options.optional("include_usage")?.unwrap_or(false);
    Ok((include_usage, options.rest()))
}

fn parse_tools(fields: &mut Fields) -> Result<Vec<Tool>, RequestError> {
    let tools = fields.list("tools")?;
    tools
        .into_iter()
        .enumerate()
        .map(|(at, tool)| parse_tool(tool, &format!("tools[{at}]")))
        .collect()
}

fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    // Some clients leave the type out.
    let is_function =
        tool.get("type").map_or(tool.get("function").is_some(), |kind| kind == "function");
    let is_plain = tool.as_object().is_some_and(|tool| {
        tool.keys().all(|key| matches!(key.as_str(), "type" | "function" | "cache_control"))
    });
    if !(is_function && is_plain) {
        // Custom tools, and tools that a provider runs. They go on to upstreams of this dialect as they are.
        Fields::of(tool.clone(), path)?.required::<String>("type")?;
        return Ok(Tool::Provider { dialect: DIALECT.into(), value: tool });
    }
    let mut outer = Fields::of(tool, path)?;
    let cache = outer.take("cache_control").map(|value| parse_cache_control(&value));
    let function = outer.required::<Value>("function")?;
    let mut function = Fields::of(function, outer.path("function"))?;
    Ok(Tool::Function {
        name: function.required("name")?,
        description: function.optional("description")?,
        parameters: function.take("parameters"),
        strict: function.optional("strict")?,
        cache,
        extra: function.rest(),
    })
}

/// `{"type": "ephemeral", "ttl": "5m"}`, as routers take it over from Anthropic's dialect.
pub(super) fn parse_cache_control(value: &Value) -> CacheControl {
    CacheControl { ttl: value.get("ttl").and_then(Value::as_str).map(Into::into) }
}

/// `None` leaves a choice that has no name here in its place, to go on as it is.
fn parse_tool_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, RequestError> {
    let choice = match fields.peek("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
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
    let function_name =
        |value: &Value| Some(value.get("function")?.get("name")?.as_str()?.to_owned());
    match choice.get("type")?.as_str()? {
        "function" => Some(ToolChoice::Function(function_name(&Value::Object(choice.clone()))?)),
        "allowed_tools" => {
            let allowed = choice.get("allowed_tools")?;
            let names = allowed.get("tools")?.as_array()?.iter().map(function_name);
            Some(ToolChoice::Allowed {
                names: names.collect::<Option<_>>()?,
                required: allowed.get("mode").and_then(Value::as_str) == Some("required"),
            })
        }
        _ => None,
    }
}

/// `None` leaves a format that has no name here in its place, to go on as it is.
fn parse_response_format(fields: &mut Fields) -> Result<Option<ResponseFormat>, RequestError> {
    let Some(format) = fields.peek("response_format") else {
        return Ok(None);
    };
    let path = fields.path("response_format");
    let mut format = Fields::of(format.clone(), &path)?;
    let parsed = match format.required::<String>("type")?.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" if format.is_empty() => ResponseFormat::JsonObject,
        "json_schema" => {
            let schema = format.required::<Value>("json_schema")?;
            let mut schema = Fields::of(schema, format.path("json_schema"))?;
            if schema.peek("name").is_none() {
                return Ok(None);
            }
            let parsed = ResponseFormat::JsonSchema {
                name: schema.required("name")?,
                description: schema.optional("description")?,
                schema: schema.take("schema").unwrap_or_else(|| json!({})),
                strict: schema.optional("strict")?,
            };
            if !schema.is_empty() {
                return Ok(None);
            }
            parsed
        }
        _ => return Ok(None),
    };
    if !format.is_empty() {
        return Ok(None);
    }
    fields.take("response_format");
    Ok(Some(parsed))
}

fn parse_sampling(fields: &mut Fields) -> Result<Sampling, RequestError> {
    Ok(Sampling {
        temperature: fields.optional("temperature")?,
        top_p: fields.optional("top_p")?,
        top_k: fields.optional("top_k")?,
        frequency_penalty: fields.optional("frequency_penalty")?,
        presence_penalty: fields.optional("presence_penalty")?,
        seed: fields.optional("seed")?,
        logit_bias: fields.optional::<BTreeMap<_, _>>("logit_bias")?.unwrap_or_default(),
    })
}

/// `max_completion_tokens`, or the older `max_tokens`. Both with different values is a contradiction.
fn parse_output_limit(fields: &mut Fields) -> Result<Option<u32>, RequestError> {
    let older: Option<u32> = fields.optional("max_tokens")?;
    let newer: Option<u32> = fields.optional("max_completion_tokens")?;
    match (older, newer) {
        (Some(older), Some(newer)) if older != newer => {
            Err(fields.error("max_tokens", "and `max_completion_tokens` contradict each other"))
        }
        _ => Ok(newer.or(older)),
    }
}

fn parse_stop(fields: &mut Fields) -> Result<Vec<String>, RequestError> {
    match fields.peek("stop") {
        Some(Value::String(_)) => Ok(fields.optional("stop")?.into_iter().collect()),
        _ => Ok(fields.optional("stop")?.unwrap_or_default()),
    }
}

/// `reasoning_effort`, or the `reasoning` object of routers (`effort`, `max_tokens` …).
fn parse_reasoning(fields: &mut Fields) -> Result<Option<ReasoningOptions>, RequestError> {
    let effort = fields.optional("reasoning_effort")?;
    let Some(reasoning) = fields.take("reasoning") else {
        return Ok(
            effort.map(|effort| ReasoningOptions { effort: Some(effort), ..Default::default() })
        );
    };
    let mut reasoning = Fields::of(reasoning, "reasoning")?;
    Ok(Some(ReasoningOptions {
        effort: reasoning.optional("effort")?.or(effort),
        budget_tokens: reasoning.optional("max_tokens")?,
        summary: reasoning.optional("summary")?,
        extra: reasoning.rest(),
    }))
}
