//! Gemini's own schemas (a part of OpenAPI 3.0) as JSON schemas.

use serde_json::{Map, Value, json};

/// Names that only Gemini's protocol buffers write with underscores.
const RENAMED: [(&str, &str); 9] = [
    ("any_of", "anyOf"),
    ("min_items", "minItems"),
    ("max_items", "maxItems"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
    ("min_properties", "minProperties"),
    ("max_properties", "maxProperties"),
    ("property_ordering", "propertyOrdering"),
    ("additional_properties", "additionalProperties"),
];

/// Counts, which JSON's form of a 64-bit integer writes as texts.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// Writes a schema of `parameters` or `responseSchema` as the JSON schema with the same meaning: types in lower case,
/// `nullable` as a second type, counts as numbers. What is the same in both stays as it is.
pub(super) fn to_json_schema(schema: Value) -> Value {
    let Value::Object(fields) = schema else {
        return schema;
    };
    let mut converted = Map::new();
    let mut is_nullable = false;
    for (name, value) in fields {
        let known = RENAMED.iter().find(|(from, _)| *from == name);
        let name = known.map_or(name, |(_, to)| (*to).to_owned());
        let value = match (name.as_str(), value) {
            ("nullable", Value::Bool(nullable)) => {
                is_nullable = nullable;
                continue;
            }
            ("type", Value::String(kind)) => kind.to_ascii_lowercase().into(),
            ("properties" | "$defs" | "defs", Value::Object(schemas)) => {
                let schemas =
                    schemas.into_iter().map(|(name, schema)| (name, to_json_schema(schema)));
                Value::Object(schemas.collect())
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.into_iter().map(to_json_schema).collect()
            }
            ("items" | "additionalProperties", schema) => to_json_schema(schema),
            (name, Value::String(count)) if COUNTS.contains(&name) => {
                count.parse::<u64>().map_or(Value::String(count), Value::from)
            }
            (_, value) => value,
        };
        converted.insert(name, value);
    }
    if is_nullable {
        allow_null(&mut converted);
    }
    Value::Object(converted)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get_mut("type").filter(|kind| kind.is_string()) {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
    } else if let Some(Value::Array(kinds)) = schema.get_mut("anyOf") {
        kinds.push(json!({ "type": "null" }));
    }
    // Of an enumeration, null has to be a value, too.
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_gemini_schemas() {
        let schema = json!({
            "type": "OBJECT",
            "properties": {
                "type": { "type": "STRING", "nullable": true, "enum": ["a"] },
                "either": { "any_of": [{ "type": "STRING" }], "nullable": true },
                "list": { "type": "ARRAY", "min_items": "1", "items": { "type": "NUMBER" } },
            },
            "required": ["list"],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "type": { "type": ["string", "null"], "enum": ["a", null] },
                "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
                "list": { "type": "array", "minItems": 1, "items": { "type": "number" } },
            },
            "required": ["list"],
        });
        assert_eq!(to_json_schema(schema), expected);
    }
}
