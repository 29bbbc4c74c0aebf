//! [`parse_request`]: a body of Converse, as a client writes it, into a [`ChatRequest`].

use llm_core::{ChatRequest, Message, ResponseFormat, Role, Tool, ToolChoice};
use serde_json::{Map, Value};

use super::super::family::{Family, JsonSchema};
use super::super::merge::take_at;
use super::parse_message::{cache_control, parse_blocks, parse_message};
use super::{DIALECT, thinking};
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// Reads the body of `POST /model/{model}/converse` (or `…/converse-stream`, which `stream` tells). What has no name in
/// [`ChatRequest`] goes to [`ChatRequest::extra_body`], or into blocks of this dialect, so that nothing is lost on the
/// way to an upstream of the same dialect.
///
/// # Errors
/// When a field that is known here has the wrong type; the error names the field. Values are not judged otherwise.
pub fn parse_request(model: &str, stream: bool, body: Value) -> Result<ChatRequest, RequestError> {
    let family = Family::of(model);
    let mut fields = Fields::of(body, "")?;
    let mut request = ChatRequest { model: model.to_owned(), stream, ..ChatRequest::default() };
    request.messages.extend(parse_system(&mut fields)?);
    for (at, message) in fields.list("messages")?.into_iter().enumerate() {
        request.messages.push(parse_message(message, &format!("messages[{at}]"))?);
    }
    let mut rest = Map::new();
    parse_tools(&mut fields, &mut request, &mut rest)?;
    parse_inference(&mut fields, &mut request, &mut rest)?;
    parse_additional(&mut fields, family, &mut request, &mut rest)?;
    parse_format(&mut fields, family, &mut request);
    parse_tier(&mut fields, &mut request);
    request.extra_body = fields.rest();
    request.extra_body.extend(rest);
    Ok(request)
}

fn parse_system(fields: &mut Fields) -> Result<Option<Message>, RequestError> {
    let blocks = fields.list("system")?;
    if blocks.is_empty() {
        return Ok(None);
    }
    Ok(Some(Message::new(Role::System, parse_blocks(blocks, "system")?)))
}

fn parse_tools(
    fields: &mut Fields,
    request: &mut ChatRequest,
    rest: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    let Some(config) = fields.take("toolConfig") else {
        return Ok(());
    };
    let mut config = Fields::of(config, "toolConfig")?;
    for (at, tool) in config.list("tools")?.into_iter().enumerate() {
        let path = format!("toolConfig.tools[{at}]");
        if let (Some(point), Some(Tool::Function { cache, .. })) =
            (tool.get("cachePoint"), request.tools.last_mut())
            && cache.is_none()
            && let Some(control) = cache_control(point)
        {
            *cache = Some(control);
            continue;
        }
        request.tools.push(parse_tool(tool, &path)?);
    }
    if let Some(choice) = config.peek("toolChoice").and_then(tool_choice) {
        config.take("toolChoice");
        request.tool_choice = Some(choice);
    }
    if !config.is_empty() {
        rest.insert("toolConfig".into(), config.rest().into());
    }
    Ok(())
}

fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    let mut outer = Fields::of(tool.clone(), path)?;
    let spec = outer.take("toolSpec");
    let schema = spec.as_ref().and_then(|spec| spec.get("inputSchema"));
    let is_plain = schema.and_then(Value::as_object).is_some_and(|schema| schema.len() == 1);
    let (Some(spec), true, true) = (spec, outer.is_empty(), is_plain) else {
        // Tools of the provider, and whatever comes.
        return Ok(Tool::Provider { dialect: DIALECT.into(), value: tool });
    };
    let mut spec = Fields::of(spec, format!("{path}.toolSpec"))?;
    let mut schema: Map<String, Value> = spec.required("inputSchema")?;
    let Some(parameters) = schema.shift_remove("json") else {
        return Err(spec.error("inputSchema.json", "is missing"));
    };
    Ok(Tool::Function {
        name: spec.required("name")?,
        description: spec.optional("description")?,
        parameters: Some(parameters),
        strict: spec.optional("strict")?,
        cache: None,
        extra: spec.rest(),
    })
}

