//! The response object: in whole answers, and in the first and last events of streamed ones.

use llm_core::{
    Annotation, ChatEvent, ChatResponse, Choice, Extra, FinishReason, Part, ReasoningDelta,
    ToolCallDelta, Usage, Warning,
};
use serde_json::{Map, Value, json};

use super::{EventWriter, ResponseHead};

/// The body of an answer in one piece (`object: response`).
///
/// The parts of the first choice become output items; this API has only one. Fields of the whole answer without a name,
/// `warnings`, and `provider_blocks` of other dialects stand at the top.
pub fn response_body(response: &ChatResponse, head: &ResponseHead) -> Value {
    let mut writer = EventWriter::new(head.clone());
    for event in events_of(response) {
        writer.push(event);
    }
    writer.into_response()
}

/// The `usage` object; `None` when nothing is known. Starts from the provider's own object where that is of this
/// dialect, so that fields without a name in [`Usage`] survive.
pub fn usage_body(usage: &Usage) -> Option<Value> {
    let total = usage.total_tokens()?;
    let mut body = match &usage.raw {
        Some(Value::Object(raw)) if raw.contains_key("input_tokens_details") => raw.clone(),
        _ => Map::new(),
    };
    body.insert("input_tokens".into(), usage.input_tokens.unwrap_or(0).into());
    let details = [
        ("cached_tokens", Some(usage.cache_read_tokens.unwrap_or(0))),
        ("cache_write_tokens", usage.cache_write_tokens),
    ];
    put_details(&mut body, "input_tokens_details", &details);
    body.insert("output_tokens".into(), usage.output_tokens.unwrap_or(0).into());
    let details = [("reasoning_tokens", Some(usage.reasoning_tokens.unwrap_or(0)))];
    put_details(&mut body, "output_tokens_details", &details);
    body.insert("total_tokens".into(), total.into());
    if let Some(cost) = usage.cost {
        body.entry("cost").or_insert_with(|| json!(cost));
    }
    Some(body.into())
}

fn put_details(body: &mut Map<String, Value>, name: &str, counts: &[(&str, Option<u64>)]) {
    let details = body.entry(name).or_insert(Value::Null);
    if !details.is_object() {
        *details = json!({});
    }
    if let Some(details) = details.as_object_mut() {
        let known =
            counts.iter().filter_map(|(name, count)| Some(((*name).to_owned(), (*count)?.into())));
        details.extend(known);
    }
}

/// How an answer stands.
pub(super) struct State<'a> {
    pub(super) status: &'static str,
    /// Why it is incomplete.
    pub(super) reason: Option<&'static str>,
    pub(super) error: Value,
    pub(super) output: Vec<Value>,
    pub(super) usage: &'a Usage,
    pub(super) extra: &'a Extra,
    pub(super) warnings: &'a [Warning],
    pub(super) blocks: &'a [Value],
}

/// The object, with every field that clients of this API rely on.
pub(super) fn response_value(head: &ResponseHead, state: State<'_>) -> Value {
    let mut body = Map::new();
    body.insert("id".into(), head.id.clone().into());
    body.insert("object".into(), "response".into());
    body.insert("created_at".into(), head.created.into());
    body.insert("status".into(), state.status.into());
    body.insert("error".into(), state.error);
    let details = state.reason.map(|reason| json!({ "reason": reason }));
    body.insert("incomplete_details".into(), details.unwrap_or_default());
    body.insert("model".into(), head.model.clone().into());
    body.insert("output".into(), state.output.into());
    body.insert("usage".into(), usage_body(state.usage).unwrap_or_default());
    for (name, default) in defaults() {
        let value = head.echo.get(name).cloned().unwrap_or(default);
        body.insert(name.to_owned(), value);
    }
    if let Some(text) = body.get_mut("text").and_then(Value::as_object_mut) {
        text.entry("format").or_insert_with(|| json!({ "type": "text" }));
    }
    for (name, value) in state.extra.iter().chain(&head.echo) {
        // What the provider really did stands for what was asked for.
        if name == "service_tier" || !body.contains_key(name) {
            let value = state.extra.get(name).unwrap_or(value);
            body.insert(name.clone(), value.clone());
        }
    }
    if !state.warnings.is_empty() {
        body.insert("warnings".into(), json!(state.warnings));
    }
    if !state.blocks.is_empty() {
        body.insert("provider_blocks".into(), state.blocks.to_vec().into());
    }
    Value::Object(body)
}

