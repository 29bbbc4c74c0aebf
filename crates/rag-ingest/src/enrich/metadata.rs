//! Metadata of a document that a model finds in its text.

use llm_core::ModelError;
use minijinja::context;
use rag_core::{Metadata, MetadataField, MetadataValue, ParsedDocument};
use serde_json::{Map, Value};

use super::answers::json;
use super::asking::Asking;
use super::prompts::{Template, attribute, quoted};

/// Documents say what they are at their beginning: so many bytes are read.
const BEGINNING: usize = 12_000;
/// Longer values are no fields.
const LONGEST_VALUE: usize = 1_000;

/// The fields that the document's text tells.
pub(crate) async fn find(
    asking: &Asking<'_>,
    name: &str,
    document: &ParsedDocument,
    fields: &[MetadataField],
) -> Result<Metadata, ModelError> {
    let end = document.text.floor_char_boundary(BEGINNING);
    let beginning = document.text.get(..end).unwrap_or_default();
    let described: Vec<_> = fields
        .iter()
        .map(|field| {
            let MetadataField { name, description, values } = field.clone();
            context! { name, description, values }
        })
        .collect();
    let prompt = Template::Metadata.render(context! {
        fields => described,
        name => attribute(name),
        text => quoted(beginning),
    });
    let Some(answer) = asking.ask(prompt).await? else { return Ok(Metadata::new()) };
    let Some(found) = json::<Map<String, Value>>(&answer) else {
        asking.unreadable();
        return Ok(Metadata::new());
    };
    Ok(wanted(found, fields))
}

/// The fields that were asked for, with values that they may have.
fn wanted(mut found: Map<String, Value>, fields: &[MetadataField]) -> Metadata {
    let take = |field: &MetadataField| {
        let value = value(found.remove(&field.name)?, &field.values)?;
        Some((field.name.clone(), value))
    };
    fields.iter().filter_map(take).collect()
}

fn value(found: Value, allowed: &[String]) -> Option<MetadataValue> {
    let text = |text: &str| {
        let text = text.trim();
        let known = allowed.iter().find(|value| value.eq_ignore_ascii_case(text));
        let is_allowed = allowed.is_empty() || known.is_some();
        let fits = !text.is_empty() && text.len() <= LONGEST_VALUE;
        (is_allowed && fits).then(|| known.map_or(text, String::as_str).to_owned())
    };
    match found {
        Value::String(found) => text(&found).map(MetadataValue::Text),
        Value::Bool(found) if allowed.is_empty() => Some(MetadataValue::Bool(found)),
        Value::Number(found) if allowed.is_empty() => found.as_f64().map(MetadataValue::Number),
        Value::Array(found) => {
            let texts: Vec<String> =
                found.iter().filter_map(Value::as_str).filter_map(text).collect();
            Some(MetadataValue::List(texts)).filter(|list| *list != MetadataValue::List(vec![]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_asked_for_is_taken() {
        let field = |name: &str, values: &[&str]| MetadataField {
            name: name.into(),
            description: String::new(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let fields = [
            field("kind", &["Invoice", "Letter"]),
            field("year", &[]),
            field("people", &[]),
            field("mood", &["good"]),
            field("void", &[]),
        ];
        let Value::Object(found) = json!({
            "kind": "invoice", "year": 2024, "people": ["Ada", 3, " "], "mood": "bad",
            "void": null, "extra": "x",
        }) else {
            panic!("an object")
        };
        let expected = Metadata::from([
            ("kind".into(), MetadataValue::Text("Invoice".into())),
            ("year".into(), MetadataValue::Number(2024.0)),
            ("people".into(), MetadataValue::List(vec!["Ada".into()])),
        ]);
        assert_eq!(wanted(found, &fields), expected);
    }
}
