//! [`render_request`]: a [`ChatRequest`] into the body that a provider of this dialect takes.

use llm_core::{
    CacheControl, ChatRequest, Extra, ModelError, ReasoningOptions, ResponseFormat, Sampling, Tool,
    ToolChoice, Warning,
};
use serde_json::{Map, Value, json};

use super::DIALECT;
use super::request_message::render_messages;
use crate::notes::Notes;
use crate::quirks::{OutputLimit, Quirks, ReasoningRequest};
use crate::structured;

/// A body to send, and how it differs from what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedRequest {
    /// The body of `POST …/chat/completions`, or of `POST …/completions`.
    pub body: Map<String, Value>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Writes the body for a provider with these quirks. Takes the request apart, since its media may be large.
///
/// A form of the answer that the provider does not enforce ([`Quirks::structured_output`]) is asked for in the prompt.
/// A streamed request always asks for usage (`stream_options.include_usage`) where the provider knows that.
/// [`ChatRequest::extra_body`] comes last and replaces what stands there under the same name.
///
/// # Errors
/// [`ErrorKind::Unsupported`](llm_core::ErrorKind::Unsupported) for what the provider does not take, when the request
/// says [`Unsupported::Refuse`](llm_core::Unsupported::Refuse).
pub fn render_request(
    mut request: ChatRequest,
    quirks: &Quirks,
) -> Result<RenderedRequest, ModelError> {
    let mut notes = Notes::new(request.unsupported);
    let enforced = quirks.structured_output_of(&request.model);
    structured::settle(&mut request, enforced, &mut notes)?;
    let messages = render_messages(request.messages, quirks, &mut notes)?;
    let tools = render_tools(request.tools, quirks, &mut notes)?;

    let mut body = Body::new(&request.model, quirks, notes);
    body.insert("model", request.model.as_str());
    body.insert("messages", messages);
    if !tools.is_empty() {
        body.insert("tools", tools);
    }
    body.put("tool_choice", request.tool_choice.map(|choice| tool_choice(choice, quirks)))?;
    body.put("parallel_tool_calls", request.parallel_tool_calls)?;
    body.put("response_format", request.response_format.map(response_format))?;
    body.sampling(request.sampling)?;
    let limit = match quirks.output_limit_of(body.model) {
        OutputLimit::MaxTokens => "max_tokens",
        OutputLimit::MaxCompletionTokens => "max_completion_tokens",
    };
    body.put(limit, request.max_output_tokens)?;
    body.stop(request.stop)?;
    body.put("n", request.n)?;
    body.put("logprobs", request.logprobs)?;
    body.put("top_logprobs", request.top_logprobs)?;
    body.put("service_tier", request.service_tier)?;
    body.put("user", request.user)?;
    if let Some(reasoning) = request.reasoning {
        body.reasoning(reasoning)?;
    }
    Ok(body.finish(request.stream, request.extra_body))
}

/// A body in the making, and what its model takes.
pub(in crate::openai) struct Body<'a> {
    map: Map<String, Value>,
    model: &'a str,
    quirks: &'a Quirks,
    notes: Notes,
}

impl<'a> Body<'a> {
    pub(in crate::openai) fn new(model: &'a str, quirks: &'a Quirks, notes: Notes) -> Self {
        Self { map: Map::new(), model, quirks, notes }
    }

