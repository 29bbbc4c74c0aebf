//! Tools of v1: `parameter_definitions` with Python's types, where everybody else has JSON schemas.

use llm_core::{Extra, ModelError, Tool};
use serde_json::{Map, Value, json};

use crate::cohere::DIALECT;
use crate::notes::Notes;
use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// JSON's types and Python's.
const TYPES: [(&str, &str); 6] = [
    ("string", "str"),
    ("integer", "int"),
    ("number", "float"),
    ("boolean", "bool"),
    ("array", "list"),
    ("object", "dict"),
];

pub(super) fn render_tools(tools: Vec<Tool>, notes: &mut Notes) -> Result<Vec<Value>, ModelError> {
    let mut rendered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                if strict == Some(true) {
                    notes.dropped_parameter("strict_tools")?;
                }
                if cache.is_some() {
                    notes.dropped_parameter("cache_control")?;
                }
                let (definitions, is_whole) = definitions(parameters.as_ref());
                if !is_whole {
                    let message = "parameters of tools have plain types; schemas go no deeper here";
                    notes.translated_parameter("tools", message);
                }
                let mut tool = Map::from_iter([("name".to_owned(), Value::from(name))]);
                // It is required.
                tool.insert("description".into(), description.unwrap_or_default().into());
                if !definitions.is_empty() {
                    tool.insert("parameter_definitions".into(), definitions.into());
                }
                tool.extend(extra);
                rendered.push(tool.into());
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => rendered.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
    }
    Ok(rendered)
}

/// The parameters of a schema, and whether they say all that it does.
fn definitions(schema: Option<&Value>) -> (Map<String, Value>, bool) {
    let Some(properties) = schema.and_then(|schema| schema.get("properties")?.as_object()) else {
        return (Map::new(), true);
    };
    let required = schema.and_then(|schema| schema.get("required")?.as_array());
    let is_required = |name: &str| {
        required.is_some_and(|required| required.iter().any(|required| required == name))
    };
    let mut is_whole = true;
    let definitions = properties
        .iter()
        .map(|(name, property)| {
            let (kind, all_said) = python_type(property);
            is_whole &= all_said;
            let mut definition = Map::new();
            if let Some(description) = property.get("description").filter(|text| text.is_string()) {
                definition.insert("description".into(), description.clone());
            }
            definition.insert("type".into(), kind.into());
            definition.insert("required".into(), is_required(name).into());
            (name.clone(), definition.into())
        })
        .collect();
    (definitions, is_whole)
}

/// Python's name of a property's type, and whether it says all that the schema does.
fn python_type(property: &Value) -> (String, bool) {
    let name = |schema: &Value| {
        let word = schema.get("type")?.as_str()?;
        let known = TYPES.iter().find(|(json, _)| *json == word);
        Some(known.map_or(word, |(_, python)| python).to_owned())
    };
    let is_plain = |schema: &Value, more: &str| {
        schema.as_object().is_some_and(|fields| {
            let told = |key: &String| {
                matches!(key.as_str(), "type" | "description" | "title") || key == more
            };
            fields.keys().all(told)
        })
    };
    let item = property.get("items");
    match (name(property), item.and_then(name)) {
        (Some(kind), Some(item_kind)) if kind == "list" => {
            let is_whole = is_plain(property, "items") && item.is_some_and(|i| is_plain(i, ""));
            (format!("List[{item_kind}]"), is_whole)
        }
        (Some(kind), None) => (kind, is_plain(property, "")),
        (kind, _) => (kind.unwrap_or_else(|| "str".to_owned()), false),
    }
}

pub(super) fn parse_tool(tool: Value, path: &str) -> Result<Tool, RequestError> {
    let mut fields = Fields::of(tool, path)?;
    let definitions: Map<String, Value> =
        fields.optional("parameter_definitions")?.unwrap_or_default();
    let mut required: Vec<String> = Vec::new();
    let mut properties = Map::new();
    for (name, definition) in definitions {
        let kind = definition.get("type").and_then(Value::as_str).unwrap_or_default();
        let mut property = json_type(kind);
        if let Some(description) = definition.get("description").filter(|text| text.is_string()) {
            property.insert("description".into(), description.clone());
        }
        if definition.get("required") == Some(&Value::Bool(true)) {
            required.push(name.clone());
        }
        properties.insert(name, property.into());
    }
    let parameters = (!properties.is_empty())
        .then(|| json!({ "type": "object", "properties": properties, "required": required }));
    let description: Option<String> = fields.optional("description")?;
    Ok(Tool::Function {
        name: fields.required("name")?,
        description: description.filter(|text| !text.is_empty()),
        parameters,
        strict: None,
        cache: None,
        extra: fields.rest(),
    })
}

/// The schema of a type of Python: `List[str]` is an array of strings. A type that is not known stays as it is.
fn json_type(kind: &str) -> Extra {
    let plain = |word: &str| {
        let known = TYPES.iter().find(|(json, python)| *python == word || *json == word);
        Extra::from_iter([("type".to_owned(), known.map_or(word, |(json, _)| json).into())])
    };
    let of_items = kind
        .strip_prefix("List[")
        .or_else(|| kind.strip_prefix("list["))
        .and_then(|rest| rest.strip_suffix(']'));
    match of_items {
        Some(item) => {
            let mut schema = plain("list");
            schema.insert("items".into(), plain(item).into());
            schema
        }
        None if kind.starts_with("Dict") => plain("dict"),
        None if kind == "List" => plain("list"),
        None => plain(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_change_their_language_and_come_back() {
        let tool = json!({
            "name": "find", "description": "Finds.",
            "parameter_definitions": {
                "what": { "description": "What?", "type": "str", "required": true },
                "most": { "type": "int", "required": false },
                "tags": { "type": "List[str]", "required": false },
                "how": { "type": "dict", "required": false },
            },
        });
        let parsed = parse_tool(tool.clone(), "tools[0]").unwrap();
        let Tool::Function { parameters: Some(schema), .. } = &parsed else {
            panic!("{parsed:?}");
        };
        assert_eq!(schema["properties"]["tags"]["items"]["type"], "string");
        assert_eq!(schema["required"], json!(["what"]));
        let mut notes = Notes::new(Default::default());
        assert_eq!(render_tools(vec![parsed], &mut notes).unwrap(), [tool]);
        assert!(notes.into_warnings().is_empty());
    }

    #[test]
    fn what_a_type_cannot_say_is_told() {
        let schema = json!({ "type": "object", "properties": {
            "unit": { "type": "string", "enum": ["c", "f"] },
        } });
        let mut notes = Notes::new(Default::default());
        let tools = vec![Tool::function("t", "", schema)];
        let rendered = render_tools(tools, &mut notes).unwrap();
        assert_eq!(rendered[0]["parameter_definitions"]["unit"]["type"], "str");
        assert_eq!(notes.into_warnings()[0].code, "translated_parameter");
    }
}
