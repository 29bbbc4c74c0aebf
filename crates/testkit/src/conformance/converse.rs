//! Requests of Bedrock's Converse: what means the same is made equal.

use serde_json::{Map, Value};

/// Takes a body of Converse to a form in which requests that mean the same are equal:
///
/// - `null` fields, and empty lists and objects beside `messages` (`system: []`, `inferenceConfig: {}` …), are left out;
/// - turns of one role that follow each other are one turn;
/// - a result of a tool has the status `success` unless it says otherwise, and empty descriptions are none;
/// - the JSON text of an answer's schema is read.
///
/// JSON schemas and arguments are left alone.
pub fn normalise_converse_request(body: Value) -> Value {
    let Value::Object(mut body) = body else {
        return Value::Null;
    };
    if let Some(Value::Object(config)) = body.get_mut("inferenceConfig") {
        config.retain(|_, value| !is_empty(value));
    }
    if let Some(Value::Object(config)) = body.get_mut("toolConfig") {
        if let Some(Value::Array(tools)) = config.get_mut("tools") {
            tools.iter_mut().for_each(normalise_tool);
        }
        config.retain(|_, value| !is_empty(value));
    }
    let schema = body
        .get_mut("outputConfig")
        .and_then(|config| config.pointer_mut("/textFormat/structure/jsonSchema/schema"));
    if let Some(schema) = schema
        && let Some(parsed) = schema.as_str().and_then(|text| serde_json::from_str(text).ok())
    {
        *schema = parsed;
    }
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        *messages = merged(std::mem::take(messages));
    }
    body.retain(|name, value| name == "messages" || !is_empty(value));
    body.into()
}

fn normalise_tool(tool: &mut Value) {
    if let Some(Value::Object(spec)) = tool.get_mut("toolSpec") {
        spec.retain(|name, value| !(name == "description" && (value == "" || value.is_null())));
    }
}

fn merged(messages: Vec<Value>) -> Vec<Value> {
    let mut turns: Vec<Value> = Vec::new();
    for mut message in messages {
        if let Some(Value::Array(blocks)) = message.get_mut("content") {
            blocks.iter_mut().for_each(normalise_block);
        }
        let content = message.get_mut("content").map(Value::take).unwrap_or_default();
        match (turns.last_mut(), content) {
            (Some(last), Value::Array(more)) if last.get("role") == message.get("role") => {
                if let Some(Value::Array(said)) = last.get_mut("content") {
                    said.extend(more);
                }
            }
            (_, content) => {
                if let Some(fields) = message.as_object_mut() {
                    fields.insert("content".into(), content);
                }
                turns.push(message);
            }
        }
    }
    turns
}

fn normalise_block(block: &mut Value) {
    if let Some(Value::Object(result)) = block.get_mut("toolResult") {
        result.retain(|name, value| !(name == "status" && value == "success"));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields == &Map::new(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let result = |status: Value| json!({ "toolResult": { "toolUseId": "a", "content": [], "status": status } });
        let wordy = json!({
            "system": [], "inferenceConfig": { "stopSequences": [] },
            "messages": [
                { "role": "user", "content": [{ "text": "a" }] },
                { "role": "user", "content": [result(json!("success"))] },
            ],
        });
        let plain = json!({ "messages": [{ "role": "user", "content": [
            { "text": "a" }, { "toolResult": { "toolUseId": "a", "content": [] } },
        ] }] });
        assert_eq!(normalise_converse_request(wordy), normalise_converse_request(plain.clone()));
        let failed = json!({ "messages": [{ "role": "user", "content": [
            { "text": "a" }, result(json!("error")),
        ] }] });
        assert_ne!(normalise_converse_request(failed), plain);
    }
}