/// `None` for a choice that is not known here; it goes on as it is.
fn tool_choice(choice: &Value) -> Option<ToolChoice> {
    let choice = choice.as_object().filter(|choice| choice.len() == 1)?;
    let (kind, value) = choice.iter().next()?;
    match kind.as_str() {
        "auto" => Some(ToolChoice::Auto),
        "any" => Some(ToolChoice::Required),
        "tool" => Some(ToolChoice::Function(value.get("name")?.as_str()?.to_owned())),
        _ => None,
    }
}

fn parse_inference(
    fields: &mut Fields,
    request: &mut ChatRequest,
    rest: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    let Some(config) = fields.take("inferenceConfig") else {
        return Ok(());
    };
    let mut config = Fields::of(config, "inferenceConfig")?;
    request.max_output_tokens = config.optional("maxTokens")?;
    request.sampling.temperature = config.optional("temperature")?;
    request.sampling.top_p = config.optional("topP")?;
    request.stop = config.optional("stopSequences")?.unwrap_or_default();
    let others = config.rest();
    if !others.is_empty() {
        rest.insert("inferenceConfig".into(), others.into());
    }
    Ok(())
}

/// What the model's family has a name for is taken out; the rest goes on.
fn parse_additional(
    fields: &mut Fields,
    family: Family,
    request: &mut ChatRequest,
    rest: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    const NAME: &str = "additionalModelRequestFields";
    let Some(mut additional) = fields.optional::<Map<String, Value>>(NAME)? else {
        return Ok(());
    };
    request.reasoning = thinking::parse(family, &mut additional);
    let sampling = &mut request.sampling;
    for (name, path) in family.sampling {
        let Some(value) = take_at(&mut additional, path) else {
            continue;
        };
        let error = || RequestError::at(format!("{NAME}.{}", path.join(".")), "must be a number");
        match *name {
            "top_k" => {
                let top_k = value.as_u64().and_then(|number| u32::try_from(number).ok());
                sampling.top_k = Some(top_k.ok_or_else(error)?);
            }
            "frequency_penalty" => {
                sampling.frequency_penalty = Some(value.as_f64().ok_or_else(error)?);
            }
            "presence_penalty" => {
                sampling.presence_penalty = Some(value.as_f64().ok_or_else(error)?);
            }
            _ => sampling.seed = Some(value.as_i64().ok_or_else(error)?),
        }
    }
    if !additional.is_empty() {
        rest.insert(NAME.into(), additional.into());
    }
    Ok(())
}

/// Leaves what it does not know in its place.
fn parse_format(fields: &mut Fields, family: Family, request: &mut ChatRequest) {
    if family.json_schema != JsonSchema::Native {
        return;
    }
    if let Some(format) = fields.peek("outputConfig").and_then(json_schema) {
        fields.take("outputConfig");
        request.response_format = Some(format);
    }
}

fn json_schema(config: &Value) -> Option<ResponseFormat> {
    let only = |value: &Value, names: &[&str]| {
        value.as_object().is_some_and(|map| map.keys().all(|name| names.contains(&name.as_str())))
    };
    let format = config.get("textFormat")?;
    let schema = format.pointer("/structure/jsonSchema")?;
    let is_plain = only(config, &["textFormat"])
        && only(format, &["type", "structure"])
        && format.get("type")?.as_str()? == "json_schema"
        && only(format.get("structure")?, &["jsonSchema"])
        && only(schema, &["name", "description", "schema"]);
    let text = |name: &str| schema.get(name).and_then(Value::as_str).map(str::to_owned);
    if !is_plain {
        return None;
    }
    Some(ResponseFormat::JsonSchema {
        name: text("name")?,
        description: text("description"),
        schema: serde_json::from_str(&text("schema")?).ok()?,
        strict: None,
    })
}

fn parse_tier(fields: &mut Fields, request: &mut ChatRequest) {
    let tier = fields.peek("serviceTier").and_then(|tier| {
        let fields = tier.as_object().filter(|fields| fields.len() == 1)?;
        fields.get("type")?.as_str().map(str::to_owned)
    });
    if tier.is_some() {
        fields.take("serviceTier");
        request.service_tier = tier;
    }
}
