//! Requests of the Responses API in a form in which those that mean the same are equal.

use serde_json::{Map, Value, json};

use super::request::{is_empty, without_nulls};

/// Takes a body of `responses` to a form in which requests that mean the same are equal:
///
/// - `null` fields, `stream: false`, and empty `tools`, `include`, `text`, `reasoning` and `input` are left out;
/// - an `input` that is a text is one message of the user, and a leading system message of plain text is `instructions`
///   where something follows it;
/// - `type: message` and `status: completed` of items are left out: the first is what an item with a role is, the second is
///   told by the API, not to it; so are annotations that are empty, and log-probabilities; so is an answer that says nothing;
/// - a list with one plain text part is that text, and arguments that are no text at all are an empty object;
/// - `reasoning.encrypted_content` is left out of `include`, since clients that give reasoning back ask for it whatever
///   their callers do.
///
/// JSON schemas are left alone.
pub fn normalise_responses_request(body: Value) -> Value {
    let Value::Object(mut body) = without_nulls(body) else {
        return Value::Null;
    };
    if let Some(input) = body.get_mut("input") {
        if input.is_string() {
            *input = json!([{ "role": "user", "content": input.take() }]);
        }
        if let Some(items) = input.as_array_mut() {
            items.iter_mut().for_each(normalise_item);
            items.retain(|item| !says_nothing(item));
        }
    }
    leading_instructions(&mut body);
    if let Some(Value::Array(include)) = body.get_mut("include") {
        include.retain(|what| what != "reasoning.encrypted_content");
        include.sort_by_key(Value::to_string);
    }
    body.retain(|name, value| match name.as_str() {
        "stream" => *value != Value::Bool(false),
        "tools" | "include" | "text" | "reasoning" | "input" => !is_empty(value),
        _ => true,
    });
    Value::Object(body)
}

fn leading_instructions(body: &mut Map<String, Value>) {
    if body.contains_key("instructions") {
        return;
    }
    let Some(items) = body.get_mut("input").and_then(Value::as_array_mut) else {
        return;
    };
    let is_leading = items.len() > 1
        && items.first().is_some_and(|first| {
            first.get("role").is_some_and(|role| role == "system")
                && first.get("content").is_some_and(Value::is_string)
        });
    if is_leading {
        let mut first = items.remove(0);
        let text = first.get_mut("content").map(Value::take).unwrap_or_default();
        body.insert("instructions".into(), text);
    }
}

fn says_nothing(item: &Value) -> bool {
    item.get("role").is_some_and(|role| role == "assistant")
        && item.get("type").is_none()
        && item.get("content").is_some_and(is_empty)
}

fn normalise_item(item: &mut Value) {
    let Value::Object(item) = item else {
        return;
    };
    item.retain(|name, value| match name.as_str() {
        "type" => value != "message",
        "status" => value != "completed",
        _ => true,
    });
    for name in ["content", "output"] {
        if let Some(content) = item.get_mut(name) {
            normalise_content(content);
        }
    }
    if item.get("type").is_some_and(|kind| kind == "reasoning") {
        item.entry("summary").or_insert_with(|| json!([]));
    }
    if item.get("type").is_some_and(|kind| kind == "function_call") {
        let arguments = item.entry("arguments").or_insert_with(|| "".into());
        if is_empty(arguments) {
            *arguments = "{}".into();
        }
    }
}

fn normalise_content(content: &mut Value) {
    let Value::Array(parts) = content else {
        return;
    };
    for part in parts.iter_mut().filter_map(Value::as_object_mut) {
        part.retain(|name, value| match name.as_str() {
            "annotations" => !is_empty(value),
            "logprobs" => false,
            _ => true,
        });
    }
    let is_one_text = matches!(
        &parts[..],
        [Value::Object(part)] if part.len() == 2
            && part.get("type").is_some_and(|kind| kind == "input_text" || kind == "output_text")
    );
    if let (true, Some(text)) =
        (is_one_text, parts.first_mut().and_then(|part| part.get_mut("text")))
    {
        *content = text.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let plain = json!({
            "model": "m", "instructions": "a",
            "input": [{ "role": "user", "content": "b" }, { "role": "assistant", "content": "c" }],
        });
        let wordy = json!({
            "model": "m", "stream": false, "tools": [], "temperature": null,
            "include": ["reasoning.encrypted_content"],
            "input": [
                { "role": "system", "content": "a" },
                { "type": "message", "role": "user",
                  "content": [{ "type": "input_text", "text": "b" }] },
                { "type": "message", "role": "assistant", "status": "completed", "content": [
                    { "type": "output_text", "text": "c", "annotations": [], "logprobs": [] },
                ] },
            ],
        });
        assert_eq!(normalise_responses_request(plain), normalise_responses_request(wordy));
        assert_eq!(
            normalise_responses_request(json!({ "input": "b" })),
            json!({ "input": [{ "role": "user", "content": "b" }] }),
        );
    }
}
