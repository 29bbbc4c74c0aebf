//! [`render_request`]: a [`ChatRequest`] into the body of Converse and ConverseStream.

use llm_core::{ChatRequest, ModelError, ResponseFormat, Sampling, Warning};
use serde_json::{Map, Value, json};

use super::super::family::{Family, JsonSchema};
use super::super::merge::{insert_at, merge};
use super::request_message::render_messages;
use super::thinking;
use super::tool_config::{ToolConfig, tools_in_history};
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
            tools.answer(description, schema, notes);
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{
        CacheControl, ErrorKind, Media, MediaSource, Message, Part, ReasoningOptions, Role,
        TextPart, Tool, ToolChoice, Unsupported,
    };

    use super::*;

    const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn ask(model: &str) -> ChatRequest {
        ChatRequest { model: model.into(), ..ChatRequest::new(vec![Message::user("hi")]) }
    }

    fn check(request: ChatRequest, expect: Expect) {
        let rendered = render_request(request).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        if rendered.answers_by_tool {
            text.push_str("\nanswers by tool");
        }
        expect.assert_eq(&text);
    }

    fn look() -> Tool {
        Tool::function("look", "Looks.", json!({ "type": "object" }))
    }

    #[test]
    fn every_parameter_has_its_place() {
        let mut request = ChatRequest {
            max_output_tokens: Some(9),
            stop: vec!["x".into()],
            service_tier: Some("priority".into()),
            tools: vec![look()],
            tool_choice: Some(ToolChoice::Required),
            parallel_tool_calls: Some(true),
            ..ask(CLAUDE)
        };
        request.messages.insert(0, Message::system("be brief"));
        request.sampling = Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(5),
            ..request.sampling
        };
        request.extra_body = json!({
            "guardrailConfig": { "guardrailIdentifier": "g" },
            "additionalModelRequestFields": { "anthropic_beta": ["x"] },
        })
        .as_object()
        .unwrap()
        .clone();
        check(
            request,
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"system":[{"text":"be brief"}],"toolConfig":{"tools":[{"toolSpec":{"name":"look","description":"Looks.","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"any":{}}},"inferenceConfig":{"maxTokens":9,"temperature":0.5,"topP":0.9,"stopSequences":["x"]},"additionalModelRequestFields":{"top_k":5,"anthropic_beta":["x"]},"serviceTier":{"type":"priority"},"guardrailConfig":{"guardrailIdentifier":"g"}}"#
            ]],
        );
    }

    #[test]
    fn what_has_no_place_is_told() {
        let mut request = ChatRequest {
            n: Some(2),
            logprobs: Some(true),
            top_logprobs: Some(3),
            parallel_tool_calls: Some(false),
            user: Some("u".into()),
            reasoning: Some(ReasoningOptions { effort: Some("low".into()), ..Default::default() }),
            ..ask("us.meta.llama3-3-70b-instruct-v1:0")
        };
        request.sampling = Sampling {
            top_k: Some(5),
            seed: Some(1),
            frequency_penalty: Some(0.1),
            presence_penalty: Some(0.1),
            ..request.sampling
        };
        request.sampling.logit_bias.insert("1".into(), 2.0);
        check(
            request.clone(),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}]}
            dropped_parameter top_k
            dropped_parameter frequency_penalty
            dropped_parameter presence_penalty
            dropped_parameter seed
            dropped_parameter logit_bias
            dropped_parameter reasoning
            dropped_parameter n
            dropped_parameter logprobs
            dropped_parameter top_logprobs
            dropped_parameter parallel_tool_calls
            dropped_parameter user"#]],
        );
        request.unsupported = Unsupported::Refuse;
        let error = render_request(request).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("top_k")));
    }

    #[test]
    fn families_are_asked_in_their_own_words() {
        let think = |model: &str, effort: &str, limit| ChatRequest {
            reasoning: Some(ReasoningOptions { effort: Some(effort.into()), ..Default::default() }),
            max_output_tokens: limit,
            ..ask(model)
        };
        check(
            think(CLAUDE, "high", None),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":16384}}}
            translated_parameter reasoning.effort"#]],
        );
        check(
            think(CLAUDE, "high", Some(2000)),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":2000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1999}}}
            translated_parameter reasoning.effort"#]],
        );
        check(
            think(CLAUDE, "high", Some(100)),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":100}}
            dropped_parameter reasoning.effort"#]],
        );
        check(
            think(CLAUDE, "none", None),
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"disabled"}}}"#
            ]],
        );
        check(
            think("anthropic.claude-sonnet-5", "high", None),
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}}"#
            ]],
        );
        check(
            think("us.amazon.nova-2-lite-v1:0", "minimal", None),
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}}"#
            ]],
        );
        check(
            think("openai.gpt-oss-120b-1:0", "medium", None),
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"reasoning_effort":"medium"}}"#
            ]],
        );
        let budget = ReasoningOptions { budget_tokens: Some(2048), ..Default::default() };
        check(
            ChatRequest { reasoning: Some(budget), ..ask(CLAUDE) },
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}}}"#
            ]],
        );
        let mut request = ask("cohere.command-r-v1:0");
        request.sampling.top_k = Some(7);
        request.sampling.seed = Some(1);
        check(
            request,
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"k":7,"seed":1}}"#
            ]],
        );
        let mut request = ask("amazon.nova-lite-v1:0");
        request.sampling.top_k = Some(7);
        check(
            request,
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"inferenceConfig":{"topK":7}}}"#
            ]],
        );
    }

    #[test]
    fn forms_of_the_answer() {
        let schema = || ResponseFormat::JsonSchema {
            name: "city".into(),
            description: None,
            schema: json!({ "type": "object" }),
            strict: Some(true),
        };
        let in_form =
            |model: &str, format| ChatRequest { response_format: Some(format), ..ask(model) };
        check(
            in_form(CLAUDE, schema()),
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"city"}}}}}"#
            ]],
        );
        check(
            in_form("amazon.nova-lite-v1:0", schema()),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"json_answer","description":"Gives the answer. Call it once, at the end.","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"tool":{"name":"json_answer"}}}}
            translated_parameter response_format
            answers by tool"#]],
        );
        let with_tools =
            ChatRequest { tools: vec![look()], ..in_form("amazon.nova-lite-v1:0", schema()) };
        check(
            with_tools,
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"look","description":"Looks.","inputSchema":{"json":{"type":"object"}}}},{"toolSpec":{"name":"json_answer","description":"Gives the answer. Call it once, at the end.","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"any":{}}}}
            translated_parameter response_format
            answers by tool"#]],
        );
        check(
            in_form(CLAUDE, ResponseFormat::JsonObject),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"json_answer","description":"Gives the answer. Call it once, at the end.","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"tool":{"name":"json_answer"}}}}
            translated_parameter response_format
            answers by tool"#]],
        );
        check(
            in_form("amazon.titan-text-express-v1", schema()),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]}]}
            dropped_parameter response_format"#]],
        );
    }

    #[test]
    fn media_and_breakpoints() {
        let base64 = |data: &str| Media::new(MediaSource::Base64(data.into()));
        let cached = Media {
            cache: Some(CacheControl { ttl: Some("1h".into()) }),
            name: Some("a b.pdf".into()),
            ..base64("JVBERi0")
        };
        let message = Message::new(
            Role::User,
            vec![
                Part::Image(base64("/9j/AA")),
                Part::File(cached),
                Part::File(Media::new(MediaSource::Url("s3://bucket/film.mp4".into()))),
                Part::Image(Media::new(MediaSource::Url("https://example.org/x.png".into()))),
                Part::Text(TextPart {
                    cache: Some(CacheControl::default()),
                    ..TextPart::new("what")
                }),
            ],
        );
        let mut request = ChatRequest { messages: vec![message], ..ask(CLAUDE) };
        request.messages.push(Message { name: Some("ann".into()), ..Message::user("") });
        request.messages.push(Message::system("late"));
        check(
            request,
            expect![[r#"
                {"messages":[{"role":"user","content":[{"image":{"format":"jpeg","source":{"bytes":"/9j/AA"}}},{"document":{"format":"pdf","name":"a b-pdf","source":{"bytes":"JVBERi0"}}},{"cachePoint":{"type":"default","ttl":"1h"}},{"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://bucket/film.mp4"}}}},{"text":"what"},{"cachePoint":{"type":"default"}}]}],"system":[{"text":"late"}]}
                dropped_content messages
                dropped_content messages
                moved_content messages"#]],
        );
    }
}
