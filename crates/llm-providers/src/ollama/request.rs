//! [`render_request`]: a [`ChatRequest`] into the body of `/api/chat`.

use llm_core::{ChatRequest, ModelError, ResponseFormat, Tool, ToolChoice, Warning};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::options::render_options;
use super::request_message::render_messages;
use super::thinking::render_think;
use crate::merge::merge;
use crate::notes::Notes;

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body.
    pub body: Map<String, Value>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Writes the body of `POST /api/chat`, without what [`ContextWindow`](super::ContextWindow) adds. Takes the request
/// apart, since its pictures may be large.
///
/// - A choice of tools has no place: tools that may not be called are not offered; that one *must* be called is left
///   out with a warning.
/// - JSON schemas are always enforced; their name is a label that has no place.
/// - [`ChatRequest::extra_body`] comes last; objects in it (`options`) are merged field by field.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what Ollama does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(mut request: ChatRequest) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let messages = std::mem::take(&mut request.messages);
    let mut body = Map::new();
    body.insert("model".to_owned(), std::mem::take(&mut request.model).into());
    body.insert("messages".to_owned(), render_messages(messages, &mut notes)?.into());
    let tools = std::mem::take(&mut request.tools);
    let tools = render_tools(tools, request.tool_choice.take(), &mut notes)?;
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    if request.parallel_tool_calls == Some(false) {
        notes.dropped_parameter("parallel_tool_calls")?;
    }
    put_rest(&mut body, request, &mut notes)?;
    Ok(RenderedRequest { body, warnings: notes.into_warnings() })
}

/// Writes what chat and completion have in common.
pub(super) fn put_rest(
    body: &mut Map<String, Value>,
    mut request: ChatRequest,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let options = render_options(&mut request, notes)?;
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("stream", Some(request.stream.into()));
    put("format", request.response_format.and_then(format));
    let think = request.reasoning.map(|reasoning| render_think(reasoning, notes)).transpose()?;
    put("think", think.flatten());
    put("logprobs", request.logprobs.map(Value::from));
    put("top_logprobs", request.top_logprobs.map(Value::from));
    put("options", (!options.is_empty()).then(|| options.into()));
    for (name, is_asked) in
        [("user", request.user.is_some()), ("service_tier", request.service_tier.is_some())]
    {
        if is_asked {
            notes.dropped_parameter(name)?;
        }
    }
    merge(body, request.extra_body);
    Ok(())
}

fn format(format: ResponseFormat) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some("json".into()),
        ResponseFormat::JsonSchema { description, mut schema, .. } => {
            if let (Some(description), Some(schema)) = (description, schema.as_object_mut()) {
                schema.entry("description").or_insert(description.into());
            }
            Some(schema)
        }
    }
}

