//! [`render_request`]: a [`ChatRequest`] into the body of Converse and ConverseStream.

use llm_core::{
    ChatRequest, ModelError, Part, ResponseFormat, Sampling, Tool, ToolChoice, Warning,
};
use serde_json::{Map, Value, json};

use super::super::family::{Family, JsonSchema};
use super::super::merge::{insert_at, merge};
use super::request_message::{cache_point, render_messages};
use super::{ANSWER_TOOL, DIALECT, thinking};
use crate::notes::Notes;

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body of `POST /model/{model}/converse` and `…/converse-stream`.
    pub body: Map<String, Value>,
    /// What was left out or said otherwise.
    pub warnings: Vec<Warning>,
    /// The schema of the answer is asked for by a tool; tell the decoder
    /// ([`ConverseDecoder::answers_by_tool`](super::ConverseDecoder::answers_by_tool)).
    pub answers_by_tool: bool,
}

/// Writes the body. The model's id stands in the path and not in the body; it decides what goes to
/// `additionalModelRequestFields` ([`Family`]). Takes the request apart, since its media may be large.
///
/// [`ChatRequest::extra_body`] comes last and is laid over the body: objects are merged field by field, anything else
/// replaces what stands there.
///
/// What Converse has no word for:
/// - `ToolChoice::None` leaves the tools out; when the history holds calls (which need their tools) it is dropped with a
///   warning. Tools that the history needs and the request lacks are declared by their names.
/// - A JSON schema goes to `outputConfig` or, for models that do not know that, to a tool that must be called
///   ([`JsonSchema`]). `JsonObject` is such a tool with any object.
/// - `n` above 1, log-probabilities, `parallel_tool_calls: false`, `user`, and sampling parameters that the family does
///   not take are dropped with a warning.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what is dropped, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(request: ChatRequest) -> Result<RenderedRequest, ModelError> {
    let family = Family::of(&request.model);
    let mut notes = Notes::new(request.unsupported);
    let used = tools_in_history(&request);
    let conversation = render_messages(request.messages, &mut notes)?;

    let mut body = Map::new();
    body.insert("messages".into(), conversation.messages.into());
    if !conversation.system.is_empty() {
        body.insert("system".into(), conversation.system.into());
    }
    let mut tools = ToolConfig::new(request.tools, request.tool_choice, used, &mut notes)?;
    let answers_by_tool = match request.response_format {
        Some(format) => response_format(format, family, &mut tools, &mut body, &mut notes)?,
        None => false,
    };
    if let Some(config) = tools.finish() {
        body.insert("toolConfig".into(), config);
    }
    let mut fields = Map::new();
    let inference = inference(
        &request.sampling,
        request.max_output_tokens,
        request.stop,
        family,
        &mut fields,
        &mut notes,
    )?;
    if !inference.is_empty() {
        body.insert("inferenceConfig".into(), inference.into());
    }
    if let Some(options) = request.reasoning {
        thinking::render(options, family, request.max_output_tokens, &mut fields, &mut notes)?;
    }
    if !fields.is_empty() {
        body.insert("additionalModelRequestFields".into(), fields.into());
    }
    if let Some(tier) = request.service_tier.filter(|tier| tier != "auto") {
        body.insert("serviceTier".into(), json!({ "type": tier }));
    }
    for (is_given, name) in [
        (request.n.is_some_and(|n| n > 1), "n"),
        (request.logprobs == Some(true), "logprobs"),
        (request.top_logprobs.is_some_and(|top| top > 0), "top_logprobs"),
        (request.parallel_tool_calls == Some(false), "parallel_tool_calls"),
        (request.user.is_some(), "user"),
    ] {
        if is_given {
            notes.dropped_parameter(name)?;
        }
    }
    merge(&mut body, request.extra_body);
    Ok(RenderedRequest { body, warnings: notes.into_warnings(), answers_by_tool })
}

