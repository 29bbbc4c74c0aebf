//! [`render_request`]: a [`ChatRequest`] into the body that Gemini takes.

use llm_core::{ChatRequest, ModelError, ResponseFormat, Sampling, Tool, ToolChoice, Warning};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::endpoint::Service;
use super::generation::Generation;
use super::request_content::render_messages;
use super::thinking::render_thinking;
use crate::notes::Notes;

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body of `…:generateContent` and `…:streamGenerateContent`; the model stands in the address.
    pub body: Map<String, Value>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Writes the body for a service. Takes the request apart, since its media may be large.
///
/// [`ChatRequest::extra_body`] comes last and replaces what stands there under the same name; its `generationConfig` and
/// `toolConfig` are merged field by field. A `null` there takes a field out.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what Gemini does not take, when the request says
/// [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    request: ChatRequest,
    service: Service,
) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let generation = Generation::of(&request.model);
    let rendered = render_messages(request.messages, service, generation, &mut notes)?;
    let mut body = Map::new();
    if let Some(instruction) = rendered.instruction {
        body.insert("systemInstruction".to_owned(), instruction);
    }
    body.insert("contents".to_owned(), rendered.contents.into());
    let (tools, tool_config) = render_tools(request.tools, request.tool_choice, &mut notes)?;
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    put_object(&mut body, "toolConfig", tool_config);

    let mut config = Map::new();
    put_sampling(&mut config, request.sampling, &mut notes)?;
    put(&mut config, "maxOutputTokens", request.max_output_tokens);
    let stop = request.stop;
    put(&mut config, "stopSequences", (!stop.is_empty()).then_some(stop));
    put(&mut config, "candidateCount", request.n);
    put(&mut config, "responseLogprobs", request.logprobs);
    put(&mut config, "logprobs", request.top_logprobs);
    if let Some(format) = request.response_format {
        put_format(&mut config, format);
    }
    if let Some(reasoning) = request.reasoning {
        let thinking = render_thinking(reasoning, generation, &mut notes)?;
        put_object(&mut config, "thinkingConfig", thinking);
    }
    put_object(&mut body, "generationConfig", config);

    match (request.service_tier, service) {
        (Some(tier), Service::GeminiApi) => put(&mut body, "serviceTier", Some(tier)),
        (Some(_), Service::Vertex) => notes.dropped_parameter("service_tier")?,
        (None, _) => {}
    }
    if request.parallel_tool_calls == Some(false) {
        notes.dropped_parameter("parallel_tool_calls")?;
    }
    if request.user.is_some() {
        notes.dropped_parameter("user")?;
    }
    merge_extra(&mut body, request.extra_body);
    Ok(RenderedRequest { body, warnings: notes.into_warnings() })
}