/// Fields that every response has, and what they are when the request does not say.
fn defaults() -> [(&'static str, Value); 14] {
    [
        ("background", false.into()),
        ("instructions", Value::Null),
        ("max_output_tokens", Value::Null),
        ("metadata", json!({})),
        ("parallel_tool_calls", true.into()),
        ("previous_response_id", Value::Null),
        ("reasoning", json!({ "effort": null, "summary": null })),
        ("store", false.into()),
        ("temperature", Value::Null),
        ("text", json!({ "format": { "type": "text" } })),
        ("tool_choice", "auto".into()),
        ("tools", json!([])),
        ("top_p", Value::Null),
        ("truncation", "disabled".into()),
    ]
}

/// The status that a reason means, and why an answer is incomplete.
pub(super) fn status_of(reason: FinishReason) -> (&'static str, Option<&'static str>) {
    match reason {
        FinishReason::Length => ("incomplete", Some("max_output_tokens")),
        FinishReason::ContentFilter => ("incomplete", Some("content_filter")),
        FinishReason::Error => ("failed", None),
        _ => ("completed", None),
    }
}

/// A whole answer as the events that it could have come as.
fn events_of(response: &ChatResponse) -> Vec<ChatEvent> {
    let mut events: Vec<ChatEvent> =
        response.warnings.iter().cloned().map(ChatEvent::Warning).collect();
    if let Some(choice) = response.choices.first() {
        choice_events(choice, &mut events);
    }
    events.push(ChatEvent::Usage(response.usage.clone()));
    events.push(ChatEvent::Extra { fields: response.extra.clone() });
    events
}

fn choice_events(choice: &Choice, events: &mut Vec<ChatEvent>) {
    let mut logprobs = choice.logprobs.iter().cloned();
    for (index, part) in (0..).zip(&choice.message.parts) {
        part_events(index, part, events);
        if matches!(part, Part::Text(_)) {
            let told = logprobs.by_ref();
            events.extend(told.map(|value| ChatEvent::Logprobs { choice: 0, value }));
        }
    }
    events.extend(choice.audio.clone().map(ChatEvent::Audio));
    let (reason, raw) = (choice.finish, choice.raw_finish.clone());
    events.push(ChatEvent::Finished { choice: 0, reason, raw });
}

fn part_events(index: u32, part: &Part, events: &mut Vec<ChatEvent>) {
    match part.clone() {
        Part::Text(part) => {
            events.push(ChatEvent::Text { choice: 0, text: part.text, signature: part.signature });
            let annotation =
                |annotation: Annotation| ChatEvent::Annotation { choice: 0, annotation };
            events.extend(part.annotations.into_iter().map(annotation));
        }
        Part::Refusal(part) => events.push(ChatEvent::Refusal { choice: 0, text: part.text }),
        Part::Reasoning(block) => events.push(ChatEvent::Reasoning(ReasoningDelta {
            choice: 0,
            index,
            text: block.text,
            signature: block.signature,
            redacted: block.redacted,
            id: block.id,
            extra: block.extra,
        })),
        Part::ToolCall(call) => events.push(ChatEvent::ToolCall(ToolCallDelta::whole(index, call))),
        Part::Image(media) | Part::File(media) | Part::Audio(media) => {
            events.push(ChatEvent::Media { choice: 0, media });
        }
        Part::Other { dialect, value } => {
            events.push(ChatEvent::Block { choice: 0, dialect, value });
        }
        _ => {}
    }
}