    pub(in crate::openai) fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.map.insert(name.to_owned(), value.into());
    }

    /// Inserts a parameter under the provider's name for it, or notes that the model does not take it.
    pub(in crate::openai) fn put<T: Into<Value>>(
        &mut self,
        name: &str,
        value: Option<T>,
    ) -> Result<(), ModelError> {
        let Some(value) = value else {
            return Ok(());
        };
        if self.quirks.drops(self.model, name) {
            return self.notes.dropped_parameter(name);
        }
        let name = self.quirks.rename.get(name).map_or(name, String::as_str);
        self.insert(name, value);
        Ok(())
    }

    pub(in crate::openai) fn sampling(&mut self, sampling: Sampling) -> Result<(), ModelError> {
        self.put("temperature", sampling.temperature)?;
        self.put("top_p", sampling.top_p)?;
        self.put("top_k", sampling.top_k)?;
        self.put("frequency_penalty", sampling.frequency_penalty)?;
        self.put("presence_penalty", sampling.presence_penalty)?;
        self.put("seed", sampling.seed)?;
        let bias = sampling.logit_bias;
        self.put("logit_bias", (!bias.is_empty()).then(|| json!(bias)))
    }

    /// One text as it is, several as a list.
    pub(in crate::openai) fn stop(&mut self, mut texts: Vec<String>) -> Result<(), ModelError> {
        let stop = match texts.len() {
            0 => None,
            1 => texts.pop().map(Value::from),
            _ => Some(texts.into()),
        };
        self.put("stop", stop)
    }

    fn reasoning(&mut self, options: ReasoningOptions) -> Result<(), ModelError> {
        match self.quirks.reasoning_request {
            ReasoningRequest::Effort => {
                self.put("reasoning_effort", options.effort)?;
                self.drop_if(options.budget_tokens.is_some(), "reasoning.max_tokens")?;
                self.drop_if(options.summary.is_some(), "reasoning.summary")?;
                for name in options.extra.keys() {
                    self.notes.dropped_parameter(&format!("reasoning.{name}"))?;
                }
                Ok(())
            }
            ReasoningRequest::Object => {
                let mut reasoning = Map::new();
                if let Some(effort) = options.effort {
                    reasoning.insert("effort".into(), effort.into());
                }
                if let Some(budget) = options.budget_tokens {
                    reasoning.insert("max_tokens".into(), budget.into());
                }
                if let Some(summary) = options.summary {
                    reasoning.insert("summary".into(), summary.into());
                }
                reasoning.extend(options.extra);
                self.put("reasoning", Some(reasoning))
            }
            ReasoningRequest::Never => self.drop_if(true, "reasoning_effort"),
        }
    }

    pub(in crate::openai) fn drop_if(
        &mut self,
        is_given: bool,
        name: &str,
    ) -> Result<(), ModelError> {
        if is_given { self.notes.dropped_parameter(name) } else { Ok(()) }
    }

    /// The whole: whether to stream, and the caller's own fields, which come last.
    pub(in crate::openai) fn finish(
        mut self,
        is_streamed: bool,
        mut extra: Extra,
    ) -> RenderedRequest {
        if is_streamed {
            self.insert("stream", true);
            let options = extra.shift_remove("stream_options");
            if !self.quirks.no_stream_options {
                self.insert("stream_options", stream_options(options));
            }
        }
        self.map.extend(extra);
        RenderedRequest { body: self.map, warnings: self.notes.into_warnings() }
    }
}

/// Usage is always asked for: limits, prices and traces need it.
fn stream_options(others: Option<Value>) -> Value {
    let mut options = match others {
        Some(Value::Object(options)) => options,
        _ => Map::new(),
    };
    options.insert("include_usage".into(), true.into());
    Value::Object(options)
}

fn render_tools(
    tools: Vec<Tool>,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<Vec<Value>, ModelError> {
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                let mut function = Map::from_iter([("name".to_owned(), Value::from(name))]);
                if let Some(description) = description {
                    function.insert("description".into(), description.into());
                }
                if let Some(parameters) = parameters {
                    function.insert("parameters".into(), parameters);
                }
                if let Some(strict) = strict {
                    function.insert("strict".into(), strict.into());
                }
                function.extend(extra);
                let mut tool = json!({ "type": "function", "function": function });
                put_cache_control(&mut tool, cache, quirks, notes)?;
                rendered.push(tool);
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => rendered.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    Ok(rendered)
}

/// Puts a cache breakpoint on a tool or part, where the provider understands it.
pub(super) fn put_cache_control(
    target: &mut Value,
    cache: Option<CacheControl>,
    quirks: &Quirks,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let Some(cache) = cache else {
        return Ok(());
    };
    if !quirks.cache_control {
        return notes.dropped_parameter("cache_control");
    }
    let mut control = json!({ "type": "ephemeral" });
    if let (Some(ttl), Some(fields)) = (cache.ttl, control.as_object_mut()) {
        fields.insert("ttl".into(), ttl.into());
    }
    if let Some(fields) = target.as_object_mut() {
        fields.insert("cache_control".into(), control);
    }
    Ok(())
}

fn tool_choice(choice: ToolChoice, quirks: &Quirks) -> Value {
    let function = |name: String| json!({ "type": "function", "function": { "name": name } });
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => quirks.required_tool_word.as_deref().unwrap_or("required").into(),
        ToolChoice::Function(name) => function(name),
        ToolChoice::Allowed { names, required } => {
            let tools: Vec<Value> = names.into_iter().map(function).collect();
            let mode = if required { "required" } else { "auto" };
            json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } })
        }
    }
}

