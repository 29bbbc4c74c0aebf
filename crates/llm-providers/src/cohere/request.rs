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
