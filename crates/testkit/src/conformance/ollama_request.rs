//! Requests of Ollama's own API: what means the same is made equal.

use serde_json::{Map, Value};

use super::request::{is_empty, without_nulls};

/// Takes a body of `/api/chat`, `/api/generate`, `/api/embed` or `/api/embeddings` to a form in which requests that mean
/// the same are equal:
///
/// - `null` and empty fields, and `raw: false`, are left out; an answer is streamed unless the request says otherwise;
/// - one text to embed, or a list of one, is the same;
/// - calls of tools have no type; a result that names no tool is that of the first call without one.
///
/// JSON schemas and arguments are left alone.
pub fn normalise_ollama_request(body: Value) -> Value {
    let Value::Object(mut body) = without_nulls(body) else {
        return Value::Null;
    };
    let is_answer = body.contains_key("messages") || body.contains_key("prompt");
    let is_streamed = body.remove("stream").and_then(|stream| stream.as_bool());
    body.retain(|name, value| match name.as_str() {
        "messages" | "prompt" => true,
        "raw" => *value != Value::Bool(false),
        _ => !is_empty(value),
    });
    if is_answer && is_streamed.unwrap_or(true) {
        body.insert("stream".to_owned(), true.into());
    }
    if let Some(input) = body.get_mut("input")
        && input.is_string()
    {
        *input = Value::Array(vec![input.take()]);
    }
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        let mut open = Vec::new();
        messages
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(|message| normalise_message(message, &mut open));
    }
    body.into()
}

/// `open` are the tools of calls without a result yet.
fn normalise_message(message: &mut Map<String, Value>, open: &mut Vec<Value>) {
    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
        for call in calls.iter_mut().filter_map(Value::as_object_mut) {
            call.remove("type");
            let tool = call.get("function").and_then(|function| function.get("name"));
            open.extend(tool.cloned());
        }
    }
    if message.get("role").is_some_and(|role| role == "tool") {
        let named = message.get("tool_name").cloned();
        let at = open.iter().position(|tool| named.as_ref().is_none_or(|named| named == tool));
        let first = at.map(|at| open.remove(at));
        if let (None, Some(first)) = (named, first) {
            message.insert("tool_name".to_owned(), first);
        }
    }
    message.retain(|name, value| matches!(name.as_str(), "role" | "content") || !is_empty(value));
    message.entry("content").or_insert_with(|| "".into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let call = json!({ "function": { "name": "f", "arguments": {} } });
        let typed = json!({ "type": "function", "function": { "name": "f", "arguments": {} } });
        let plain = json!({ "model": "m", "messages": [
            { "role": "assistant", "content": "", "tool_calls": [call] },
            { "role": "tool", "content": "x", "tool_name": "f" },
        ] });
        let wordy = json!({
            "model": "m", "stream": true, "tools": [], "format": "", "options": {}, "keep_alive": null,
            "messages": [
                { "role": "assistant", "tool_calls": [typed], "images": [] },
                { "role": "tool", "content": "x" },
            ],
        });
        assert_eq!(normalise_ollama_request(plain.clone()), normalise_ollama_request(wordy));
        let mut whole = plain.clone();
        whole["stream"] = false.into();
        assert_ne!(normalise_ollama_request(whole), normalise_ollama_request(plain));
    }
}
