//! What a model wrote as arguments, as what a tool can be called with.

use llm_core::{FinishReason, Tool, ToolCall};
use serde_json::{Map, Number, Value};

use super::repair::repair_json;

/// Arguments with more bytes than this are not read.
const MOST_BYTES: usize = 1 << 20;

/// How deep a schema is followed.
const MOST_DEPTH: usize = 16;

/// How many faults are told at once.
const MOST_FAULTS: usize = 5;

/// The arguments of a call: read tolerantly, held against the schema of the tool, and brought to its types where a
/// text plainly means one. `Err` says to the model what is wrong.
///
/// Schemas are followed as far as `type`, `required`, `properties`, `items`, `enum` and `additionalProperties: false`
/// go; what a schema says otherwise is left to the tool.
pub(super) fn arguments(
    call: &ToolCall,
    tool: &Tool,
    finish: FinishReason,
) -> Result<Value, String> {
    let read = read(&call.arguments, finish)?;
    let schema = match tool {
        Tool::Function { parameters: Some(schema), .. } => schema,
        _ => return Ok(read),
    };
    let mut check = Check { faults: Vec::new() };
    let fitted = check.fit(read, schema, &mut Vec::new());
    match check.faults.is_empty() {
        true => Ok(fitted),
        false => Err(format!("the arguments do not fit: {}", check.faults.join("; "))),
    }
}

fn read(text: &str, finish: FinishReason) -> Result<Value, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("the arguments are longer than {MOST_BYTES} bytes"));
    }
    if text.trim().is_empty() || text.trim() == "null" {
        return Ok(Value::Object(Map::new()));
    }
    // Brackets that are missing because the answer was cut must not be added: half a text would pass for the whole.
    let is_cut = finish == FinishReason::Length;
    if is_cut && serde_json::from_str::<Value>(text).is_err() {
        return Err("the arguments were cut off by the output limit; use shorter ones".into());
    }
    match repair_json(text) {
        Some(Value::String(inner)) => match repair_json(&inner) {
            Some(value @ Value::Object(_)) => Ok(value),
            _ => Err("the arguments must be a JSON object, not a text".into()),
        },
        Some(value @ Value::Object(_)) => Ok(value),
        Some(_) => Err("the arguments must be a JSON object".into()),
        None => Err("the arguments are no JSON; write one JSON object".into()),
    }
}

struct Check {
    faults: Vec<String>,
}

impl Check {
    /// The value as the schema wants it, as far as that is plain. Faults are noted with their place.
    fn fit(&mut self, value: Value, schema: &Value, path: &mut Vec<String>) -> Value {
        if path.len() >= MOST_DEPTH || self.faults.len() >= MOST_FAULTS {
            return value;
        }
        let types = Types::of(schema);
        let value = types.coerce(value);
        if !types.allow(&value) {
            self.fault(path, &format!("must be {}, not {}", types.names(), kind(&value)));
            return value;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
            if !allowed.contains(&value) {
                let allowed: Vec<_> = allowed.iter().take(20).map(Value::to_string).collect();
                self.fault(path, &format!("must be one of {}", allowed.join(", ")));
            }
            return value;
        }
        match value {
            Value::Object(fields) => Value::Object(self.fields(fields, schema, path)),
            Value::Array(items) => Value::Array(self.items(items, schema, path)),
            value => value,
        }
    }

    fn fields(
        &mut self,
        fields: Map<String, Value>,
        schema: &Value,
        path: &mut Vec<String>,
    ) -> Map<String, Value> {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
        let mut fitted = Map::new();
        for (name, value) in fields {
            let Some(property) = properties.get(&name) else {
                if is_closed {
                    let known: Vec<_> = properties.keys().map(|name| format!("`{name}`")).collect();
                    self.fault(path, &format!("has no `{name}`; it has {}", known.join(", ")));
                }
                fitted.insert(name, value);
                continue;
            };
            // Python's way to leave a parameter out.
            if value.is_null() && !is_required(&name) && !Types::of(property).allow(&value) {
                continue;
            }
            path.push(name.clone());
            fitted.insert(name, self.fit(value, property, path));
            path.pop();
        }
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fitted.contains_key(name) {
                self.fault(path, &format!("lacks `{name}`"));
            }
        }
        fitted
    }

    fn items(&mut self, items: Vec<Value>, schema: &Value, path: &mut Vec<String>) -> Vec<Value> {
        let Some(item) = schema.get("items").filter(|item| item.is_object()) else { return items };
        let mut fitted = Vec::with_capacity(items.len());
        for (at, value) in items.into_iter().enumerate() {
            path.push(at.to_string());
            fitted.push(self.fit(value, item, path));
            path.pop();
        }
        fitted
    }

    fn fault(&mut self, path: &[String], what: &str) {
        if self.faults.len() >= MOST_FAULTS {
            return;
        }
        let place = match path {
            [] => "the object".to_owned(),
            path => format!("`{}`", path.join(".")),
        };
        self.faults.push(format!("{place} {what}"));
    }
}

/// The types that a schema names; none named allows all.
struct Types<'a>(Vec<&'a str>);