/// `inferenceConfig`; what it has no field for goes to `fields` where the family has one.
fn inference(
    sampling: &Sampling,
    limit: Option<u32>,
    stop: Vec<String>,
    family: Family,
    fields: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<Map<String, Value>, ModelError> {
    let mut config = Map::new();
    if let Some(limit) = limit {
        config.insert("maxTokens".into(), limit.into());
    }
    if let Some(temperature) = sampling.temperature {
        config.insert("temperature".into(), temperature.into());
    }
    if let Some(top_p) = sampling.top_p {
        config.insert("topP".into(), top_p.into());
    }
    if !stop.is_empty() {
        config.insert("stopSequences".into(), stop.into());
    }
    for (name, value) in [
        ("top_k", sampling.top_k.map(Value::from)),
        ("frequency_penalty", sampling.frequency_penalty.map(Value::from)),
        ("presence_penalty", sampling.presence_penalty.map(Value::from)),
        ("seed", sampling.seed.map(Value::from)),
    ] {
        let Some(value) = value else {
            continue;
        };
        match family.sampling.iter().find(|(known, _)| *known == name) {
            Some((_, path)) => insert_at(fields, path, value),
            None => notes.dropped_parameter(name)?,
        }
    }
    if !sampling.logit_bias.is_empty() {
        notes.dropped_parameter("logit_bias")?;
    }
    Ok(config)
}

/// Asks for a form of the answer; says whether a tool stands for it.
fn response_format(
    format: ResponseFormat,
    family: Family,
    tools: &mut ToolConfig,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<bool, ModelError> {
    let (name, description, schema) = match format {
        ResponseFormat::Text => return Ok(false),
        ResponseFormat::JsonObject => (None, None, json!({ "type": "object" })),
        ResponseFormat::JsonSchema { name, description, schema, .. } => {
            (Some(name), description, schema)
        }
    };
    match (family.json_schema, name) {
        (JsonSchema::Native, Some(name)) => {
            let mut of = Map::new();
            // The service takes the schema as JSON text.
            of.insert("schema".into(), schema.to_string().into());
            of.insert("name".into(), name.into());
            if let Some(description) = description {
                of.insert("description".into(), description.into());
            }
            let format = json!({ "type": "json_schema", "structure": { "jsonSchema": of } });
            body.insert("outputConfig".into(), json!({ "textFormat": format }));
            Ok(false)
        }
        (JsonSchema::Never, _) => {
            notes.dropped_parameter("response_format")?;
            Ok(false)
        }
        (JsonSchema::Native | JsonSchema::Tool, _) => {
            tools.answer(description, schema, notes)?;
            Ok(true)
        }
    }
}

/// `toolConfig` in the making.
struct ToolConfig {
    tools: Vec<Value>,
    choice: Option<Value>,
}

impl ToolConfig {
    fn new(
        tools: Vec<Tool>,
        choice: Option<ToolChoice>,
        used: Vec<String>,
        notes: &mut Notes,
    ) -> Result<Self, ModelError> {
        let names: Option<Vec<String>> = match &choice {
            Some(ToolChoice::Allowed { names, .. }) => Some(names.clone()),
            Some(ToolChoice::None) if used.is_empty() => Some(Vec::new()),
            _ => None,
        };
        let is_allowed = |tool: &Tool| match (&names, tool) {
            (Some(names), Tool::Function { name, .. }) => {
                names.contains(name) || used.contains(name)
            }
            (Some(names), _) => !names.is_empty(),
            (None, _) => true,
        };
        let mut config = Self { tools: Vec::new(), choice: None };
        for (at, tool) in tools.into_iter().enumerate().filter(|(_, tool)| is_allowed(tool)) {
            config.tool(at, tool, notes)?;
        }
        if !used.is_empty() && !config.has_tool() {
            for name in used {
                let note = "earlier calls need their tools, so they were declared by name";
                notes.moved_content("tools", note);
                config.tools.push(tool_spec(name, None, None, None, Map::new()));
            }
        }
        config.choice = match choice {
            Some(ToolChoice::Auto) => Some(json!({ "auto": {} })),
            Some(ToolChoice::Required) => Some(json!({ "any": {} })),
            Some(ToolChoice::Function(name)) => Some(json!({ "tool": { "name": name } })),
            Some(ToolChoice::Allowed { required: true, .. }) => Some(json!({ "any": {} })),
            Some(ToolChoice::Allowed { required: false, .. }) => Some(json!({ "auto": {} })),
            Some(ToolChoice::None) => {
                if config.has_tool() {
                    notes.dropped_parameter("tool_choice")?;
                }
                None
            }
            None => None,
        };
        Ok(config)
    }

    fn has_tool(&self) -> bool {
        self.tools.iter().any(|tool| tool.get("cachePoint").is_none())
    }

    fn tool(&mut self, at: usize, tool: Tool, notes: &mut Notes) -> Result<(), ModelError> {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                self.tools.push(tool_spec(name, description, parameters, strict, extra));
                self.tools.extend(cache.map(cache_point));
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => self.tools.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
        Ok(())
    }

    /// Adds the tool that stands for the answer. Alone it must be called; beside others the model must call one.
    fn answer(
        &mut self,
        description: Option<String>,
        schema: Value,
        notes: &mut Notes,
    ) -> Result<(), ModelError> {
        let description =
            description.unwrap_or_else(|| "Gives the answer. Call it once, at the end.".into());
        let is_free = matches!(&self.choice, None | Some(Value::Object(_)) if !self.is_forced());
        let is_alone = !self.has_tool();
        let name = ANSWER_TOOL.to_owned();
        self.tools.push(tool_spec(name, Some(description), Some(schema), None, Map::new()));
        if is_alone {
            self.choice = Some(json!({ "tool": { "name": ANSWER_TOOL } }));
        } else if is_free {
            self.choice = Some(json!({ "any": {} }));
        }
        let message = "the form of the answer is asked for by a tool that the model must call";
        notes.translated_parameter("response_format", message);
        Ok(())
    }

    fn is_forced(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| choice.get("auto").is_none())
    }

    fn finish(self) -> Option<Value> {
        if self.tools.is_empty() {
            return None;
        }
        let mut config = Map::from_iter([("tools".to_owned(), Value::from(self.tools))]);
        if let Some(choice) = self.choice {
            config.insert("toolChoice".into(), choice);
        }
        Some(config.into())
    }
}

fn tool_spec(
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
    extra: Map<String, Value>,
) -> Value {
    let mut spec = Map::from_iter([("name".to_owned(), Value::from(name))]);
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        spec.insert("description".into(), description.into());
    }
    let schema = parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    spec.insert("inputSchema".into(), json!({ "json": schema }));
    if let Some(strict) = strict {
        spec.insert("strict".into(), strict.into());
    }
    spec.extend(extra);
    json!({ "toolSpec": spec })
}

/// The names of the tools that earlier turns called. Results without their call count as `unknown_tool`.
fn tools_in_history(request: &ChatRequest) -> Vec<String> {
    let mut names = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let name = match part {
            Part::ToolCall(call) => call.name.as_str(),
            Part::ToolResult(result) => match &result.name {
                Some(name) => name,
                None => continue,
            },
            _ => continue,
        };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let has_result = || {
        let mut parts = request.messages.iter().flat_map(|message| &message.parts);
        parts.any(|part| matches!(part, Part::ToolResult(_)))
    };
    if names.is_empty() && has_result() {
        names.push("unknown_tool".to_owned());
    }
    names
}