fn put<T: Into<Value>>(fields: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

fn put_object(fields: &mut Map<String, Value>, name: &str, object: Map<String, Value>) {
    if !object.is_empty() {
        fields.insert(name.to_owned(), object.into());
    }
}

fn put_sampling(
    config: &mut Map<String, Value>,
    sampling: Sampling,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    put(config, "temperature", sampling.temperature);
    put(config, "topP", sampling.top_p);
    put(config, "topK", sampling.top_k);
    put(config, "frequencyPenalty", sampling.frequency_penalty);
    put(config, "presencePenalty", sampling.presence_penalty);
    // Gemini's seeds have 32 bits.
    match sampling.seed.map(i32::try_from) {
        Some(Ok(seed)) => put(config, "seed", Some(seed)),
        Some(Err(_)) => notes.dropped_parameter("seed")?,
        None => {}
    }
    if !sampling.logit_bias.is_empty() {
        notes.dropped_parameter("logit_bias")?;
    }
    Ok(())
}

fn put_format(config: &mut Map<String, Value>, format: ResponseFormat) {
    let media_type = match format {
        ResponseFormat::Text => "text/plain",
        ResponseFormat::JsonObject => "application/json",
        // The name is a label that Gemini has no place for, and every schema is enforced.
        ResponseFormat::JsonSchema { description, mut schema, .. } => {
            if let (Some(description), Some(schema)) = (description, schema.as_object_mut()) {
                schema.entry("description").or_insert(description.into());
            }
            config.insert("responseJsonSchema".to_owned(), schema);
            "application/json"
        }
    };
    config.insert("responseMimeType".to_owned(), media_type.into());
}

/// The tools, and how they may be used.
fn render_tools(
    tools: Vec<Tool>,
    choice: Option<ToolChoice>,
    notes: &mut Notes,
) -> Result<(Vec<Value>, Map<String, Value>), ModelError> {
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            // Gemini can only be told which functions it *must* choose from. Where it may also answer, the others are
            // not offered.
            Tool::Function { ref name, .. } if !is_offered(name, choice.as_ref()) => {}
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                if strict == Some(true) {
                    notes.dropped_parameter("strict")?;
                }
                if cache.is_some() {
                    notes.dropped_parameter("cache_control")?;
                }
                let mut function = Map::from_iter([("name".to_owned(), Value::from(name))]);
                put(&mut function, "description", description);
                put(&mut function, "parametersJsonSchema", parameters);
                extend_own(&mut function, extra);
                functions.push(Value::Object(function));
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => others.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    let mut tools = Vec::new();
    if !functions.is_empty() {
        tools.push(json!({ "functionDeclarations": functions }));
    }
    tools.extend(others);
    let calling = choice.map(calling_config);
    Ok((
        tools,
        Map::from_iter(calling.map(|calling| ("functionCallingConfig".to_owned(), calling))),
    ))
}

fn is_offered(name: &str, choice: Option<&ToolChoice>) -> bool {
    match choice {
        Some(ToolChoice::Allowed { names, required: false }) => {
            names.iter().any(|allowed| allowed == name)
        }
        _ => true,
    }
}

fn calling_config(choice: ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Function(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        ToolChoice::Allowed { names, required: true } => {
            json!({ "mode": "ANY", "allowedFunctionNames": names })
        }
    }
}

/// Adds the fields of this dialect that the vocabulary has no names for. Those of other dialects mean nothing here.
pub(super) fn extend_own(fields: &mut Map<String, Value>, mut extra: Map<String, Value>) {
    if let Some(Value::Object(own)) = extra.shift_remove(DIALECT) {
        for (name, value) in own {
            match (fields.get_mut(&name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => {
                    fields.insert(name, value);
                }
            }
        }
    }
}

fn merge_extra(body: &mut Map<String, Value>, extra: Map<String, Value>) {
    const MERGED: [&str; 2] = ["generationConfig", "toolConfig"];
    for (name, value) in extra {
        match (body.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) if MERGED.contains(&&*name) => {
                merge_extra(known, more);
            }
            (_, Value::Null) => {
                body.shift_remove(&name);
            }
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{ErrorKind, Message, ReasoningOptions, Unsupported};

    use super::*;

    fn request() -> ChatRequest {
        ChatRequest {
            model: "gemini-2.5-flash".into(),
            ..ChatRequest::new(vec![Message::system("be brief"), Message::user("hi")])
        }
    }

    fn check(request: ChatRequest, expect: Expect) {
        let rendered = render_request(request, Service::GeminiApi).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn parameters_have_their_places() {
        let mut request = ChatRequest {
            max_output_tokens: Some(9),
            stop: vec!["x".into()],
            n: Some(2),
            logprobs: Some(true),
            top_logprobs: Some(3),
            parallel_tool_calls: Some(false),
            user: Some("u".into()),
            response_format: Some(ResponseFormat::JsonSchema {
                name: "n".into(),
                description: None,
                schema: json!({ "type": "object" }),
                strict: Some(true),
            }),
            ..request()
        };
        request.sampling = Sampling {
            temperature: Some(0.5),
            top_k: Some(4),
            seed: Some(1 << 40),
            ..Sampling::default()
        };
        check(
            request,
            expect![[r#"
                {"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"temperature":0.5,"topK":4,"maxOutputTokens":9,"stopSequences":["x"],"candidateCount":2,"responseLogprobs":true,"logprobs":3,"responseJsonSchema":{"type":"object"},"responseMimeType":"application/json"}}
                dropped_parameter seed
                dropped_parameter parallel_tool_calls
                dropped_parameter user"#]],
        );
    }

    #[test]
    fn tools_are_declared_together() {
        let function = |name: &str| Tool::function(name, "d", json!({ "type": "object" }));
        let search = json!({ "googleSearch": {} });
        let request = ChatRequest {
            tools: vec![
                function("a"),
                Tool::Provider { dialect: DIALECT.into(), value: search },
                Tool::Provider { dialect: "elsewhere".into(), value: json!({}) },
                function("b"),
            ],
            tool_choice: Some(ToolChoice::Allowed { names: vec!["b".into()], required: false }),
            ..request()
        };
        check(
            request,
            expect![[r#"
                {"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"b","description":"d","parametersJsonSchema":{"type":"object"}}]},{"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}
                dropped_parameter tools[2]"#]],
        );
    }

    #[test]
    fn extra_fields_come_last_and_are_merged() {
        let mut request = ChatRequest { max_output_tokens: Some(9), ..request() };
        request.extra_body = json!({
            "generationConfig": { "mediaResolution": "MEDIA_RESOLUTION_LOW", "maxOutputTokens": null },
            "cachedContent": "cachedContents/1",
            "systemInstruction": null,
        })
        .as_object()
        .cloned()
        .unwrap();
        check(
            request,
            expect![[
                r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW"},"cachedContent":"cachedContents/1"}"#
            ]],
        );
    }

    #[test]
    fn effort_is_a_level_or_a_budget() {
        let asked = |model: &str, effort: &str| {
            let reasoning = ReasoningOptions {
                effort: Some(effort.into()),
                summary: Some("auto".into()),
                ..ReasoningOptions::default()
            };
            let request =
                ChatRequest { model: model.into(), reasoning: Some(reasoning), ..request() };
            let body = render_request(request, Service::GeminiApi).unwrap().body;
            body["generationConfig"]["thinkingConfig"].to_string()
        };
        for (model, effort, expected) in [
            ("gemini-2.5-pro", "none", r#"{"thinkingBudget":0,"includeThoughts":true}"#),
            ("gemini-2.5-pro", "high", r#"{"thinkingBudget":24576,"includeThoughts":true}"#),
            ("gemini-3-pro", "high", r#"{"thinkingLevel":"high","includeThoughts":true}"#),
            ("gemini-3-pro", "none", r#"{"includeThoughts":true}"#),
        ] {
            assert_eq!(asked(model, effort), expected, "{model} {effort}");
        }
    }

    #[test]
    fn refuses_what_would_be_dropped_when_told_so() {
        let request =
            ChatRequest { unsupported: Unsupported::Refuse, user: Some("u".into()), ..request() };
        let error = render_request(request, Service::GeminiApi).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("user")));
    }
}