fn response_format(format: ResponseFormat) -> Value {
    match format {
        ResponseFormat::Text => json!({ "type": "text" }),
        ResponseFormat::JsonObject => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            let mut body = Map::from_iter([("name".to_owned(), Value::from(name))]);
            if let Some(description) = description {
                body.insert("description".into(), description.into());
            }
            body.insert("schema".into(), schema);
            if let Some(strict) = strict {
                body.insert("strict".into(), strict.into());
            }
            json!({ "type": "json_schema", "json_schema": body })
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
            model: "m".into(),
            max_output_tokens: Some(9),
            ..ChatRequest::new(vec![Message::user("hi")])
        }
    }

    fn check(provider: &str, request: ChatRequest, expect: Expect) {
        let quirks = catalogue::find(provider).map(|entry| entry.quirks.clone());
        let rendered = render_request(request, &quirks.unwrap_or_default()).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn reasoning_models_get_the_newer_limit_and_no_sampling() {
        let mut request = ChatRequest { model: "o3-mini".into(), ..request().streamed() };
        request.sampling.temperature = Some(0.5);
        request.reasoning =
            Some(ReasoningOptions { effort: Some("low".into()), ..Default::default() });
        check(
            "openai",
            request,
            expect![[r#"
                {"model":"o3-mini","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":9,"reasoning_effort":"low","stream":true,"stream_options":{"include_usage":true}}
                dropped_parameter temperature"#]],
        );
    }

    #[test]
    fn providers_get_their_own_names() {
        let mut request = ChatRequest { tool_choice: Some(ToolChoice::Required), ..request() };
        request.sampling.seed = Some(3);
        check(
            "mistral",
            request.clone().streamed(),
            expect![[
                r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tool_choice":"any","random_seed":3,"max_tokens":9,"stream":true}"#
            ]],
        );
        request.reasoning =
            Some(ReasoningOptions { budget_tokens: Some(100), ..Default::default() });
        check(
            "openrouter",
            request,
            expect![[
                r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tool_choice":"required","seed":3,"max_tokens":9,"reasoning":{"max_tokens":100}}"#
            ]],
        );
    }

    #[test]
    fn extra_fields_come_last() {
        let mut request = request().streamed();
        request.extra_body = Map::from_iter([
            ("max_tokens".to_owned(), json!(1)),
            ("stream_options".to_owned(), json!({ "include_obfuscation": false })),
        ]);
        check(
            "",
            request,
            expect![[
                r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":1,"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}"#
            ]],
        );
    }

    #[test]
    fn a_form_that_is_not_enforced_is_asked_for() {
        let mut request = request();
        request.messages.insert(0, Message::system("Be brief."));
        request.response_format = Some(ResponseFormat::JsonSchema {
            name: "n".into(),
            description: None,
            schema: json!({ "type": "object" }),
            strict: Some(true),
        });
        check(
            "deepseek",
            request.clone(),
            expect![[r#"
            {"model":"m","messages":[{"role":"system","content":"Be brief.\n\nAnswer with one JSON value that fits this JSON schema, and with nothing else:\n{\"type\":\"object\"}"},{"role":"user","content":"hi"}],"response_format":{"type":"json_object"},"max_tokens":9}
            emulated_parameter response_format"#]],
        );
        request.unsupported = Unsupported::Refuse;
        let quirks = &catalogue::find("deepseek").unwrap().quirks;
        let error = render_request(request, quirks).unwrap_err();
        assert_eq!(
            (error.kind(), error.param()),
            (ErrorKind::Unsupported, Some("response_format"))
        );
    }

    #[test]
    fn refuses_what_would_be_dropped_when_told_so() {
        let mut request = ChatRequest { unsupported: Unsupported::Refuse, ..request() };
        request.sampling.top_k = Some(5);
        let quirks = &catalogue::find("openai").unwrap().quirks;
        let error = render_request(request, quirks).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("top_k")));
    }
}
