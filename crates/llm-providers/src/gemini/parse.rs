//! [`parse_request`]: a request of Gemini's dialect, as a client writes it, into a [`ChatRequest`].

use llm_core::{ChatRequest, Message, ResponseFormat, Role, Sampling, Tool, ToolChoice};
use serde_json::{Map, Value};

use super::DIALECT;
use super::camel_case::camel_case;
use super::generation::Generation;
use super::parse_content::Contents;
use super::schema::to_json_schema;
use super::thinking::parse_thinking;
use crate::openai::fields::{Fields, RequestError};

/// Reads the body of `…:generateContent` (or `…:streamGenerateContent`, then with `stream`) for the model that the
/// address names. Fields may be written in camel or snake case. Every field without a name in [`ChatRequest`] goes to
/// [`ChatRequest::extra_body`] (or the `extra` of its part or tool), so that nothing is lost on the way to Gemini.
///
/// # Errors
/// When the body is no JSON, or a field that is known here has the wrong type; the error names the field.
pub fn parse_request(model: &str, stream: bool, body: &[u8]) -> Result<ChatRequest, RequestError> {
    let value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    parse_request_value(model, stream, value)
}

/// The same as [`parse_request`] for a body that has been read already.
///
/// # Errors
/// As [`parse_request`].
pub fn parse_request_value(
    model: &str,
    stream: bool,
    body: Value,
) -> Result<ChatRequest, RequestError> {
    let mut fields = Fields::of(camel_case(body), "")?;
    let mut messages = parse_instruction(&mut fields)?;
    if fields.peek("contents").is_none() {
        return Err(fields.error("contents", "is missing"));
    }
    let contents = list(&mut fields, "contents")?;
    messages.extend(Contents::default().parse(contents)?);
    let (tool_choice, tool_config) = parse_tool_choice(&mut fields)?;
    let mut request = ChatRequest {
        model: model.to_owned(),
        stream,
        messages,
        tools: parse_tools(&mut fields)?,
        tool_choice,
        service_tier: fields.optional("serviceTier")?,
        ..ChatRequest::default()
    };
    request.extra_body.extend(tool_config.map(|config| ("toolConfig".to_owned(), config)));
    if let Some(config) = fields.take("generationConfig") {
        let rest = parse_config(config, &mut request)?;
        if !rest.is_empty() {
            request.extra_body.insert("generationConfig".to_owned(), rest.into());
        }
    }
    request.extra_body.extend(fields.rest());
    Ok(request)
}

fn parse_instruction(fields: &mut Fields) -> Result<Vec<Message>, RequestError> {
    let Some(instruction) = fields.take("systemInstruction") else {
        return Ok(Vec::new());
    };
    let parts = Contents::default().parts(instruction, "systemInstruction")?;
    Ok(vec![Message::new(Role::System, parts)])
}

/// A list of objects. Gemini takes one without its array, too.
pub(super) fn list(fields: &mut Fields, name: &str) -> Result<Vec<Value>, RequestError> {
    match fields.peek(name) {
        Some(Value::Object(_)) => Ok(fields.take(name).into_iter().collect()),
        _ => fields.list(name),
    }
}

/// Every kind of tool is a field of its own; an entry may hold several.
fn parse_tools(fields: &mut Fields) -> Result<Vec<Tool>, RequestError> {
    let mut tools = Vec::new();
    for (at, tool) in list(fields, "tools")?.into_iter().enumerate() {
        let mut tool = Fields::of(tool, format!("tools[{at}]"))?;
        let path = tool.path("functionDeclarations");
        for (at, function) in list(&mut tool, "functionDeclarations")?.into_iter().enumerate() {
            tools.push(parse_function(function, &format!("{path}[{at}]"))?);
        }
        for (name, value) in tool.rest() {
            let value = Value::Object(Map::from_iter([(name, value)]));
            tools.push(Tool::Provider { dialect: DIALECT.to_owned(), value });
        }
    }
    Ok(tools)
}

