//! [`render_request`]: a [`ChatRequest`] into the body that DashScope takes.

use llm_core::{
    ChatRequest, ModelError, Part, ReasoningOptions, ResponseFormat, Tool, ToolChoice, Warning,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::generation::Generation;
use super::request_message::render_messages;
use crate::merge::merge;
use crate::notes::Notes;

/// A body to send, where to, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body.
    pub body: Map<String, Value>,
    /// At which address the model is asked.
    pub generation: Generation,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Writes the body. [`ChatRequest::extra_body`] comes last; objects in it (`input`, `parameters`) are merged field by field.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what DashScope does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(request: ChatRequest) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let is_media = |part: &Part| matches!(part, Part::Image(_) | Part::Audio(_));
    let has_media = request.messages.iter().flat_map(|message| &message.parts).any(is_media);
    let generation =
        if has_media { Generation::Multimodal } else { Generation::of(&request.model) };

    let mut parameters = Map::from_iter([("result_format".to_owned(), Value::from("message"))]);
    let mut put = |name: &str, value: Option<Value>| {
        parameters.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("incremental_output", request.stream.then(|| true.into()));
    let sampling = request.sampling;
    put("temperature", sampling.temperature.map(Value::from));
    put("top_p", sampling.top_p.map(Value::from));
    put("top_k", sampling.top_k.map(Value::from));
    put("presence_penalty", sampling.presence_penalty.map(Value::from));
    put("seed", sampling.seed.map(Value::from));
    put("max_tokens", request.max_output_tokens.map(Value::from));
    put("stop", (!request.stop.is_empty()).then(|| request.stop.into()));
    put("n", request.n.map(Value::from));
    put("logprobs", request.logprobs.map(Value::from));
    put("top_logprobs", request.top_logprobs.map(Value::from));
    put("response_format", request.response_format.and_then(format));
    let tools = render_tools(request.tools, request.tool_choice.as_ref(), &mut notes)?;
    put("tools", (!tools.is_empty()).then(|| tools.into()));
    put("tool_choice", tool_choice(request.tool_choice, &mut notes)?);
    put("parallel_tool_calls", request.parallel_tool_calls.map(Value::from));
    if let Some(reasoning) = request.reasoning {
        put_thinking(&mut put, reasoning, &mut notes)?;
    }
    for (name, is_asked) in [
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("logit_bias", !sampling.logit_bias.is_empty()),
        ("user", request.user.is_some()),
        ("service_tier", request.service_tier.is_some()),
    ] {
        if is_asked {
            notes.dropped_parameter(name)?;
        }
    }
    let messages = render_messages(request.messages, generation, &mut notes)?;
    let mut body = Map::from_iter([
        ("model".to_owned(), request.model.into()),
        ("input".to_owned(), json!({ "messages": messages })),
        ("parameters".to_owned(), parameters.into()),
    ]);
    merge(&mut body, request.extra_body);
    Ok(RenderedRequest { body, generation, warnings: notes.into_warnings() })
}

/// An effort switches thinking on, `none` switches it off; a budget has its own field.
fn put_thinking(
    put: &mut impl FnMut(&str, Option<Value>),
    options: ReasoningOptions,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let ReasoningOptions { effort, budget_tokens, summary, extra } = options;
    let is_off = effort.as_deref() == Some("none") || budget_tokens == Some(0);
    let is_asked = effort.is_some() || budget_tokens.is_some() || summary.is_some();
    put("enable_thinking", is_asked.then(|| (!is_off).into()));
    let budget = budget_tokens.filter(|budget| *budget > 0 && !is_off);
    put("thinking_budget", budget.map(Value::from));
    if budget.is_none() && effort.is_some_and(|effort| effort != "none" && effort != "medium") {
        notes.dropped_parameter("reasoning_effort")?;
    }
    for name in extra.keys() {
        notes.dropped_parameter(&format!("reasoning.{name}"))?;
    }
    Ok(())
}

fn format(format: ResponseFormat) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({ "type": "json_object" })),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            let mut body = Map::from_iter([("name".to_owned(), Value::from(name))]);
            body.extend(description.map(|text| ("description".to_owned(), text.into())));
            body.insert("schema".to_owned(), schema);
            body.extend(strict.map(|strict| ("strict".to_owned(), strict.into())));
            Some(json!({ "type": "json_schema", "json_schema": body }))
        }
    }
}

