//! [`render_request`]: a [`ChatRequest`] into the body of `POST /v2/chat`.

use llm_core::{
    ChatRequest, ModelError, ReasoningOptions, ResponseFormat, Tool, ToolChoice, Warning,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::body::Body;
use super::family::may_think;
use super::request_message::render_messages;
use crate::Quirks;
use crate::notes::Notes;

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body.
    pub body: Map<String, Value>,
    /// What was left out, moved or said otherwise.
    pub warnings: Vec<Warning>,
}

/// Writes the body. Takes the request apart, since its media may be large. Of the quirks, those that drop and rename
/// parameters count, by the names of this dialect.
///
/// - Files that are plain text become `documents`, which the model cites, after those in
///   [`ChatRequest::extra_body`] under that name; in results of tools they stay in their place.
/// - [`ToolChoice::Function`] and [`ToolChoice::Allowed`] leave the other tools out, which comes to the same.
/// - `strict_tools` holds for all tools or for none: one tool that is strict makes all so, with a warning where others are
///   not.
/// - Reasoning is asked for by `thinking`, which knows a budget and no effort: `none` switches it off, any other effort
///   switches it on (`translated_parameter` warning). For models that do not think it is left out.
/// - [`ChatRequest::extra_body`] comes last and replaces what stands there under the same name.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what the model does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    mut request: ChatRequest,
    quirks: &Quirks,
) -> Result<RenderedRequest, ModelError> {
    let model = std::mem::take(&mut request.model);
    let mut notes = Notes::new(request.unsupported);
    let messages = std::mem::take(&mut request.messages);
    let conversation = render_messages(messages, may_think(&model), &mut notes)?;
    let (tools, choice) = chosen(std::mem::take(&mut request.tools), request.tool_choice.take());
    let strict = strict_tools(&tools, &mut notes);
    let tools = render_tools(tools, &mut notes)?;

    let mut extra = std::mem::take(&mut request.extra_body);
    let mut body = Body::new(notes, &model, quirks);
    body.insert("model", model.as_str());
    body.insert("messages", conversation.messages);
    if !tools.is_empty() {
        body.insert("tools", tools);
        body.put("strict_tools", strict)?;
    }
    body.put("tool_choice", choice)?;
    let documents = documents(extra.shift_remove("documents"), conversation.documents);
    if let Some(documents) = documents {
        body.insert("documents", documents);
    }
    let format = request.response_format.take();
    body.put("response_format", format.and_then(|format| response_format(format, "json_schema")))?;
    body.sampling(
        std::mem::take(&mut request.sampling),
        request.max_output_tokens,
        std::mem::take(&mut request.stop),
    )?;
    body.put("logprobs", request.logprobs.filter(|logprobs| *logprobs))?;
    body.drop_if(request.n.is_some_and(|n| n > 1), "n")?;
    body.without_words(&request)?;
    if let Some(options) = request.reasoning {
        let thinking = thinking(options, &model, &mut body.notes)?;
        body.put("thinking", thinking)?;
    }
    if request.stream {
        body.insert("stream", true);
    }
    let Body { mut map, notes, .. } = body;
    map.extend(extra);
    Ok(RenderedRequest { body: map, warnings: notes.into_warnings() })
}

/// Carries a choice of single tools out by leaving the others away.
pub(super) fn chosen(
    mut tools: Vec<Tool>,
    choice: Option<ToolChoice>,
) -> (Vec<Tool>, Option<&'static str>) {
    let (names, word) = match choice {
        None | Some(ToolChoice::Auto) => return (tools, None),
        Some(ToolChoice::None) => return (tools, Some("NONE")),
        Some(ToolChoice::Required) => return (tools, Some("REQUIRED")),
        Some(ToolChoice::Function(name)) => (vec![name], Some("REQUIRED")),
        Some(ToolChoice::Allowed { names, required }) => (names, required.then_some("REQUIRED")),
    };
    tools.retain(|tool| match tool {
        Tool::Function { name, .. } => names.contains(name),
        _ => true,
    });
    (tools, word)
}

