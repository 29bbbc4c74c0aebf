//! Requests of Gemini's dialect in a form in which those that mean the same are equal.

use serde_json::{Map, Value, json};

/// Fields whose content belongs to callers: names and `null`s below them are theirs.
const FREE: [&str; 6] =
    ["args", "response", "labels", "parametersJsonSchema", "responseJsonSchema", "metadata"];

/// Takes a body of `generateContent` to a form in which requests that mean the same are equal:
///
/// - field names are in camel case; `null` fields, and `toolConfig`, `generationConfig` and `tools` without content are
///   left out;
/// - schemas of Gemini's own kind are JSON schemas (types in lower case, `nullable` as a second type, names in camel case);
/// - functions are declared together, before the other tools, which have an entry each;
/// - contents of one role that follow each other are one, and any role but the model's is the user's; the instruction's
///   role means nothing; contents without parts are left out;
/// - `thought: false` is left out, one content, tool or part may stand without its array, and a call without arguments has none;
/// - levels of thinking are in lower case.
///
/// Arguments, results, and JSON schemas are left alone.
pub fn normalise_gemini_request(body: Value) -> Value {
    let Value::Object(mut body) = plain(body) else {
        return Value::Null;
    };
    if let Some(Value::Object(instruction)) = body.get_mut("systemInstruction") {
        instruction.remove("role");
        normalise_parts(instruction);
    }
    if let Some(contents) = body.get_mut("contents") {
        *contents = join_contents(list(contents.take())).into();
    }
    if let Some(tools) = body.get_mut("tools") {
        *tools = join_tools(list(tools.take())).into();
    }
    if let Some(Value::Object(config)) = body.get_mut("generationConfig") {
        as_json_schema(config, "responseSchema", "responseJsonSchema");
        let level =
            config.get_mut("thinkingConfig").and_then(|config| config.get_mut("thinkingLevel"));
        if let Some(Value::String(level)) = level {
            level.make_ascii_lowercase();
        }
    }
    body.retain(|name, value| match name.as_str() {
        "toolConfig" | "generationConfig" => {
            value.as_object().is_none_or(|fields| !fields.is_empty())
        }
        "tools" => value.as_array().is_none_or(|tools| !tools.is_empty()),
        _ => true,
    });
    Value::Object(body)
}

/// Camel case, without `null`s.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| {
                let name = camel_case(&name);
                let is_schema = matches!(name.as_str(), "parameters" | "responseSchema");
                let is_free = is_schema || FREE.contains(&name.as_str());
                (name, if is_free { value } else { plain(value) })
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_after_underscore = false;
    for letter in name.chars() {
        match (letter, is_after_underscore) {
            ('_', _) => is_after_underscore = true,
            (letter, true) => {
                camel.push(letter.to_ascii_uppercase());
                is_after_underscore = false;
            }
            (letter, false) => camel.push(letter),
        }
    }
    camel
}

/// One value may stand without its array.
fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

fn join_contents(contents: Vec<Value>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for content in contents {
        let Value::Object(mut content) = content else {
            joined.push(content);
            continue;
        };
        let role =
            if content.get("role").is_some_and(|role| role == "model") { "model" } else { "user" };
        content.insert("role".into(), role.into());
        normalise_parts(&mut content);
        let before = joined.last_mut().filter(|before| before["role"] == role);
        let parts = before.and_then(|before| before.get_mut("parts")?.as_array_mut());
        match (parts, content.get_mut("parts").map(Value::take)) {
            (Some(parts), Some(Value::Array(more))) => parts.extend(more),
            (None, Some(Value::Array(parts))) if !parts.is_empty() => {
                content.insert("parts".into(), parts.into());
                joined.push(Value::Object(content));
            }
            _ => {}
        }
    }
    joined
}

fn normalise_parts(content: &mut Map<String, Value>) {
    if let Some(parts) = content.get_mut("parts")
        && parts.is_object()
    {
        *parts = json!([parts.take()]);
    }
    let parts = content.get_mut("parts").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten().filter_map(Value::as_object_mut) {
        if part.get("thought") == Some(&Value::Bool(false)) {
            part.remove("thought");
        }
        if let Some(Value::Object(call)) = part.get_mut("functionCall") {
            call.entry("args").or_insert_with(|| json!({}));
        }
    }
}

fn join_tools(tools: Vec<Value>) -> Vec<Value> {
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    for (name, value) in tools.into_iter().filter_map(entries).flatten() {
        match (name.as_str(), value) {
            ("functionDeclarations", Value::Array(declared)) => functions.extend(declared),
            (_, value) => others.push(json!({ name: value })),
        }
    }
    for function in functions.iter_mut().filter_map(Value::as_object_mut) {
        as_json_schema(function, "parameters", "parametersJsonSchema");
    }
    let declared = (!functions.is_empty()).then(|| json!({ "functionDeclarations": functions }));
    declared.into_iter().chain(others).collect()
}

fn entries(tool: Value) -> Option<Map<String, Value>> {
    match tool {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn as_json_schema(fields: &mut Map<String, Value>, own: &str, json_schema: &str) {
    if let Some(mut schema) = fields.remove(own) {
        normalise_schema(&mut schema);
        fields.insert(json_schema.into(), schema);
    }
}

fn normalise_schema(schema: &mut Value) {
    const NAMES: [&str; 9] = [
        "anyOf",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "propertyOrdering",
        "additionalProperties",
    ];
    match schema {
        Value::Object(fields) => {
            for name in fields.keys().cloned().collect::<Vec<_>>() {
                let camel = camel_case(&name);
                let known = NAMES.contains(&&*camel).then(|| fields.remove(&name)).flatten();
                if let Some(value) = known {
                    let count = value.as_str().and_then(|count| count.parse::<u64>().ok());
                    fields.insert(camel, count.map_or(value, Value::from));
                }
            }
            if let Some(Value::String(kind)) = fields.get_mut("type") {
                kind.make_ascii_lowercase();
            }
            if let Some(Value::Bool(is_nullable)) = fields.get("nullable").cloned() {
                fields.remove("nullable");
                if is_nullable {
                    allow_null(fields);
                }
            }
            fields.values_mut().for_each(normalise_schema);
        }
        Value::Array(items) => items.iter_mut().for_each(normalise_schema),
        _ => {}
    }
}

fn allow_null(fields: &mut Map<String, Value>) {
    if let Some(kind) = fields.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    } else if let Some(Value::Array(kinds)) = fields.get_mut("anyOf") {
        kinds.push(json!({ "type": "null" }));
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_mean_the_same_are_equal() {
        let plain = json!({
            "systemInstruction": { "parts": [{ "text": "a" }] },
            "contents": [{ "role": "user", "parts": [{ "text": "b" }, { "text": "c" }] }],
            "tools": [
                { "functionDeclarations": [
                    { "name": "f", "parametersJsonSchema": { "type": "object", "x_y": null } },
                    { "name": "g" },
                ] },
                { "googleSearch": {} },
            ],
        });
        let wordy = json!({
            "system_instruction": { "role": "user", "parts": { "text": "a", "thought": false } },
            "contents": [{ "parts": [{ "text": "b" }] }, { "role": "function", "parts": [{ "text": "c" }] }],
            "tools": [
                { "google_search": {}, "functionDeclarations": [
                    { "name": "f", "parameters": { "type": "OBJECT", "x_y": null } },
                ] },
                { "functionDeclarations": [{ "name": "g" }], "codeExecution": null },
            ],
            "toolConfig": null, "generationConfig": {},
        });
        assert_eq!(normalise_gemini_request(plain), normalise_gemini_request(wordy));
    }
}