fn render_tools(
    tools: Vec<Tool>,
    choice: Option<&ToolChoice>,
    notes: &mut Notes,
) -> Result<Vec<Value>, ModelError> {
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { ref name, .. } if !is_offered(name, choice) => {}
            Tool::Function { name, description, parameters, strict, cache, .. } => {
                if strict == Some(true) {
                    notes.dropped_parameter("strict")?;
                }
                if cache.is_some() {
                    notes.dropped_parameter("cache_control")?;
                }
                let mut function = Map::from_iter([("name".to_owned(), Value::from(name))]);
                function.extend(description.map(|text| ("description".to_owned(), text.into())));
                function.extend(parameters.map(|schema| ("parameters".to_owned(), schema)));
                rendered.push(json!({ "type": "function", "function": function }));
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => rendered.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    Ok(rendered)
}

fn is_offered(name: &str, choice: Option<&ToolChoice>) -> bool {
    match choice {
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|allowed| allowed == name),
        _ => true,
    }
}

/// "At least one" has no word: the model is left to judge, with a warning.
fn tool_choice(choice: Option<ToolChoice>, notes: &mut Notes) -> Result<Option<Value>, ModelError> {
    Ok(match choice {
        None => None,
        Some(ToolChoice::None) => Some("none".into()),
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => Some("auto".into()),
        Some(ToolChoice::Function(name)) => {
            Some(json!({ "type": "function", "function": { "name": name } }))
        }
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => {
            notes.dropped_parameter("tool_choice")?;
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{Media, MediaSource, Message, Role, Sampling, ToolCall, ToolResult};

    use super::*;

    fn check(request: ChatRequest, expect: Expect) {
        let rendered = render_request(request).unwrap();
        let mut text = format!("{:?} {}", rendered.generation, Value::Object(rendered.body));
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn parameters_have_their_places() {
        let request = ChatRequest {
            model: "qwen-plus".into(),
            max_output_tokens: Some(9),
            stop: vec!["x".into()],
            n: Some(2),
            user: Some("u".into()),
            tools: vec![Tool::function("f", "d", json!({ "type": "object" }))],
            tool_choice: Some(ToolChoice::Function("f".into())),
            parallel_tool_calls: Some(true),
            response_format: Some(ResponseFormat::JsonObject),
            reasoning: Some(ReasoningOptions {
                budget_tokens: Some(50),
                ..ReasoningOptions::default()
            }),
            sampling: Sampling {
                temperature: Some(0.5),
                top_k: Some(4),
                frequency_penalty: Some(0.1),
                ..Sampling::default()
            },
            extra_body: json!({ "parameters": { "enable_search": true } })
                .as_object()
                .cloned()
                .unwrap(),
            ..ChatRequest::new(vec![Message::system("be brief"), Message::user("hi")]).streamed()
        };
        check(
            request,
            expect![[r#"
            Text {"model":"qwen-plus","input":{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]},"parameters":{"result_format":"message","incremental_output":true,"temperature":0.5,"top_k":4,"max_tokens":9,"stop":["x"],"n":2,"response_format":{"type":"json_object"},"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":true,"enable_thinking":true,"thinking_budget":50,"enable_search":true}}
            dropped_parameter frequency_penalty
            dropped_parameter user"#]],
        );
    }

    #[test]
    fn pictures_move_a_call_to_the_other_address() {
        let image = Part::Image(Media {
            media_type: Some("image/png".into()),
            ..Media::new(MediaSource::Base64("AAAA".into()))
        });
        let call = ToolCall { id: "c".into(), name: "f".into(), ..ToolCall::default() };
        let request = ChatRequest {
            model: "qwen-plus".into(),
            reasoning: Some(ReasoningOptions { effort: Some("none".into()), ..Default::default() }),
            ..ChatRequest::new(vec![
                Message::new(Role::User, vec![Part::text("what?"), image]),
                Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
                Message::new(Role::Tool, vec![Part::ToolResult(ToolResult::text("c", "ok"))]),
            ])
        };
        check(
            request,
            expect![[
                r#"Multimodal {"model":"qwen-plus","input":{"messages":[{"role":"user","content":[{"text":"what?"},{"image":"data:image/png;base64,AAAA"}]},{"role":"assistant","content":[],"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"c","content":[{"text":"ok"}]}]},"parameters":{"result_format":"message","enable_thinking":false}}"#
            ]],
        );
    }
}