impl<'a> Types<'a> {
    fn of(schema: &'a Value) -> Self {
        match schema.get("type") {
            Some(Value::String(name)) => Self(vec![name]),
            Some(Value::Array(names)) => Self(names.iter().filter_map(Value::as_str).collect()),
            _ => Self(Vec::new()),
        }
    }

    fn allow(&self, value: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|name| is_of(value, name))
    }

    /// What the value plainly means in one of the types, if it is of none.
    fn coerce(&self, value: Value) -> Value {
        if self.allow(&value) {
            return value;
        }
        let meant = self.0.iter().find_map(|name| meant(&value, name));
        meant.unwrap_or(value)
    }

    fn names(&self) -> String {
        self.0.join(" or ")
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        // A type that is not known here is left to the tool.
        _ => true,
    }
}

fn meant(value: &Value, name: &str) -> Option<Value> {
    match (name, value) {
        ("integer", Value::Number(number)) => whole(number).map(Value::Number),
        ("integer" | "number", Value::String(text)) => {
            let number: Number = serde_json::from_str(text.trim()).ok()?;
            let number = if name == "integer" { whole(&number)? } else { number };
            Some(Value::Number(number))
        }
        ("boolean", Value::String(text)) => match text.trim() {
            "true" | "True" => Some(Value::Bool(true)),
            "false" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        ("string", Value::Number(_) | Value::Bool(_)) => Some(Value::String(value.to_string())),
        ("array" | "object", Value::String(text)) => {
            repair_json(text).filter(|inner| is_of(inner, name))
        }
        _ => None,
    }
}

/// The number without a fraction of zero; `None` when it has another.
fn whole(number: &Number) -> Option<Number> {
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    // Beyond 2^53 not every whole number is a `f64`, so nobody can say what was meant.
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
    Some(Number::from(float as i64))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, finish: FinishReason) -> Result<Value, String> {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": { "type": "string" },
                "days": { "type": "integer" },
                "share": { "type": ["number", "null"] },
                "metric": { "type": "boolean" },
                "unit": { "enum": ["C", "F"] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "near": { "type": "object", "properties": { "lat": { "type": "number" } }, "required": ["lat"] },
                "any": {},
            },
            "required": ["city"],
            "additionalProperties": false,
        });
        let tool = Tool::function("weather", "Tells the weather.", schema);
        let call = ToolCall { arguments: text.into(), ..ToolCall::default() };
        arguments(&call, &tool, finish)
    }

    #[test]
    fn arguments_come_as_the_schema_wants_them() {
        for (text, expected) in [
            (r#"{"city": "Rome", "days": 5}"#, json!({ "city": "Rome", "days": 5 })),
            (r#"{"city": "Rome", "days": "5"}"#, json!({ "city": "Rome", "days": 5 })),
            (r#"{"city": "Rome", "days": 5.0}"#, json!({ "city": "Rome", "days": 5 })),
            (r#"{"city": "5", "any": "5"}"#, json!({ "city": "5", "any": "5" })),
            (r#"{"city": 5}"#, json!({ "city": "5" })),
            (r#"{"city": "x", "metric": "True"}"#, json!({ "city": "x", "metric": true })),
            (
                r#"{"city": "x", "share": null, "days": null}"#,
                json!({ "city": "x", "share": null }),
            ),
            (r#"{"city": "x", "tags": "['a', 'b']"}"#, json!({ "city": "x", "tags": ["a", "b"] })),
            (
                r#"{"city": "x", "near": {"lat": "1.5"}}"#,
                json!({ "city": "x", "near": { "lat": 1.5 } }),
            ),
            (r#""{\"city\": \"Rome\"}""#, json!({ "city": "Rome" })),
            ("```json\n{'city': 'Rome',}\n```", json!({ "city": "Rome" })),
            (r#"{"city": "x", "unit": "C"}"#, json!({ "city": "x", "unit": "C" })),
        ] {
            assert_eq!(check(text, FinishReason::ToolCalls), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (text, expected) in [
            ("", "the object lacks `city`"),
            ("{}", "the object lacks `city`"),
            (r#"{"city": null}"#, "`city` must be string, not null"),
            (r#"{"city": "x", "days": "five"}"#, "`days` must be integer, not string"),
            (r#"{"city": "x", "days": 5.5}"#, "`days` must be integer, not number"),
            (r#"{"city": "x", "unit": "K"}"#, "`unit` must be one of \"C\", \"F\""),
            (r#"{"city": "x", "tags": ["a", {}]}"#, "`tags.1` must be string, not object"),
            (r#"{"city": "x", "near": {}}"#, "`near` lacks `lat`"),
            (r#"{"city": "x", "town": 1}"#, "the object has no `town`; it has `city`, "),
            ("[1]", "must be a JSON object"),
            ("\"Rome\"", "must be a JSON object, not a text"),
            ("weather in Rome", "are no JSON"),
        ] {
            let fault = check(text, FinishReason::ToolCalls).unwrap_err();
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn half_a_text_is_not_taken_for_the_whole() {
        let half = r#"{"city": "Ro"#;
        assert!(check(half, FinishReason::ToolCalls).is_ok());
        assert!(check(half, FinishReason::Length).unwrap_err().contains("cut off"));
        assert!(check(r#"{"city": "Rome"}"#, FinishReason::Length).is_ok());
    }
}
