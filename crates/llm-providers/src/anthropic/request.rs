//! [`render_request`]: a [`ChatRequest`] into the body that a provider of this dialect takes.

use llm_core::{ChatRequest, ModelError, ResponseFormat, Sampling, Tool, ToolChoice, Warning};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::family::Family;
use super::request_block::put_cache_control;
use super::request_message::{Conversation, render_messages};
use super::surface::Surface;
use super::thinking::{Circumstances, Plan, plan};
use crate::Quirks;
use crate::notes::Notes;
use crate::structured;

/// Who the body is for.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Where the model is served.
    pub surface: Surface,
    /// The most tokens that the model can answer with, where known: the default limit never exceeds it.
    pub output_limit: Option<u32>,
    /// What the provider refuses or names differently ([`Quirks::drop`], [`Quirks::rename`], by this dialect's names);
    /// the other quirks mean nothing here.
    pub quirks: Quirks,
}

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body of `POST …/messages`.
    pub body: Map<String, Value>,
    /// Features in it that want a word in the header `anthropic-beta`.
    pub betas: Vec<&'static str>,
    /// What was left out or moved.
    pub warnings: Vec<Warning>,
}

/// Writes the body. Takes the request apart, since its media may be large.
///
/// - `max_tokens` is never missing, since the dialect insists on it: without a limit from the caller it is
///   [`Family::default_max_tokens`] and the thinking budget, at most [`Target::output_limit`].
/// - A JSON schema goes out as `output_config.format` where the family takes that. Elsewhere, and for
///   [`ResponseFormat::JsonObject`], the system prompt asks for it and a warning (`emulated_parameter`) says so.
/// - [`ToolChoice::Allowed`] leaves the other tools out, which comes to the same.
/// - Reasoning is asked for as the [`Family`] takes it; sampling that does not go with thinking is left out.
/// - Instructions after the beginning stay in their place where the family takes that, else they are moved to the
///   system prompt and a warning (`moved_content`) says so.
/// - [`ChatRequest::extra_body`] comes last and replaces what stands there under the same name, except that
///   `output_config` and `metadata` are joined.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what the model does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    request: ChatRequest,
    target: &Target,
) -> Result<RenderedRequest, ModelError> {
    let family = Family::of(&request.model);
    let mut notes = Notes::new(request.unsupported);
    let mut conversation = render_messages(request.messages, family, &mut notes)?;
    let format = response_format(request.response_format, family, &mut conversation, &mut notes)?;
    let (tools, choice) = allowed(request.tools, request.tool_choice);
    let tools = render_tools(tools, &mut notes)?;
    let around = Circumstances {
        family,
        max_tokens: request.max_output_tokens,
        forces_tool: matches!(choice, Some(ToolChoice::Required | ToolChoice::Function(_))),
    };
    let thinking = match request.reasoning {
        Some(options) => plan(options, &around, &mut notes)?,
        None => Plan::default(),
    };

    let mut extra = request.extra_body;
    let mut body = Body { map: Map::new(), model: &request.model, target, notes };
    if let Some(version) = target.surface.version() {
        body.insert("anthropic_version", version);
    }
    if target.surface.names_model() {
        body.insert("model", request.model.as_str());
    }
    body.put("max_tokens", Some(max_tokens(&around, &thinking, target)))?;
    if !conversation.system.is_null() {
        body.insert("system", conversation.system);
    }
    body.insert("messages", conversation.messages);
    let choice = tool_choice(choice, request.parallel_tool_calls, !tools.is_empty());
    if !tools.is_empty() {
        body.insert("tools", tools);
    }
    body.put("tool_choice", choice)?;
    body.sampling(request.sampling, family, thinking.thinks())?;
    body.put("thinking", thinking.thinking)?;
    let config = output_config(format, thinking.effort, extra.shift_remove("output_config"));
    body.put("output_config", config)?;
    let stop = request.stop;
    body.put("stop_sequences", (!stop.is_empty()).then_some(stop))?;
    body.put("service_tier", request.service_tier)?;
    body.put("metadata", metadata(request.user, extra.shift_remove("metadata")))?;
    body.drop_if(request.n.is_some_and(|n| n > 1), "n")?;
    body.drop_if(request.logprobs == Some(true), "logprobs")?;
    body.drop_if(request.top_logprobs.is_some_and(|top| top > 0), "top_logprobs")?;
    if request.stream && target.surface.names_stream() {
        body.insert("stream", true);
    }
    let Body { mut map, notes, .. } = body;
    map.extend(extra);
    let betas = conversation.betas;
    Ok(RenderedRequest { body: map, betas, warnings: notes.into_warnings() })
}

