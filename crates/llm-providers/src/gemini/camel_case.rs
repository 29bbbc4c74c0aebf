//! One spelling of field names: Gemini takes `generationConfig` and `generation_config` alike.

use serde_json::{Map, Value};

/// Fields whose content belongs to callers or models: names below them mean what they say.
const FREE: [&str; 9] = [
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
    "responseMetadata",
    "labels",
    "metadata",
];

/// Writes every field name of the dialect in camel case. Objects that belong to callers are left alone.
pub(super) fn camel_case(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let name = camel_case_name(name);
                    let is_free = FREE.contains(&name.as_str());
                    let value = if is_free { value } else { camel_case(value) };
                    (name, value)
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => items.into_iter().map(camel_case).collect(),
        other => other,
    }
}

fn camel_case_name(name: String) -> String {
    if !name.contains('_') {
        return name;
    }
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_callers_stay() {
        let body = json!({
            "system_instruction": { "parts": [{ "function_call": { "args": { "a_b": 1 } } }] },
            "generationConfig": { "response_schema": { "max_items": 1 } },
        });
        let expected = json!({
            "systemInstruction": { "parts": [{ "functionCall": { "args": { "a_b": 1 } } }] },
            "generationConfig": { "responseSchema": { "max_items": 1 } },
        });
        assert_eq!(camel_case(body), expected);
    }
}