/// What `strict_tools` says, where some tool has an opinion.
fn strict_tools(tools: &[Tool], notes: &mut Notes) -> Option<bool> {
    let strict = || {
        tools.iter().filter_map(|tool| match tool {
            Tool::Function { strict, .. } => Some(*strict),
            _ => None,
        })
    };
    let wanted = strict().flatten().reduce(|one, other| one || other)?;
    if wanted && strict().any(|strict| strict != Some(true)) {
        let message = "all tools are strict, since one of them is";
        notes.translated_parameter("strict_tools", message);
    }
    Some(wanted)
}

fn render_tools(tools: Vec<Tool>, notes: &mut Notes) -> Result<Vec<Value>, ModelError> {
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, cache, extra, .. } => {
                if cache.is_some() {
                    notes.dropped_parameter("cache_control")?;
                }
                let mut function = Map::from_iter([("name".to_owned(), Value::from(name))]);
                if let Some(description) = description {
                    function.insert("description".into(), description.into());
                }
                let schema =
                    parameters.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
                function.insert("parameters".into(), schema);
                function.extend(extra);
                rendered.push(json!({ "type": "function", "function": function }));
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => rendered.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    Ok(rendered)
}

/// The caller's own documents, and after them those out of the messages.
pub(super) fn documents(own: Option<Value>, of_messages: Vec<Value>) -> Option<Value> {
    match own {
        Some(Value::Array(mut own)) => {
            own.extend(of_messages);
            Some(own.into())
        }
        Some(other) if of_messages.is_empty() => Some(other),
        _ => (!of_messages.is_empty()).then(|| of_messages.into()),
    }
}

/// The form of the answer; `schema_name` is the version's name for the field of the schema. A schema's own name has no
/// place, and means nothing to the model.
pub(super) fn response_format(format: ResponseFormat, schema_name: &str) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({ "type": "json_object" })),
        ResponseFormat::JsonSchema { mut schema, description, .. } => {
            if let (Some(fields), Some(description)) = (schema.as_object_mut(), description) {
                fields.entry("description").or_insert_with(|| description.into());
            }
            Some(json!({ "type": "json_object", schema_name: schema }))
        }
    }
}