/// Writes the body of `POST …/messages/count_tokens`: the same without what bears on the answer alone.
///
/// # Errors
/// As [`render_request`].
pub fn render_count_tokens(
    request: ChatRequest,
    target: &Target,
) -> Result<RenderedRequest, ModelError> {
    const ANSWER_ONLY: [&str; 9] = [
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "service_tier",
        "metadata",
        "stream",
        "anthropic_version",
    ];
    let model = request.model.clone();
    let mut rendered = render_request(request, target)?;
    for name in ANSWER_ONLY {
        rendered.body.shift_remove(name);
    }
    if !target.surface.names_model() {
        rendered.body.insert("model".into(), model.into());
    }
    Ok(rendered)
}

/// A body in the making, and whom it is for.
struct Body<'a> {
    map: Map<String, Value>,
    model: &'a str,
    target: &'a Target,
    notes: Notes,
}

impl Body<'_> {
    fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.map.insert(name.to_owned(), value.into());
    }

    /// Inserts a parameter under the provider's name for it, or notes that the model does not take it.
    fn put<T: Into<Value>>(&mut self, name: &str, value: Option<T>) -> Result<(), ModelError> {
        let Some(value) = value else {
            return Ok(());
        };
        let quirks = &self.target.quirks;
        if quirks.drops(self.model, name) {
            return self.notes.dropped_parameter(name);
        }
        let name = quirks.rename.get(name).map_or(name, String::as_str);
        self.insert(name, value);
        Ok(())
    }

    /// The newest families take no sampling at all; a model that thinks takes little of it.
    fn sampling(
        &mut self,
        sampling: Sampling,
        family: Family,
        thinks: bool,
    ) -> Result<(), ModelError> {
        const NEUTRAL: f64 = 1.0;
        const LEAST_TOP_P: f64 = 0.95;
        let free = family.sampling && !thinks;
        let Sampling { temperature, top_p, top_k, .. } = sampling;
        let temperature_fits = free || temperature.is_none_or(|temperature| temperature == NEUTRAL);
        let top_p_fits = free || top_p.is_none_or(|top_p| family.sampling && top_p >= LEAST_TOP_P);
        self.put("temperature", temperature.filter(|_| temperature_fits))?;
        self.put("top_p", top_p.filter(|_| top_p_fits))?;
        self.put("top_k", top_k.filter(|_| free))?;
        for (name, is_dropped) in [
            ("temperature", !temperature_fits),
            ("top_p", !top_p_fits),
            ("top_k", top_k.is_some() && !free),
            ("frequency_penalty", sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
            ("presence_penalty", sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
            ("seed", sampling.seed.is_some()),
            ("logit_bias", !sampling.logit_bias.is_empty()),
        ] {
            self.drop_if(is_dropped, name)?;
        }
        Ok(())
    }

    fn drop_if(&mut self, is_given: bool, name: &str) -> Result<(), ModelError> {
        if is_given { self.notes.dropped_parameter(name) } else { Ok(()) }
    }
}

fn max_tokens(around: &Circumstances, thinking: &Plan, target: &Target) -> u32 {
    around.max_tokens.unwrap_or_else(|| {
        let wanted = around.family.default_max_tokens.saturating_add(thinking.budget);
        wanted.min(target.output_limit.unwrap_or(u32::MAX))
    })
}

/// `output_config`, joined with what the caller has for it.
fn output_config(
    format: Option<Value>,
    effort: Option<String>,
    extra: Option<Value>,
) -> Option<Value> {
    let mut config = Map::new();
    if let Some(effort) = effort {
        config.insert("effort".into(), effort.into());
    }
    if let Some(format) = format {
        config.insert("format".into(), format);
    }
    join(config, extra)
}

fn metadata(user: Option<String>, extra: Option<Value>) -> Option<Value> {
    let user = user.map(|user| ("user_id".to_owned(), user.into()));
    join(user.into_iter().collect(), extra)
}

fn join(mut fields: Map<String, Value>, extra: Option<Value>) -> Option<Value> {
    match extra {
        Some(Value::Object(extra)) => fields.extend(extra),
        Some(other) if fields.is_empty() => return Some(other),
        _ => {}
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// The format for `output_config`. What the model cannot enforce is asked for in the system prompt.
fn response_format(
    format: Option<ResponseFormat>,
    family: Family,
    conversation: &mut Conversation,
    notes: &mut Notes,
) -> Result<Option<Value>, ModelError> {
    match format {
        None | Some(ResponseFormat::Text) => Ok(None),
        Some(ResponseFormat::JsonSchema { schema, description, .. }) if family.json_schema => {
            Ok(Some(json!({ "type": "json_schema", "schema": described(schema, description) })))
        }
        Some(ResponseFormat::JsonSchema { schema, description, .. }) => {
            let schema = described(schema, description);
            conversation.instruct(structured::instruction(&schema));
            notes.emulated_parameter("response_format").map(|()| None)
        }
        Some(ResponseFormat::JsonObject) => {
            conversation.instruct(structured::OBJECT_INSTRUCTION.to_owned());
            notes.emulated_parameter("response_format").map(|()| None)
        }
    }
}

/// The schema with what is said about it, which has no place of its own in this dialect.
fn described(mut schema: Value, description: Option<String>) -> Value {
    if let (Some(fields), Some(description)) = (schema.as_object_mut(), description) {
        fields.entry("description").or_insert_with(|| description.into());
    }
    schema
}

/// Carries [`ToolChoice::Allowed`] out by leaving the other functions away.
fn allowed(mut tools: Vec<Tool>, choice: Option<ToolChoice>) -> (Vec<Tool>, Option<ToolChoice>) {
    let Some(ToolChoice::Allowed { names, required }) = choice else {
        return (tools, choice);
    };
    tools.retain(|tool| match tool {
        Tool::Function { name, .. } => names.contains(name),
        _ => true,
    });
    (tools, Some(if required { ToolChoice::Required } else { ToolChoice::Auto }))
}

/// The choice, and whether several tools may be asked for at once, which is a part of it here.
fn tool_choice(
    choice: Option<ToolChoice>,
    parallel: Option<bool>,
    has_tools: bool,
) -> Option<Value> {
    let parallel = parallel.filter(|_| has_tools || choice.is_some());
    if choice.is_none() && parallel.is_none() {
        return None;
    }
    let mut value = match choice.unwrap_or(ToolChoice::Auto) {
        ToolChoice::None => return Some(json!({ "type": "none" })),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Function(name) => json!({ "type": "tool", "name": name }),
        ToolChoice::Auto | ToolChoice::Allowed { .. } => json!({ "type": "auto" }),
    };
    if let (Some(parallel), Some(fields)) = (parallel, value.as_object_mut()) {
        fields.insert("disable_parallel_tool_use".into(), (!parallel).into());
    }
    Some(value)
}

fn render_tools(tools: Vec<Tool>, notes: &mut Notes) -> Result<Vec<Value>, ModelError> {
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                let mut tool = Map::from_iter([("name".to_owned(), Value::from(name))]);
                if let Some(description) = description {
                    tool.insert("description".into(), description.into());
                }
                let schema =
                    parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
                tool.insert("input_schema".into(), schema);
                if let Some(strict) = strict {
                    tool.insert("strict".into(), strict.into());
                }
                put_cache_control(&mut tool, cache);
                tool.extend(extra);
                rendered.push(tool.into());
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => rendered.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    Ok(rendered)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{ErrorKind, Message, ReasoningOptions, Unsupported};

    use super::*;

    fn request(model: &str) -> ChatRequest {
        ChatRequest { model: model.into(), ..ChatRequest::new(vec![Message::user("hi")]) }
    }

    fn check(request: ChatRequest, target: &Target, expect: Expect) {
        let rendered = render_request(request, target).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn a_limit_is_always_named() {
        let target = Target { output_limit: Some(10_000), ..Target::default() };
        check(
            request("claude-3-opus-20240229"),
            &target,
            expect![[
                r#"{"model":"claude-3-opus-20240229","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]}"#
            ]],
        );
        let mut thinking = request("claude-haiku-4-5");
        thinking.reasoning =
            Some(ReasoningOptions { budget_tokens: Some(2000), ..Default::default() });
        check(
            thinking,
            &Target::default(),
            expect![[
                r#"{"model":"claude-haiku-4-5","max_tokens":18384,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"enabled","budget_tokens":2000}}"#
            ]],
        );
    }

    #[test]
    fn vertex_has_another_envelope() {
        let target = Target { surface: Surface::Vertex, ..Target::default() };
        check(
            request("claude-haiku-4-5@20251001").streamed(),
            &target,
            expect![[
                r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":16384,"messages":[{"role":"user","content":"hi"}],"stream":true}"#
            ]],
        );
    }

    #[test]
    fn what_the_model_does_not_take_is_left_out() {
        let mut request = request("claude-opus-4-8");
        request.sampling.temperature = Some(0.5);
        request.sampling.seed = Some(1);
        request.n = Some(2);
        check(
            request.clone(),
            &Target::default(),
            expect![[r#"
                {"model":"claude-opus-4-8","max_tokens":16384,"messages":[{"role":"user","content":"hi"}]}
                dropped_parameter temperature
                dropped_parameter seed
                dropped_parameter n"#]],
        );
        request.unsupported = Unsupported::Refuse;
        let error = render_request(request, &Target::default()).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("temperature")));
    }

    #[test]
    fn schemas_are_enforced_or_asked_for() {
        let format = ResponseFormat::JsonSchema {
            name: "n".into(),
            description: None,
            schema: json!({ "type": "object" }),
            strict: None,
        };
        for (model, expect) in [
            (
                "claude-haiku-4-5",
                expect![[
                    r#"{"model":"claude-haiku-4-5","max_tokens":16384,"messages":[{"role":"user","content":"hi"}],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}"#
                ]],
            ),
            (
                "claude-3-haiku-20240307",
                expect![[r#"
                {"model":"claude-3-haiku-20240307","max_tokens":4096,"system":"Answer with one JSON value that fits this JSON schema, and with nothing else:\n{\"type\":\"object\"}","messages":[{"role":"user","content":"hi"}]}
                emulated_parameter response_format"#]],
            ),
        ] {
            let request = ChatRequest { response_format: Some(format.clone()), ..request(model) };
            check(request, &Target::default(), expect);
        }
    }

    #[test]
    fn tools_and_choices() {
        let tool = |name: &str| Tool::function(name, "d", json!({ "type": "object" }));
        let request = ChatRequest {
            tools: vec![tool("a"), tool("b")],
            tool_choice: Some(ToolChoice::Allowed { names: vec!["b".into()], required: true }),
            parallel_tool_calls: Some(false),
            ..request("claude-haiku-4-5")
        };
        check(
            request,
            &Target::default(),
            expect![[
                r#"{"model":"claude-haiku-4-5","max_tokens":16384,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"b","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}"#
            ]],
        );
    }

    #[test]
    fn extra_fields_come_last_and_join() {
        let mut request = request("claude-opus-4-6");
        request.user = Some("u".into());
        request.reasoning =
            Some(ReasoningOptions { effort: Some("low".into()), ..Default::default() });
        request.extra_body = Map::from_iter([
            ("max_tokens".to_owned(), json!(1)),
            ("output_config".to_owned(), json!({ "task_budget": 5 })),
            ("metadata".to_owned(), json!({ "x": 1 })),
        ]);
        check(
            request,
            &Target::default(),
            expect![[
                r#"{"model":"claude-opus-4-6","max_tokens":1,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"adaptive"},"output_config":{"effort":"low","task_budget":5},"metadata":{"user_id":"u","x":1}}"#
            ]],
        );
    }
}
