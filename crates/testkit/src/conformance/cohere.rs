//! Requests of Cohere's API: which of them mean the same.

use serde_json::{Map, Value};

use super::request::{is_empty, without_nulls};

/// Takes a body of chat, `generate`, embed or rerank, of either version, to a form in which requests that mean the same are
/// equal:
///
/// - `null` fields, `stream: false`, and empty lists, texts and objects beside `message` and `prompt` are left out;
/// - content that is one plain text is that text, and an answer's empty content, plan, calls and citations are none;
/// - the schema of an answer stands in `json_schema`;
/// - `embedding_types` of `float` alone is what one gets without;
/// - types of v1's `parameter_definitions` go by Python's short names.
///
/// JSON schemas of tools are left alone.
pub fn normalise_cohere_request(body: Value) -> Value {
    let Value::Object(mut body) = without_nulls(body) else {
        return Value::Null;
    };
    if let Some(Value::Object(format)) = body.get_mut("response_format")
        && let Some(schema) = format.remove("schema")
    {
        format.insert("json_schema".into(), schema);
    }
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        messages.iter_mut().filter_map(Value::as_object_mut).for_each(normalise_message);
    }
    if let Some(Value::Array(tools)) = body.get_mut("tools") {
        tools.iter_mut().filter_map(Value::as_object_mut).for_each(normalise_tool);
    }
    body.retain(|name, value| match name.as_str() {
        "stream" => *value != Value::Bool(false),
        "embedding_types" => *value != serde_json::json!(["float"]),
        "message" | "prompt" => true,
        _ => !is_empty(value),
    });
    Value::Object(body)
}

fn normalise_message(message: &mut Map<String, Value>) {
    if let Some(Value::Array(parts)) = message.get_mut("content") {
        let is_one_text = matches!(
            &parts[..],
            [Value::Object(part)]
                if part.len() == 2 && part.get("type").is_some_and(|kind| kind == "text")
        );
        if let (true, Some(text)) =
            (is_one_text, parts.first_mut().and_then(|part| part.get_mut("text")))
        {
            let text = text.take();
            message.insert("content".into(), text);
        }
    }
    let is_answer = message.get("role").is_some_and(|role| role == "assistant");
    message.retain(|_, value| !(is_answer && is_empty(value)));
}

fn normalise_tool(tool: &mut Map<String, Value>) {
    let Some(Value::Object(definitions)) = tool.get_mut("parameter_definitions") else {
        return;
    };
    for definition in definitions.values_mut().filter_map(Value::as_object_mut) {
        definition.entry("required").or_insert(false.into());
        if let Some(kind) = definition.get_mut("type") {
            let short = match kind.as_str().unwrap_or_default() {
                "string" => "str",
                "integer" => "int",
                "number" => "float",
                "boolean" => "bool",
                "array" | "List" => "list",
                "object" | "Dict" => "dict",
                other => other,
            };
            *kind = short.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let plain = json!({
            "model": "m",
            "messages": [
                { "role": "user", "content": "q" },
                { "role": "assistant", "tool_calls": [{ "id": "t" }] },
            ],
            "response_format": { "type": "json_object", "json_schema": {} },
        });
        let wordy = json!({
            "model": "m", "stream": false, "documents": [], "temperature": null,
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "q" }] },
                { "role": "assistant", "content": [{ "type": "text", "text": "" }],
                  "tool_plan": null, "citations": [], "tool_calls": [{ "id": "t" }] },
            ],
            "response_format": { "type": "json_object", "schema": {} },
        });
        assert_eq!(normalise_cohere_request(plain), normalise_cohere_request(wordy));
    }
}