/// `{"type": "enabled", "token_budget": 100}`.
fn thinking(
    options: ReasoningOptions,
    model: &str,
    notes: &mut Notes,
) -> Result<Option<Value>, ModelError> {
    let is_off = options.effort.as_deref() == Some("none") || options.budget_tokens == Some(0);
    if !may_think(model) {
        return if is_off { Ok(None) } else { notes.dropped_parameter("reasoning").map(|()| None) };
    }
    if is_off {
        return Ok(Some(json!({ "type": "disabled" })));
    }
    if options.effort.is_some() {
        let message = "the model thinks or does not; it knows budgets but no effort";
        notes.translated_parameter("reasoning.effort", message);
    }
    if options.summary.is_some() {
        notes.dropped_parameter("reasoning.summary")?;
    }
    let mut thinking = Map::from_iter([("type".to_owned(), Value::from("enabled"))]);
    if let Some(budget) = options.budget_tokens {
        thinking.insert("token_budget".into(), budget.into());
    }
    thinking.extend(options.extra);
    Ok(Some(thinking.into()))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{
        Annotation, ErrorKind, Media, MediaSource, Message, Part, Reasoning, Role, Sampling,
        TextPart, ToolCall, ToolResult, Unsupported,
    };

    use super::*;
    use crate::cohere::{TOOL_PLAN, parse_request};

    fn ask(model: &str) -> ChatRequest {
        ChatRequest { model: model.into(), ..ChatRequest::new(vec![Message::user("hi")]) }
    }

    fn check(request: ChatRequest, expect: Expect) {
        let rendered = render_request(request, &Quirks::default()).unwrap();
        let mut text = String::new();
        for (name, value) in &rendered.body {
            text.push_str(&format!("{name}: {value}\n"));
        }
        for warning in &rendered.warnings {
            let param = warning.param.as_deref().unwrap_or_default();
            text.push_str(&format!("{} {param}\n", warning.code));
        }
        expect.assert_eq(&text);
        // What is read back is written alike.
        let body = Value::Object(rendered.body);
        let again = render_request(parse_request(body.clone()).unwrap(), &Quirks::default());
        assert_eq!(Value::Object(again.unwrap().body), body);
    }

    fn tool(name: &str, strict: Option<bool>) -> Tool {
        let mut tool = Tool::function(name, "d", json!({ "type": "object" }));
        if let Tool::Function { strict: of_tool, .. } = &mut tool {
            *of_tool = strict;
        }
        tool
    }

    #[test]
    fn every_parameter_has_its_place() {
        let mut request = ChatRequest {
            stream: true,
            max_output_tokens: Some(9),
            stop: vec!["x".into()],
            logprobs: Some(true),
            parallel_tool_calls: Some(true),
            tools: vec![tool("look", Some(true))],
            tool_choice: Some(ToolChoice::Required),
            response_format: Some(ResponseFormat::JsonObject),
            reasoning: Some(ReasoningOptions { budget_tokens: Some(100), ..Default::default() }),
            sampling: Sampling {
                temperature: Some(0.5),
                top_p: Some(0.9),
                top_k: Some(5),
                frequency_penalty: Some(0.1),
                presence_penalty: Some(0.2),
                seed: Some(7),
                ..Sampling::default()
            },
            ..ask("command-a-reasoning-08-2025")
        };
        request.extra_body.insert("safety_mode".into(), "NONE".into());
        check(
            request,
            expect![[r#"
            model: "command-a-reasoning-08-2025"
            messages: [{"role":"user","content":"hi"}]
            tools: [{"type":"function","function":{"name":"look","description":"d","parameters":{"type":"object"}}}]
            strict_tools: true
            tool_choice: "REQUIRED"
            response_format: {"type":"json_object"}
            max_tokens: 9
            stop_sequences: ["x"]
            temperature: 0.5
            p: 0.9
            k: 5
            frequency_penalty: 0.1
            presence_penalty: 0.2
            seed: 7
            logprobs: true
            thinking: {"type":"enabled","token_budget":100}
            stream: true
            safety_mode: "NONE"
        "#]],
        );
    }

    #[test]
    fn what_has_no_place_is_told() {
        let mut request = ChatRequest {
            n: Some(2),
            top_logprobs: Some(3),
            parallel_tool_calls: Some(false),
            service_tier: Some("flex".into()),
            user: Some("u".into()),
            reasoning: Some(ReasoningOptions { effort: Some("low".into()), ..Default::default() }),
            ..ask("command-r-08-2024")
        };
        request.sampling.logit_bias.insert("1".into(), 2.0);
        check(
            request.clone(),
            expect![[r#"
            model: "command-r-08-2024"
            messages: [{"role":"user","content":"hi"}]
            dropped_parameter logit_bias
            dropped_parameter n
            dropped_parameter top_logprobs
            dropped_parameter parallel_tool_calls
            dropped_parameter service_tier
            dropped_parameter user
            dropped_parameter reasoning
        "#]],
        );
        request.unsupported = Unsupported::Refuse;
        let error = render_request(request, &Quirks::default()).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("logit_bias")));

        let quirks = Quirks { drop: vec!["seed".into()], ..Quirks::default() };
        let mut request = ask("m");
        request.sampling.seed = Some(1);
        let rendered = render_request(request, &quirks).unwrap();
        assert!(!rendered.body.contains_key("seed") && rendered.warnings.len() == 1);
    }

    #[test]
    fn choices_of_tools_leave_the_others_out() {
        let choose = |choice| ChatRequest {
            tools: vec![tool("a", Some(true)), tool("b", None)],
            tool_choice: Some(choice),
            ..ask("m")
        };
        check(
            choose(ToolChoice::Function("b".into())),
            expect![[r#"
            model: "m"
            messages: [{"role":"user","content":"hi"}]
            tools: [{"type":"function","function":{"name":"b","description":"d","parameters":{"type":"object"}}}]
            tool_choice: "REQUIRED"
        "#]],
        );
        check(
            choose(ToolChoice::None),
            expect![[r#"
            model: "m"
            messages: [{"role":"user","content":"hi"}]
            tools: [{"type":"function","function":{"name":"a","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"b","description":"d","parameters":{"type":"object"}}}]
            strict_tools: true
            tool_choice: "NONE"
            translated_parameter strict_tools
        "#]],
        );
    }

    #[test]
    fn thinking_is_on_or_off() {
        let think = |model: &str, effort: &str| ChatRequest {
            reasoning: Some(ReasoningOptions { effort: Some(effort.into()), ..Default::default() }),
            ..ask(model)
        };
        check(
            think("command-a-plus-05-2026", "high"),
            expect![[r#"
            model: "command-a-plus-05-2026"
            messages: [{"role":"user","content":"hi"}]
            thinking: {"type":"enabled"}
            translated_parameter reasoning.effort
        "#]],
        );
        check(
            think("command-a-plus-05-2026", "none"),
            expect![[r#"
            model: "command-a-plus-05-2026"
            messages: [{"role":"user","content":"hi"}]
            thinking: {"type":"disabled"}
        "#]],
        );
        check(
            think("command-r", "none"),
            expect![[r#"
            model: "command-r"
            messages: [{"role":"user","content":"hi"}]
        "#]],
        );
    }

    #[test]
    fn parts_have_their_places() {
        let file = |text: &str| {
            let source = MediaSource::Text(text.into());
            Part::File(Media { name: Some("f.txt".into()), ..Media::new(source) })
        };
        let image = Part::Image(Media::new(MediaSource::Base64("iVBORw0KGgo=".into())));
        let plan = Reasoning {
            text: "plan".into(),
            extra: Map::from_iter([(TOOL_PLAN.to_owned(), true.into())]),
            ..Reasoning::default()
        };
        let thought = Reasoning { text: "hm".into(), ..Reasoning::default() };
        let sealed = Reasoning { signature: Some("s".into()), ..thought.clone() };
        let cited = TextPart {
            annotations: vec![Annotation::Other { value: json!({ "start": 0, "sources": [] }) }],
            ..TextPart::new("so")
        };
        let call = ToolCall { id: "c".into(), name: "look".into(), ..ToolCall::default() };
        let result = ToolResult { parts: vec![file("blue")], ..ToolResult::text("c", "") };
        let request = ChatRequest {
            messages: vec![
                Message::system("be brief"),
                Message::new(Role::User, vec![Part::text("why?"), image, file("sky")]),
                Message::new(
                    Role::Assistant,
                    vec![
                        Part::Reasoning(plan),
                        Part::Reasoning(thought),
                        Part::Reasoning(sealed),
                        Part::Text(cited),
                        Part::ToolCall(call),
                    ],
                ),
                Message::new(Role::Tool, vec![Part::ToolResult(result)]),
                Message::new(Role::Assistant, vec![]),
            ],
            extra_body: Map::from_iter([("documents".to_owned(), json!(["own"]))]),
            ..ask("m")
        };
        check(
            request,
            expect![[r#"
            model: "m"
            messages: [{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"why?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"so"}],"tool_plan":"plan","tool_calls":[{"id":"c","type":"function","function":{"name":"look","arguments":"{}"}}],"citations":[{"start":0,"sources":[]}]},{"role":"tool","tool_call_id":"c","content":[{"type":"document","document":{"data":{"title":"f.txt","text":"blue"}}}]},{"role":"assistant","content":""}]
            documents: ["own",{"data":{"title":"f.txt","text":"sky"}}]
            dropped_content messages
        "#]],
        );
    }

    #[test]
    fn schemas_of_the_answer_lose_their_names() {
        let format = ResponseFormat::JsonSchema {
            name: "city".into(),
            description: Some("a city".into()),
            schema: json!({ "type": "object" }),
            strict: Some(true),
        };
        check(
            ChatRequest { response_format: Some(format), ..ask("m") },
            expect![[r#"
            model: "m"
            messages: [{"role":"user","content":"hi"}]
            response_format: {"type":"json_object","json_schema":{"type":"object","description":"a city"}}
        "#]],
        );
    }
}
