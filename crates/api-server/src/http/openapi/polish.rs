//! Puts right what is made from code and read by others.

use serde_json::{Map, Value, json};

/// Puts right, all over the document, what is made from code: links that only Rust's documentation has, line breaks
/// within paragraphs, and numbers without a sign that have no upper end.
pub(super) fn polish(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(polish),
        Value::Object(object) => {
            bound(object);
            complete_tuple(object);
            for (name, value) in object.iter_mut() {
                match value {
                    Value::String(text) if name == "description" => *text = plain(text),
                    Value::String(text) if name == "summary" => {
                        *text = plain(text).trim_end_matches('.').to_owned();
                    }
                    other => polish(other),
                }
            }
        }
        _ => {}
    }
}

/// Whole numbers are those of a type that ends somewhere.
fn bound(schema: &mut Map<String, Value>) {
    let kind = schema.get("type");
    let is_whole = kind.is_some_and(|kind| {
        kind == "integer" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("integer")))
    });
    if !is_whole {
        return;
    }
    let is_narrow = schema.get("format").is_some_and(|format| format == "int32");
    let has_sign = !schema.contains_key("minimum");
    let (least, most) = match (is_narrow, has_sign) {
        (true, true) => (json!(i32::MIN), json!(i32::MAX)),
        (true, false) => (json!(0), json!(u32::MAX)),
        (false, true) => (json!(i64::MIN), json!(i64::MAX)),
        (false, false) => (json!(0), json!(u64::MAX)),
    };
    schema.entry("minimum").or_insert(least);
    schema.entry("maximum").or_insert(most);
    schema.shift_remove("format");
}

/// A tuple has all of its items.
fn complete_tuple(schema: &mut Map<String, Value>) {
    if let Some(count) = schema.get("prefixItems").and_then(Value::as_array).map(Vec::len) {
        schema.insert("minItems".into(), json!(count));
        schema.insert("maxItems".into(), json!(count));
    }
}

/// Types of which providers have more than are described: they go on as they are.
const OPEN: [&str; 8] = [
    "Block",
    "ChatTool",
    "ContentPart",
    "InputItem",
    "InputPart",
    "ResponseFormat",
    "ResponseTool",
    "TextFormat",
];

/// Lets [`OPEN`] types be others than those that are described.
pub(super) fn open_up(schemas: &mut Value) {
    for name in OPEN {
        let Some(Value::Array(mut known)) =
            schemas[name]["oneOf"].as_array_mut().map(|known| Value::Array(std::mem::take(known)))
        else {
            continue;
        };
        let words: Vec<Value> = known.iter().flat_map(|part| words(part, schemas)).collect();
        known.push(json!({
            "type": "object",
            "description": "What one provider has; it goes on as it is.",
            "required": ["type"],
            "properties": { "type": { "type": "string", "not": { "enum": words } } },
        }));
        if let Some(schema) = schemas[name].as_object_mut() {
            schema.insert("oneOf".into(), Value::Array(known));
        }
    }
}

/// The values that `type` may have in this schema.
fn words(schema: &Value, schemas: &Value) -> Vec<Value> {
    let resolved = |schema: &Value| {
        let name = schema["$ref"].as_str().and_then(|text| text.rsplit('/').next());
        name.map_or_else(|| schema.clone(), |name| schemas[name].clone())
    };
    let parts = resolved(schema);
    let parts = parts["allOf"].as_array().cloned().unwrap_or_else(|| vec![parts.clone()]);
    let kinds = parts.iter().map(|part| resolved(&resolved(part)["properties"]["type"]));
    kinds.flat_map(|kind| kind["enum"].as_array().cloned().unwrap_or_default()).collect()
}

/// Text as it reads without Rust: ``[`Name`](path)`` is `Name`, and a paragraph is one line.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        plain.push_str(&rest[..at]);
        let Some((label, after)) = rest[at + 1..].split_once(']') else { break };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let code = target.filter(|(target, _)| target.contains("::"));
        rest = match (code, label.starts_with('`')) {
            (Some((_, after)), _) => {
                plain.push_str(label);
                after
            }
            (None, true) => {
                plain.push_str(label);
                after
            }
            (None, false) => {
                plain.push('[');
                &rest[at + 1..]
            }
        };
    }
    plain.push_str(rest);
    let paragraphs = plain.split("\n\n").map(|paragraph| match paragraph.starts_with(['-', '|']) {
        true => paragraph.to_owned(),
        false => paragraph.split_whitespace().collect::<Vec<_>>().join(" "),
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_code_reads_without_code() {
        let text = "Not [`Equal`](Self::Equal),\n as [`Limits`] has it.\n\n- a\n- b";
        assert_eq!(plain(text), "Not `Equal`, as `Limits` has it.\n\n- a\n- b");
        assert_eq!(plain("its [patience](crate::P) [1] [a](b)"), "its patience [1] [a](b)");
    }
}