fn parse_function(function: Value, path: &str) -> Result<Tool, RequestError> {
    let mut fields = Fields::of(function, path)?;
    let own_schema = fields.take("parameters").map(to_json_schema);
    Ok(Tool::Function {
        name: fields.required("name")?,
        description: fields.optional("description")?,
        parameters: fields.take("parametersJsonSchema").or(own_schema),
        strict: None,
        cache: None,
        extra: own(fields.rest()),
    })
}

/// The choice, and what `toolConfig` holds besides it. Modes without a name in the vocabulary go on as they came.
fn parse_tool_choice(
    fields: &mut Fields,
) -> Result<(Option<ToolChoice>, Option<Value>), RequestError> {
    let Some(whole) = fields.take("toolConfig") else {
        return Ok((None, None));
    };
    let mut config = Fields::of(whole.clone(), "toolConfig")?;
    let Some(calling) = config.take("functionCallingConfig") else {
        return Ok((None, Some(whole)));
    };
    let mut calling = Fields::of(calling, config.path("functionCallingConfig"))?;
    let mode: Option<String> = calling.optional("mode")?;
    let names: Vec<String> = calling.optional("allowedFunctionNames")?.unwrap_or_default();
    let choice = match (mode.as_deref(), &names[..]) {
        (Some("AUTO"), []) => ToolChoice::Auto,
        (Some("NONE"), []) => ToolChoice::None,
        (Some("ANY"), []) => ToolChoice::Required,
        (Some("ANY"), [name]) => ToolChoice::Function(name.clone()),
        (Some("ANY"), _) => ToolChoice::Allowed { names, required: true },
        _ => return Ok((None, Some(whole))),
    };
    if !calling.is_empty() {
        return Ok((None, Some(whole)));
    }
    let rest = config.rest();
    Ok((Some(choice), (!rest.is_empty()).then(|| rest.into())))
}

/// Reads `generationConfig` into the request and gives back what has no name in it.
fn parse_config(
    config: Value,
    request: &mut ChatRequest,
) -> Result<Map<String, Value>, RequestError> {
    let mut fields = Fields::of(config, "generationConfig")?;
    request.sampling = Sampling {
        temperature: fields.optional("temperature")?,
        top_p: fields.optional("topP")?,
        top_k: fields.optional::<f64>("topK")?.map(|k| k as u32),
        frequency_penalty: fields.optional("frequencyPenalty")?,
        presence_penalty: fields.optional("presencePenalty")?,
        seed: fields.optional("seed")?,
        ..Sampling::default()
    };
    request.max_output_tokens = fields.optional("maxOutputTokens")?;
    request.stop = fields.optional("stopSequences")?.unwrap_or_default();
    request.n = fields.optional("candidateCount")?;
    request.logprobs = fields.optional("responseLogprobs")?;
    request.top_logprobs = fields.optional("logprobs")?;
    request.response_format = parse_format(&mut fields)?;
    if let Some(thinking) = fields.take("thinkingConfig") {
        let path = fields.path("thinkingConfig");
        let generation = Generation::of(&request.model);
        request.reasoning = Some(parse_thinking(thinking, &path, generation)?);
    }
    Ok(fields.rest())
}

fn parse_format(fields: &mut Fields) -> Result<Option<ResponseFormat>, RequestError> {
    let media_type = fields.peek("responseMimeType").and_then(Value::as_str);
    match media_type {
        Some("application/json") => {}
        Some("text/plain") => {
            fields.take("responseMimeType");
            return Ok(Some(ResponseFormat::Text));
        }
        _ => return Ok(None),
    }
    fields.take("responseMimeType");
    let own_schema = fields.take("responseSchema").map(to_json_schema);
    let Some(schema) = fields.take("responseJsonSchema").or(own_schema) else {
        return Ok(Some(ResponseFormat::JsonObject));
    };
    let title = schema.get("title").and_then(Value::as_str).unwrap_or("response");
    let name = title.to_owned();
    Ok(Some(ResponseFormat::JsonSchema { name, description: None, schema, strict: None }))
}

/// Fields without a name, kept under the dialect's.
pub(super) fn own(fields: Map<String, Value>) -> Map<String, Value> {
    if fields.is_empty() {
        return fields;
    }
    Map::from_iter([(DIALECT.to_owned(), Value::Object(fields))])
}
