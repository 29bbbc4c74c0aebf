//! Requests of Anthropic's Messages dialect: which of them mean the same.

use serde_json::{Map, Value};

/// Takes a body of `messages` (or `messages/count_tokens`) to a form in which requests that mean the same are equal:
///
/// - `null` fields, empty `tools`, `stop_sequences`, `metadata` and `system`, and `stream: false` are left out;
/// - content that is one plain text is that text, as is `system` and the content of a tool's result;
/// - messages of one side that follow each other are one, as the provider joins them; empty ones are left out, as is
///   empty text;
/// - the older `output_format` stands in `output_config.format`;
/// - `is_error: false`, `disable_parallel_tool_use: false` and the type `custom` of a tool say nothing;
/// - citations of a text, and the signature of thinking, may be missing instead of empty.
///
/// JSON schemas and inputs of tools are left alone.
pub fn normalise_messages_request(body: Value) -> Value {
    let Value::Object(mut body) = without_nulls(body) else {
        return Value::Null;
    };
    if let Some(format) = body.remove("output_format") {
        let config = body.entry("output_config").or_insert_with(|| Map::new().into());
        if let Some(config) = config.as_object_mut() {
            config.insert("format".into(), format);
        }
    }
    if let Some(system) = body.get_mut("system") {
        normalise_content(system);
    }
    if let Some(Value::Array(tools)) = body.get_mut("tools") {
        for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
            tool.retain(|name, value| !(name == "type" && value == "custom"));
        }
    }
    if let Some(Value::Object(choice)) = body.get_mut("tool_choice") {
        choice.retain(|name, value| !(name == "disable_parallel_tool_use" && value == false));
    }
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        *messages = join_turns(std::mem::take(messages));
    }
    body.retain(|name, value| match name.as_str() {
        "stream" => *value != Value::Bool(false),
        "tools" | "stop_sequences" | "metadata" | "system" => !is_empty(value),
        _ => true,
    });
    Value::Object(body)
}

fn join_turns(messages: Vec<Value>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::with_capacity(messages.len());
    for mut message in messages {
        if let Some(content) = message.get_mut("content") {
            normalise_content(content);
            if is_empty(content) {
                continue;
            }
        }
        match joined.last_mut() {
            Some(last) if last.get("role") == message.get("role") => {
                let mut blocks = take_blocks(last);
                blocks.extend(take_blocks(&mut message));
                if let Some(fields) = last.as_object_mut() {
                    fields.insert("content".into(), blocks.into());
                }
            }
            _ => joined.push(message),
        }
    }
    joined
}

fn take_blocks(message: &mut Value) -> Vec<Value> {
    match message.get_mut("content").map(Value::take) {
        Some(Value::Array(blocks)) => blocks,
        Some(text @ Value::String(_)) => {
            vec![Value::from_iter([("type", Value::from("text")), ("text", text)])]
        }
        _ => Vec::new(),
    }
}

fn normalise_content(content: &mut Value) {
    let Value::Array(blocks) = content else {
        return;
    };
    blocks.retain(|block| !is_empty_text(block));
    for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
        block.retain(|name, value| match name.as_str() {
            "is_error" => *value != Value::Bool(false),
            "citations" | "signature" => !is_empty(value),
            _ => true,
        });
        if block.get("type").is_some_and(|kind| kind == "tool_result") {
            if let Some(content) = block.get_mut("content") {
                normalise_content(content);
            }
            block.retain(|name, value| !(name == "content" && is_empty(value)));
        }
    }
    if let [Value::Object(block)] = &mut blocks[..]
        && block.len() == 2
        && block.get("type").is_some_and(|kind| kind == "text")
        && let Some(text) = block.get_mut("text")
    {
        *content = text.take();
    }
}

fn is_empty_text(block: &Value) -> bool {
    block.get("type").is_some_and(|kind| kind == "text")
        && block.get("text").is_some_and(|text| text == "")
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let is_opaque = matches!(name.as_str(), "input_schema" | "schema" | "input");
                let value = if is_opaque { value } else { without_nulls(value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let plain = json!({
            "model": "m", "system": "s",
            "messages": [{ "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t", "content": "r" },
                { "type": "text", "text": "q" },
            ] }],
            "tools": [{ "name": "x", "input_schema": { "default": null } }],
            "output_config": { "format": { "type": "json_schema", "schema": {} } },
        });
        let wordy = json!({
            "model": "m", "stream": false, "stop_sequences": [], "temperature": null,
            "system": [{ "type": "text", "text": "s" }],
            "messages": [
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "t", "is_error": false,
                      "content": [{ "type": "text", "text": "r" }] },
                ] },
                { "role": "user", "content": [
                    { "type": "text", "text": "q" },
                    { "type": "text", "text": "" },
                ] },
            ],
            "tools": [{ "type": "custom", "name": "x", "input_schema": { "default": null } }],
            "output_format": { "type": "json_schema", "schema": {} },
        });
        assert_eq!(normalise_messages_request(plain), normalise_messages_request(wordy));
    }
}