fn render_tools(
    tools: Vec<Tool>,
    choice: Option<ToolChoice>,
    notes: &mut Notes,
) -> Result<Vec<Value>, ModelError> {
    let is_forced = matches!(
        choice,
        Some(
            ToolChoice::Required
                | ToolChoice::Function(_)
                | ToolChoice::Allowed { required: true, .. }
        )
    );
    if is_forced {
        notes.dropped_parameter("tool_choice")?;
    }
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { ref name, .. } if !is_offered(name, choice.as_ref()) => {}
            Tool::Function { name, description, parameters, strict, cache, mut extra } => {
                if strict == Some(true) {
                    notes.dropped_parameter("strict")?;
                }
                if cache.is_some() {
                    notes.dropped_parameter("cache_control")?;
                }
                let mut function = Map::from_iter([("name".to_owned(), Value::from(name))]);
                function.extend(description.map(|text| ("description".to_owned(), text.into())));
                function.extend(parameters.map(|schema| ("parameters".to_owned(), schema)));
                if let Some(Value::Object(own)) = extra.shift_remove(DIALECT) {
                    function.extend(own);
                }
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
        Some(ToolChoice::None) => false,
        Some(ToolChoice::Function(only)) => only == name,
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|allowed| allowed == name),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{ErrorKind, Message, ReasoningOptions, Sampling, Unsupported};

    use super::*;

    fn request() -> ChatRequest {
        ChatRequest { model: "m".into(), ..ChatRequest::new(vec![Message::user("hi")]) }
    }

    fn check(request: ChatRequest, expect: Expect) {
        let rendered = render_request(request).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn parameters_have_their_places() {
        let request = ChatRequest {
            max_output_tokens: Some(9),
            stop: vec!["x".into()],
            n: Some(2),
            logprobs: Some(true),
            top_logprobs: Some(3),
            parallel_tool_calls: Some(false),
            user: Some("u".into()),
            service_tier: Some("flex".into()),
            response_format: Some(ResponseFormat::JsonSchema {
                name: "n".into(),
                description: Some("d".into()),
                schema: json!({ "type": "object" }),
                strict: Some(true),
            }),
            reasoning: Some(ReasoningOptions {
                effort: Some("high".into()),
                budget_tokens: Some(100),
                ..ReasoningOptions::default()
            }),
            sampling: Sampling {
                temperature: Some(0.5),
                top_p: Some(0.9),
                top_k: Some(4),
                frequency_penalty: Some(0.1),
                presence_penalty: Some(0.2),
                seed: Some(-3),
                logit_bias: [("1".to_owned(), 2.0)].into(),
            },
            extra_body:
                json!({ "keep_alive": "10m", "options": { "num_ctx": 8192, "top_p": null } })
                    .as_object()
                    .cloned()
                    .unwrap(),
            ..request().streamed()
        };
        check(
            request,
            expect![[r#"
            {"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"format":{"type":"object","description":"d"},"think":"high","logprobs":true,"top_logprobs":3,"options":{"temperature":0.5,"top_p":null,"top_k":4,"frequency_penalty":0.1,"presence_penalty":0.2,"seed":-3,"num_predict":9,"stop":["x"],"num_ctx":8192},"keep_alive":"10m"}
            dropped_parameter parallel_tool_calls
            dropped_parameter logit_bias
            dropped_parameter n
            dropped_parameter reasoning.budget_tokens
            dropped_parameter user
            dropped_parameter service_tier"#]],
        );
    }

    #[test]
    fn tools_are_offered_as_they_may_be_called() {
        let function = |name: &str| Tool::function(name, "d", json!({ "type": "object" }));
        let asked = |choice| ChatRequest {
            tools: vec![
                function("a"),
                Tool::Provider { dialect: "elsewhere".into(), value: json!({}) },
                function("b"),
            ],
            tool_choice: Some(choice),
            ..request()
        };
        check(
            asked(ToolChoice::Function("b".into())),
            expect![[r#"
            {"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"b","description":"d","parameters":{"type":"object"}}}],"stream":false}
            dropped_parameter tool_choice
            dropped_parameter tools[1]"#]],
        );
        check(
            asked(ToolChoice::None),
            expect![[r#"
            {"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false}
            dropped_parameter tools[1]"#]],
        );
    }

    #[test]
    fn thinking_is_a_word_a_yes_or_a_no() {
        let think = |effort: Option<&str>, budget_tokens, summary: Option<&str>| {
            let reasoning = ReasoningOptions {
                effort: effort.map(str::to_owned),
                budget_tokens,
                summary: summary.map(str::to_owned),
                ..ReasoningOptions::default()
            };
            let request = ChatRequest { reasoning: Some(reasoning), ..request() };
            render_request(request).unwrap().body.get("think").cloned()
        };
        for (effort, budget, summary, expected) in [
            (Some("none"), None, None, Some(json!(false))),
            (Some("minimal"), None, None, Some(json!("low"))),
            (Some("high"), Some(9), None, Some(json!("high"))),
            (None, Some(0), None, Some(json!(false))),
            (None, Some(9), None, Some(json!(true))),
            (None, None, Some("auto"), Some(json!(true))),
            (None, None, None, None),
        ] {
            assert_eq!(
                think(effort, budget, summary),
                expected,
                "{effort:?} {budget:?} {summary:?}"
            );
        }
    }

    #[test]
    fn refuses_what_would_be_dropped_when_told_so() {
        let request =
            ChatRequest { unsupported: Unsupported::Refuse, user: Some("u".into()), ..request() };
        let error = render_request(request).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("user")));
    }
}
