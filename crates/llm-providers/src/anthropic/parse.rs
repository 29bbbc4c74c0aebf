//! [`parse_request`]: a request of this dialect, as a client writes it, into a [`ChatRequest`].

use llm_core::{ChatRequest, Extra, ReasoningOptions, ResponseFormat, Sampling, Tool, ToolChoice};
use serde_json::{Map, Value};

use super::DIALECT;
use super::parse_message::{parse_message, parse_system, take_cache_control};
use super::thinking::NO_THINKING;
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Reads the body of `POST …/messages`. Every field without a name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`] (or the `extra` of its message, part or tool), so that nothing is lost on the way to an
/// upstream of the same dialect.
///
/// - `system` becomes the first message. A user's message that begins with results of tools becomes two messages.
/// - `thinking` becomes [`ChatRequest::reasoning`]: a budget is a budget, `disabled` is a budget of 0, any other type
///   stands in `extra.type`. Effort without thinking is marked by `extra.thinking: false`.
/// - `output_config.format` (and the older `output_format`) becomes [`ChatRequest::response_format`].
///
/// # Errors
/// When the body is no JSON, `model`, `messages` or `max_tokens` is missing, or a field that is known here has the wrong
/// type; the error names the field. Values are not judged otherwise: that is up to the model.
pub fn parse_request(body: &[u8]) -> Result<ChatRequest, RequestError> {
    parse_request_value(read(body)?)
}

/// The same as [`parse_request`] for a body that has been read already.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_request_value(body: Value) -> Result<ChatRequest, RequestError> {
    let request = parse(body)?;
    if request.max_output_tokens.is_none() {
        return Err(RequestError::at("max_tokens", "is missing"));
    }
    Ok(request)
}

/// Reads the body of `POST …/messages/count_tokens`: the same without a limit of the answer.
///
/// # Errors
/// As [`parse_request`], but `max_tokens` may be missing.
pub fn parse_count_tokens_request(body: &[u8]) -> Result<ChatRequest, RequestError> {
    parse(read(body)?)
}

fn read(body: &[u8]) -> Result<Value, RequestError> {
    serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))
}

fn parse(body: Value) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(body, "")?;
    // The envelope of other houses, not a part of the question.
    fields.take("anthropic_version");
    let model = fields.required("model")?;
    let max_output_tokens = fields.optional("max_tokens")?;
    let messages = parse_messages(&mut fields)?;
    let (tool_choice, parallel_tool_calls) = parse_tool_choice(&mut fields)?;
    let mut config = OutputConfig::parse(&mut fields)?;
    let (user, metadata) = parse_metadata(&mut fields)?;
    let mut request = ChatRequest {
        model,
        messages,
        max_output_tokens,
        stream: fields.optional("stream")?.unwrap_or(false),
        tools: parse_tools(&mut fields)?,
        tool_choice,
        parallel_tool_calls,
        response_format: config.format.take(),
        sampling: Sampling {
            temperature: fields.optional("temperature")?,
            top_p: fields.optional("top_p")?,
            top_k: fields.optional("top_k")?,
            ..Sampling::default()
        },
        stop: fields.optional("stop_sequences")?.unwrap_or_default(),
        reasoning: parse_thinking(&mut fields, config.effort.take())?,
        service_tier: fields.optional("service_tier")?,
        user,
        ..ChatRequest::default()
    };
    request.extra_body = fields.rest();
    for (name, rest) in [("output_config", config.rest), ("metadata", metadata)] {
        if !rest.is_empty() {
            request.extra_body.insert(name.to_owned(), rest.into());
        }
    }
    Ok(request)
}

fn parse_messages(fields: &mut Fields) -> Result<Vec<llm_core::Message>, RequestError> {
    if fields.peek("messages").is_none() {
        return Err(fields.error("messages", "is missing"));
    }
    let wire = fields.list("messages")?;
    if wire.is_empty() {
        return Err(fields.error("messages", "must hold at least one message"));
    }
    let mut messages = Vec::with_capacity(wire.len() + 1);
    if let Some(system) = fields.take("system") {
        messages.extend(parse_system(system)?);
    }
    for (at, message) in wire.into_iter().enumerate() {
        parse_message(message, &format!("messages[{at}]"), &mut messages)?;
    }
    Ok(messages)
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
    let kind = tool.get("type").filter(|kind| !kind.is_null());
    if kind.is_some_and(|kind| kind != "custom") {
        // Tools that the provider runs, or whose schema it knows. They go on to upstreams of this dialect as they are.
        Fields::of(tool.clone(), path)?.required::<String>("type")?;
        return Ok(Tool::Provider { dialect: DIALECT.into(), value: tool });
    }
    let mut fields = Fields::of(tool, path)?;
    fields.take("type");
    Ok(Tool::Function {
        name: fields.required("name")?,
        description: fields.optional("description")?,
        parameters: Some(fields.required("input_schema")?),
        strict: fields.optional("strict")?,
        cache: take_cache_control(&mut fields),
        extra: fields.rest(),
    })
}

/// The choice, and whether several tools may be asked for at once. A choice that has no name here is left in its place,
/// to go on as it is.
fn parse_tool_choice(
    fields: &mut Fields,
) -> Result<(Option<ToolChoice>, Option<bool>), RequestError> {
    let Some(value) = fields.peek("tool_choice") else {
        return Ok((None, None));
    };
    let mut choice = Fields::of(value.clone(), "tool_choice")?;
    let kind: String = choice.required("type")?;
    let is_serial: Option<bool> = choice.optional("disable_parallel_tool_use")?;
    let parsed = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Function(choice.required("name")?),
        _ => return Ok((None, None)),
    };
    if !choice.is_empty() {
        return Ok((None, None));
    }
    fields.take("tool_choice");
    Ok((Some(parsed), is_serial.map(|is_serial| !is_serial)))
}

/// `output_config` taken apart, and the older `output_format`.
struct OutputConfig {
    effort: Option<String>,
    format: Option<ResponseFormat>,
    rest: Extra,
}

impl OutputConfig {
    fn parse(fields: &mut Fields) -> Result<Self, RequestError> {
        let mut parsed = Self { effort: None, format: None, rest: Extra::new() };
        if let Some(config) = fields.take("output_config") {
            let mut config = Fields::of(config, "output_config")?;
            parsed.effort = config.optional("effort")?;
            parsed.format = parse_format(&mut config, "format");
            parsed.rest = config.rest();
        }
        if parsed.format.is_none() {
            parsed.format = parse_format(fields, "output_format");
        }
        Ok(parsed)
    }
}

/// Takes a JSON schema; a format that has no name here is left in its place, to go on as it is.
fn parse_format(fields: &mut Fields, name: &str) -> Option<ResponseFormat> {
    let format = fields.peek(name)?.as_object()?;
    let is_plain = format.len() == 2 && format.get("type")? == "json_schema";
    let schema = format.get("schema").filter(|_| is_plain)?.clone();
    fields.take(name);
    Some(ResponseFormat::JsonSchema {
        name: "answer".into(),
        description: None,
        schema,
        strict: None,
    })
}

fn parse_thinking(
    fields: &mut Fields,
    effort: Option<String>,
) -> Result<Option<ReasoningOptions>, RequestError> {
    let Some(thinking) = fields.take("thinking") else {
        return Ok(effort.map(|effort| ReasoningOptions {
            effort: Some(effort),
            extra: Extra::from_iter([(NO_THINKING.to_owned(), false.into())]),
            ..ReasoningOptions::default()
        }));
    };
    let mut thinking = Fields::of(thinking, "thinking")?;
    let kind: String = thinking.required("type")?;
    let budget: Option<u32> = thinking.optional("budget_tokens")?;
    let mut extra = thinking.rest();
    let budget_tokens = match (kind.as_str(), budget) {
        ("enabled", Some(budget)) if budget > 0 => Some(budget),
        ("disabled", None) if extra.is_empty() => Some(0),
        _ => {
            extra.insert("type".into(), kind.into());
            budget
        }
    };
    Ok(Some(ReasoningOptions { effort, budget_tokens, summary: None, extra }))
}

/// The end user, and what else stands beside.
fn parse_metadata(
    fields: &mut Fields,
) -> Result<(Option<String>, Map<String, Value>), RequestError> {
    let Some(metadata) = fields.take("metadata") else {
        return Ok((None, Map::new()));
    };
    let mut metadata = Fields::of(metadata, "metadata")?;
    Ok((metadata.optional("user_id")?, metadata.rest()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::request::{Target, render_request};
    use super::*;

    /// What comes in goes out again.
    fn check_round_trip(body: Value) {
        let request = parse_request_value(body.clone()).unwrap();
        let rendered = render_request(request, &Target::default()).unwrap();
        assert_eq!(Value::Object(rendered.body), body);
        assert_eq!(rendered.warnings, []);
    }

    #[test]
    fn requests_survive_the_way_through() {
        check_round_trip(json!({
            "model": "claude-opus-4-6",
            "max_tokens": 5,
            "system": [{ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } }],
            "messages": [
                { "role": "user", "content": [
                    { "type": "text", "text": "t", "cache_control": { "type": "ephemeral", "ttl": "1h" } },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBOR" } },
                    { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "d" },
                      "title": "x", "citations": { "enabled": true } },
                    { "type": "container_upload", "file_id": "f" },
                ] },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "hm", "signature": "sig" },
                    { "type": "redacted_thinking", "data": "sealed" },
                    { "type": "text", "text": "a", "citations": [{ "type": "char_location", "cited_text": "d" }] },
                    { "type": "server_tool_use", "id": "s1", "name": "web_search", "input": { "query": "q" } },
                    { "type": "tool_use", "id": "t1", "name": "look", "input": { "b": 1, "a": 2 } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "t1", "content": "blue", "is_error": true },
                    { "type": "text", "text": "so" },
                ] },
            ],
            "tools": [
                { "name": "look", "description": "d", "input_schema": { "type": "object" }, "strict": true },
                { "type": "web_search_20250305", "name": "web_search" },
            ],
            "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
            "temperature": 1.0,
            "thinking": { "type": "enabled", "budget_tokens": 1024 },
            "output_config": { "effort": "low", "format": { "type": "json_schema", "schema": { "type": "object" } }, "task_budget": 7 },
            "stop_sequences": ["x"],
            "service_tier": "auto",
            "metadata": { "user_id": "u", "more": 1 },
            "stream": true,
            "mcp_servers": [{ "type": "url" }],
        }));
    }

    #[test]
    fn every_way_to_think_survives() {
        for (thinking, effort) in [
            (Some(json!({ "type": "adaptive", "display": "summarized" })), Some("high")),
            (Some(json!({ "type": "disabled" })), Some("low")),
            (Some(json!({ "type": "enabled", "budget_tokens": 2000 })), None),
            (None, Some("medium")),
        ] {
            let mut body = json!({
                "model": "claude-opus-4-6", "max_tokens": 5,
                "messages": [{ "role": "user", "content": "q" }],
            });
            if let Some(thinking) = thinking {
                body["thinking"] = thinking;
            }
            if let Some(effort) = effort {
                body["output_config"] = json!({ "effort": effort });
            }
            check_round_trip(body);
        }
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let good = json!({
            "model": "m", "max_tokens": 5, "messages": [{ "role": "user", "content": "q" }],
        });
        for (field, value, param) in [
            ("model", Value::Null, "model"),
            ("max_tokens", Value::Null, "max_tokens"),
            ("max_tokens", json!("5"), "max_tokens"),
            ("messages", json!([]), "messages"),
            ("messages", json!(["text"]), "messages[0]"),
            ("messages", json!([{ "role": "robot", "content": "q" }]), "messages[0].role"),
            ("messages", json!([{ "role": "user", "content": 5 }]), "messages[0].content"),
            ("messages", json!([{ "role": "user" }]), "messages[0].content"),
            (
                "messages",
                json!([{ "role": "user", "content": [{ "type": "text" }] }]),
                "messages[0].content[0].text",
            ),
            ("tools", json!([{ "name": "x" }]), "tools[0].input_schema"),
            ("tool_choice", json!({}), "tool_choice.type"),
            ("thinking", json!({ "type": 1 }), "thinking.type"),
        ] {
            let mut body = good.clone();
            body[field] = value;
            let error = parse_request(body.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{error}");
        }
        assert_eq!(parse_request(b"{").unwrap_err().param, None);
        assert!(
            parse_count_tokens_request(
                br#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#
            )
            .is_ok()
        );
    }
}
