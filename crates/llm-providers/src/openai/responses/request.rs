//! [`render_request`]: a [`ChatRequest`] into the body that a provider of this dialect takes.

use llm_core::{
    ChatRequest, Extra, ModelError, ReasoningOptions, ResponseFormat, Tool, ToolChoice, Warning,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::request_item::{Storage, render_items};
use crate::notes::Notes;
use crate::quirks::Quirks;

/// What to include so that reasoning can go back in the next turn.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// What to include for log-probabilities.
pub(super) const LOGPROBS: &str = "message.output_text.logprobs";

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body of `POST …/responses`.
    pub body: Map<String, Value>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Writes the body for a provider with these quirks. Takes the request apart, since its media may be large.
///
/// A request with [`ChatRequest::reasoning`] always asks for encrypted reasoning, so that the answer can go back in the
/// next turn whether the provider keeps it or not. [`ChatRequest::extra_body`] comes last and replaces what stands there
/// under the same name; objects (`text`) and `include` are joined.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what the dialect or the model does not take, when the
/// request says [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    request: ChatRequest,
    quirks: &Quirks,
) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let keeps_nothing = request.extra_body.get("store") == Some(&Value::Bool(false));
    let storage = if keeps_nothing { Storage::Never } else { Storage::AtProvider };
    let (instructions, items) = render_items(request.messages, quirks, storage, &mut notes)?;
    let tools = render_tools(request.tools, &mut notes)?;
    let takes_logprobs = !quirks.drops(&request.model, "logprobs");
    if request.logprobs == Some(true) && !takes_logprobs {
        notes.dropped_parameter("logprobs")?;
    }
    let wants_logprobs = request.logprobs == Some(true) && takes_logprobs;
    let include = include(wants_logprobs, request.reasoning.as_ref());

    let mut body = Body { map: Map::new(), model: &request.model, quirks, notes };
    body.insert("model", request.model.as_str());
    if let Some(instructions) = instructions {
        body.insert("instructions", instructions);
    }
    // A stored prompt, conversation or response may hold all that is to be answered.
    let is_elsewhere = ["prompt", "conversation", "previous_response_id"]
        .iter()
        .any(|name| request.extra_body.contains_key(*name));
    if !items.is_empty() || !is_elsewhere {
        body.insert("input", items);
    }
    if !tools.is_empty() {
        body.insert("tools", tools);
    }
    body.put("tool_choice", request.tool_choice.map(tool_choice))?;
    body.put("parallel_tool_calls", request.parallel_tool_calls)?;
    if let Some(format) = request.response_format {
        body.insert("text", json!({ "format": response_format(format) }));
    }
    body.put("temperature", request.sampling.temperature)?;
    body.put("top_p", request.sampling.top_p)?;
    body.put("max_output_tokens", request.max_output_tokens)?;
    body.put("top_logprobs", request.top_logprobs)?;
    body.put("service_tier", request.service_tier)?;
    body.put("user", request.user)?;
    if let Some(reasoning) = request.reasoning {
        body.reasoning(reasoning)?;
    }
    let sampling = request.sampling;
    for (name, is_given) in [
        ("top_k", sampling.top_k.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("logit_bias", !sampling.logit_bias.is_empty()),
        ("stop", !request.stop.is_empty()),
        ("n", request.n.is_some_and(|n| n != 1)),
    ] {
        body.drop_if(is_given, name)?;
    }
    if !include.is_empty() {
        body.insert("include", include);
    }
    if request.stream {
        body.insert("stream", true);
    }
    let Body { mut map, notes, .. } = body;
    extend(&mut map, request.extra_body);
    Ok(RenderedRequest { body: map, warnings: notes.into_warnings() })
}

/// A body in the making, and what its model takes.
struct Body<'a> {
    map: Map<String, Value>,
    model: &'a str,
    quirks: &'a Quirks,
    notes: Notes,
}

impl Body<'_> {
    fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.map.insert(name.to_owned(), value.into());
    }

    /// Inserts a parameter, or notes that the model does not take it.
    fn put<T: Into<Value>>(&mut self, name: &str, value: Option<T>) -> Result<(), ModelError> {
        let Some(value) = value else {
            return Ok(());
        };
        if self.quirks.drops(self.model, name) {
            return self.notes.dropped_parameter(name);
        }
        self.insert(name, value);
        Ok(())
    }

    fn reasoning(&mut self, options: ReasoningOptions) -> Result<(), ModelError> {
        let mut reasoning = Map::new();
        if let Some(effort) = options.effort {
            reasoning.insert("effort".into(), effort.into());
        }
        if let Some(summary) = options.summary {
            reasoning.insert("summary".into(), summary.into());
        }
        reasoning.extend(options.extra);
        self.drop_if(options.budget_tokens.is_some(), "reasoning.max_tokens")?;
        if reasoning.is_empty() { Ok(()) } else { self.put("reasoning", Some(reasoning)) }
    }

    fn drop_if(&mut self, is_given: bool, name: &str) -> Result<(), ModelError> {
        if is_given { self.notes.dropped_parameter(name) } else { Ok(()) }
    }
}

