//! Requests against a recording: equal in meaning, not in bytes.

use llm_core::Warning;
use serde_json::{Map, Value};

use crate::{Exchange, SeenRequest};

/// How the request that was sent differs from the recorded one: method, path, and the body after `normalise`. Fields that
/// the client announced as left out (`warnings`) are left out of the recorded body, too.
pub fn compare_requests(
    exchange: &Exchange,
    sent: &SeenRequest,
    warnings: &[Warning],
    normalise: impl Fn(Value) -> Value,
) -> Vec<String> {
    let mut differences = Vec::new();
    let recorded = &exchange.request;
    if sent.method.as_str() != recorded.method {
        differences.push(format!("method: {}, not {}", sent.method, recorded.method));
    }
    let path = path_of(&recorded.url);
    if sent.path != path {
        differences.push(format!("path: {}, not {path}", sent.path));
    }
    if let (Some(version), Some(found)) = (api_version(&recorded.url), api_version(&sent.query))
        && version != found
    {
        differences.push(format!("api-version: {found}, not {version}"));
    }
    if let Some(body) = &recorded.body {
        let mut expected = normalise(body.clone());
        let mut found = normalise(sent.json());
        for warning in warnings {
            if let Some(param) = &warning.param {
                remove(&mut expected, param);
                remove(&mut found, param);
            }
        }
        describe("body", &found, &expected, &mut differences);
    }
    differences
}

/// Takes a body of `chat/completions` to a form in which requests that mean the same are equal:
///
/// - `null` fields, empty `tools`, `tool_calls` and `logit_bias`, and `stream: false` are left out;
/// - `max_tokens` and `max_completion_tokens` are one field, as are `seed` and `random_seed`, and `reasoning_effort` and
///   `reasoning.effort`;
/// - a list with one stop text, or one plain text part, is that text; an `image_url` may be a bare string;
/// - `stream_options.include_usage` is left out, since clients ask for usage whatever their callers do;
/// - a tool without a type is a function;
/// - the roles `system` and `developer`, and the tool choices `required` and `any`, are the same;
/// - an assistant's empty content is none, and its reasoning is the same under `reasoning` and `reasoning_content`, and
///   besides `reasoning_details` repeats those.
///
/// JSON schemas are left alone.
pub fn normalise_chat_request(body: Value) -> Value {
    let Value::Object(mut body) = without_nulls(body) else {
        return Value::Null;
    };
    rename(&mut body, "max_completion_tokens", "max_tokens");
    rename(&mut body, "random_seed", "seed");
    if let Some(Value::Object(mut reasoning)) = body.remove("reasoning") {
        if let Some(effort) = reasoning.remove("effort") {
            body.insert("reasoning_effort".into(), effort);
        }
        if !reasoning.is_empty() {
            body.insert("reasoning".into(), reasoning.into());
        }
    }
    if let Some(Value::Object(options)) = body.get_mut("stream_options") {
        options.remove("include_usage");
    }
    if let Some(stop) = body.get_mut("stop") {
        unwrap_single(stop);
    }
    if body.get("tool_choice").is_some_and(|choice| choice == "any") {
        body.insert("tool_choice".into(), "required".into());
    }
    body.retain(|name, value| match name.as_str() {
        "stream" => *value != Value::Bool(false),
        "tools" | "logit_bias" | "stream_options" | "stop" => !is_empty(value),
        _ => true,
    });
    if let Some(Value::Array(tools)) = body.get_mut("tools") {
        tools.iter_mut().filter_map(Value::as_object_mut).for_each(|tool| {
            tool.entry("type").or_insert_with(|| "function".into());
        });
    }
    if let Some(Value::Array(messages)) = body.get_mut("messages") {
        messages.iter_mut().for_each(normalise_message);
    }
    Value::Object(body)
}

fn normalise_message(message: &mut Value) {
    let Value::Object(message) = message else {
        return;
    };
    if message.get("role").is_some_and(|role| role == "developer") {
        message.insert("role".into(), "system".into());
    }
    if let Some(Value::Array(parts)) = message.get_mut("content") {
        parts.iter_mut().for_each(normalise_part);
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
    rename(message, "reasoning_content", "reasoning");
    if message.contains_key("reasoning_details") {
        message.remove("reasoning");
    }
    let is_assistant = message.get("role").is_some_and(|role| role == "assistant");
    message.retain(|name, value| match name.as_str() {
        "tool_calls" => !is_empty(value),
        "content" => !(is_assistant && is_empty(value)),
        _ => true,
    });
}

fn normalise_part(part: &mut Value) {
    if let Some(image) = part.get_mut("image_url")
        && image.is_string()
    {
        let url = image.take();
        *image = serde_json::json!({ "url": url });
    }
}

pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let is_schema = matches!(name.as_str(), "parameters" | "schema");
                let value = if is_schema { value } else { without_nulls(value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

fn unwrap_single(value: &mut Value) {
    if let Value::Array(items) = value
        && let [item] = &mut items[..]
    {
        *value = item.take();
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

/// Removes a field that was left out: at the top, one level below (`reasoning.summary`), or everywhere for names of parts.
fn remove(body: &mut Value, param: &str) {
    let (outer, inner) = param.split_once('.').unwrap_or((param, ""));
    match body.get_mut(outer).filter(|_| !inner.is_empty()) {
        Some(Value::Object(fields)) => {
            fields.remove(inner);
            if fields.is_empty() {
                remove(body, outer);
            }
        }
        _ => {
            if let Some(fields) = body.as_object_mut() {
                fields.remove(param);
            }
        }
    }
    if param == "cache_control" {
        remove_everywhere(body, param);
    }
}

fn remove_everywhere(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(name);
            fields.values_mut().for_each(|value| remove_everywhere(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove_everywhere(item, name)),
        _ => {}
    }
}

/// The path of a URL, without its query.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// The value of `api-version` in a query.
fn api_version(url: &str) -> Option<&str> {
    let (_, value) = url.split_once("api-version=")?;
    value.split('&').next()
}

/// Lists where two values differ. Numbers are equal when they are in value.
fn describe(path: &str, found: &Value, expected: &Value, differences: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                let (a, b) = (a.get(name), b.get(name));
                let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
                describe(&format!("{path}.{name}"), a, b, differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                describe(&format!("{path}[{at}]"), a, b, differences);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        (a, b) => differences.push(format!("{path}: {}, not {}", brief(a), brief(b))),
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let plain = json!({
            "model": "m", "max_tokens": 5, "stop": "x",
            "messages": [{ "role": "system", "content": "a" }, { "role": "assistant" }],
        });
        let wordy = json!({
            "model": "m", "max_completion_tokens": 5, "stop": ["x"], "stream": false,
            "temperature": null, "tools": [], "stream_options": { "include_usage": true },
            "messages": [
                { "role": "developer", "content": [{ "type": "text", "text": "a" }] },
                { "role": "assistant", "content": "", "tool_calls": [] },
            ],
        });
        assert_eq!(normalise_chat_request(plain), normalise_chat_request(wordy));
    }

    #[test]
    fn differences_are_told_by_their_place() {
        let mut differences = Vec::new();
        let (found, expected) = (json!({ "a": [1, 2] }), json!({ "a": [1.0, 3], "b": true }));
        describe("body", &found, &expected, &mut differences);
        assert_eq!(differences, ["body.a[1]: 2, not 3", "body.b: null, not true"]);
    }

    #[test]
    fn paths_end_before_the_query() {
        assert_eq!(path_of("https://a.example/v1/x?key=1"), "/v1/x");
        assert_eq!(path_of("https://a.example"), "/");
    }
}
