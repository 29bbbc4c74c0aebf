//! Filters over metadata as this dialect writes them: `{"logic": "and", "conditions": [{"name", "comparison_operator", "value"}]}`.

use rag_core::{FilterOperator, MetadataCondition, MetadataFilter, MetadataValue};
use serde_json::Value;

use super::envelope::Refusal;

/// Operators by each of their names.
const OPERATORS: [(&str, FilterOperator); 22] = [
    ("is", FilterOperator::Equal),
    ("=", FilterOperator::Equal),
    ("==", FilterOperator::Equal),
    ("not is", FilterOperator::NotEqual),
    ("!=", FilterOperator::NotEqual),
    ("≠", FilterOperator::NotEqual),
    (">", FilterOperator::Greater),
    (">=", FilterOperator::GreaterOrEqual),
    ("≥", FilterOperator::GreaterOrEqual),
    ("<", FilterOperator::Less),
    ("<=", FilterOperator::LessOrEqual),
    ("≤", FilterOperator::LessOrEqual),
    ("contains", FilterOperator::Contains),
    ("not contains", FilterOperator::NotContains),
    ("in", FilterOperator::In),
    ("not in", FilterOperator::NotIn),
    ("start with", FilterOperator::StartsWith),
    ("starts with", FilterOperator::StartsWith),
    ("end with", FilterOperator::EndsWith),
    ("ends with", FilterOperator::EndsWith),
    ("empty", FilterOperator::Empty),
    ("not empty", FilterOperator::NotEmpty),
];

/// Reads a filter; without conditions there is none.
pub(super) fn read(value: &Value) -> Result<Option<MetadataFilter>, Refusal> {
    let wrong = |reason: &str| Refusal::argument(format!("metadata_condition: {reason}"));
    if value.is_null() {
        return Ok(None);
    }
    let object = value.as_object().ok_or_else(|| wrong("Input should be a valid dictionary"))?;
    let conditions = match object.get("conditions") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(conditions)) if conditions.is_empty() => return Ok(None),
        Some(Value::Array(conditions)) => conditions,
        Some(_) => return Err(wrong("`conditions` should be a valid list")),
    };
    let conditions = conditions.iter().map(condition).collect::<Result<Vec<_>, _>>();
    let conditions = conditions.map_err(|reason| wrong(&reason))?;
    let filter = match object.get("logic").and_then(Value::as_str).unwrap_or("and") {
        "and" => MetadataFilter::All(conditions),
        "or" => MetadataFilter::Any(conditions),
        _ => return Err(wrong("`logic` should be 'and' or 'or'")),
    };
    filter.check().map_err(|error| wrong(&error.to_string()))?;
    Ok(Some(filter))
}

fn condition(value: &Value) -> Result<MetadataFilter, String> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)?.as_str());
    let field = text(["name", "key"]).ok_or("a condition lacks `name`")?;
    let asked = text(["comparison_operator", "op"]).unwrap_or("is");
    let known = OPERATORS.iter().find(|(name, _)| *name == asked);
    let operator = known.ok_or_else(|| format!("there is no comparison_operator '{asked}'"))?.1;
    let is_about_nothing = matches!(operator, FilterOperator::Empty | FilterOperator::NotEmpty);
    let value = value.get("value").filter(|value| !value.is_null() && !is_about_nothing);
    let value = value.map(|value| compared_with(operator, value)).transpose()?;
    Ok(MetadataFilter::Field(MetadataCondition { field: field.to_owned(), operator, value }))
}

/// A list may be written as a text with commas.
fn compared_with(operator: FilterOperator, value: &Value) -> Result<MetadataValue, String> {
    if let (FilterOperator::In | FilterOperator::NotIn, Value::String(text)) = (operator, value) {
        let items = text.split(',').map(|item| item.trim().to_owned());
        return Ok(MetadataValue::List(items.collect()));
    }
    let value = match value {
        Value::Array(items) => Value::Array(items.iter().map(as_text).collect()),
        other => other.clone(),
    };
    serde_json::from_value(value).map_err(|_| "`value` is a text, a number or a list".to_owned())
}

fn as_text(item: &Value) -> Value {
    match item {
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_become_filters() {
        let read = |value: Value| read(&value).map(|filter| filter.map(|it| it.to_string()));
        let one = json!({ "conditions": [
            { "name": "year", "comparison_operator": "≥", "value": 2020 },
            { "name": "tag", "comparison_operator": "in", "value": "a, b" },
            { "name": "author", "comparison_operator": "not empty" },
        ] });
        let text = read(one).unwrap().unwrap();
        assert_eq!(text, r#"year >= 2020 and tag in ("a", "b") and author is not empty"#);
        assert_eq!(read(json!({ "conditions": [] })).unwrap(), None);
        for wrong in [
            json!([]),
            json!({ "conditions": [{ "name": "x", "comparison_operator": "like", "value": 1 }] }),
            json!({ "conditions": [{ "comparison_operator": "is", "value": 1 }] }),
            json!({ "logic": "xor", "conditions": [{ "name": "x", "value": 1 }] }),
        ] {
            assert!(read(wrong).is_err());
        }
    }
}