fn include(wants_logprobs: bool, reasoning: Option<&ReasoningOptions>) -> Vec<Value> {
    let thinks = reasoning.is_some_and(|options| options.effort.as_deref() != Some("none"));
    let mut include = Vec::new();
    if thinks {
        include.push(ENCRYPTED_REASONING.into());
    }
    if wants_logprobs {
        include.push(LOGPROBS.into());
    }
    include
}

/// Adds the caller's own fields: lists of `include` and the fields of objects are joined, everything else is replaced.
fn extend(body: &mut Map<String, Value>, extra: Extra) {
    for (name, value) in extra {
        match (body.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            (Some(Value::Array(known)), Value::Array(more)) if name == "include" => {
                for value in more {
                    if !known.contains(&value) {
                        known.push(value);
                    }
                }
            }
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
}

fn render_tools(tools: Vec<Tool>, notes: &mut Notes) -> Result<Vec<Value>, ModelError> {
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                if cache.is_some() {
                    notes.dropped_parameter("cache_control")?;
                }
                let mut tool = Map::new();
                tool.insert("type".into(), "function".into());
                tool.insert("name".into(), name.into());
                if let Some(description) = description {
                    tool.insert("description".into(), description.into());
                }
                if let Some(parameters) = parameters {
                    tool.insert("parameters".into(), parameters);
                }
                if let Some(strict) = strict {
                    tool.insert("strict".into(), strict.into());
                }
                tool.extend(extra);
                rendered.push(tool.into());
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => rendered.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    Ok(rendered)
}

pub(super) fn tool_choice(choice: ToolChoice) -> Value {
    let function = |name: String| json!({ "type": "function", "name": name });
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Function(name) => function(name),
        ToolChoice::Allowed { names, required } => {
            let tools: Vec<Value> = names.into_iter().map(function).collect();
            let mode = if required { "required" } else { "auto" };
            json!({ "type": "allowed_tools", "mode": mode, "tools": tools })
        }
    }
}

fn response_format(format: ResponseFormat) -> Value {
    match format {
        ResponseFormat::Text => json!({ "type": "text" }),
        ResponseFormat::JsonObject => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            let mut format = Map::new();
            format.insert("type".into(), "json_schema".into());
            format.insert("name".into(), name.into());
            if let Some(description) = description {
                format.insert("description".into(), description.into());
            }
            format.insert("schema".into(), schema);
            if let Some(strict) = strict {
                format.insert("strict".into(), strict.into());
            }
            format.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{ErrorKind, Message, Unsupported};

    use super::*;
    use crate::catalogue;

    fn request() -> ChatRequest {
        ChatRequest {
            model: "gpt-5-mini".into(),
            max_output_tokens: Some(99),
            ..ChatRequest::new(vec![Message::system("be brief"), Message::user("hi")])
        }
    }

    fn check(request: ChatRequest, expect: Expect) {
        let quirks = &catalogue::find("openai").unwrap().quirks;
        let rendered = render_request(request, quirks).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn reasoning_asks_for_what_must_come_back() {
        let mut request = request().streamed();
        request.reasoning = Some(ReasoningOptions {
            effort: Some("low".into()),
            budget_tokens: Some(10),
            ..Default::default()
        });
        request.sampling.temperature = Some(0.5);
        request.sampling.seed = Some(1);
        request.stop = vec!["x".into()];
        check(
            request,
            expect![[r#"
                {"model":"gpt-5-mini","instructions":"be brief","input":[{"role":"user","content":"hi"}],"max_output_tokens":99,"reasoning":{"effort":"low"},"include":["reasoning.encrypted_content"],"stream":true}
                dropped_parameter temperature
                dropped_parameter reasoning.max_tokens
                dropped_parameter seed
                dropped_parameter stop"#]],
        );
    }

    #[test]
    fn tools_and_formats_are_flat_here() {
        let mut request = request();
        request.tools = vec![Tool::function("look", "looks", json!({ "type": "object" }))];
        request.tool_choice =
            Some(ToolChoice::Allowed { names: vec!["look".into()], required: true });
        request.response_format = Some(ResponseFormat::JsonSchema {
            name: "s".into(),
            description: None,
            schema: json!({}),
            strict: Some(true),
        });
        request.model = "gpt-4o".into();
        request.logprobs = Some(true);
        request.extra_body = Map::from_iter([
            ("text".to_owned(), json!({ "verbosity": "low" })),
            ("include".to_owned(), json!(["file_search_call.results"])),
        ]);
        check(
            request,
            expect![[
                r#"{"model":"gpt-4o","instructions":"be brief","input":[{"role":"user","content":"hi"}],"tools":[{"type":"function","name":"look","description":"looks","parameters":{"type":"object"}}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"look"}]},"text":{"format":{"type":"json_schema","name":"s","schema":{},"strict":true},"verbosity":"low"},"max_output_tokens":99,"include":["message.output_text.logprobs","file_search_call.results"]}"#
            ]],
        );
    }

    #[test]
    fn refuses_what_would_be_dropped_when_told_so() {
        let mut request = ChatRequest { unsupported: Unsupported::Refuse, ..request() };
        request.stop = vec!["x".into()];
        let error = render_request(request, &Quirks::default()).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("stop")));
    }
}
