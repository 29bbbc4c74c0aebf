//! Nova's own form of a request: Converse's fields, with what Converse keeps apart in their places.

use serde_json::{Map, Value};

use super::super::merge::merge;

/// What Converse keeps for fields that it does not know.
const ADDITIONAL: &str = "additionalModelRequestFields";

/// The version of the form, which is required.
const VERSION: (&str, &str) = ("schemaVersion", "messages-v1");

/// Older clients' name for `maxTokens`.
const OLDER_LIMIT: &str = "max_new_tokens";

/// A body of Converse in Nova's form: `topK` goes into `inferenceConfig`, `reasoningConfig` stands beside it.
pub(super) fn from_converse(mut body: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(fields)) = body.shift_remove(ADDITIONAL) {
        merge(&mut body, fields);
    }
    body.entry(VERSION.0).or_insert_with(|| VERSION.1.into());
    body
}

/// The way back.
pub(super) fn to_converse(mut body: Value) -> Value {
    let Some(fields) = body.as_object_mut() else {
        return body;
    };
    if fields.get(VERSION.0).is_some_and(|version| version == VERSION.1) {
        fields.shift_remove(VERSION.0);
    }
    let mut additional = Map::new();
    if let Some(Value::Object(config)) = fields.get_mut("inferenceConfig") {
        if let Some(limit) = config.shift_remove(OLDER_LIMIT) {
            config.insert("maxTokens".into(), limit);
        }
        if let Some(top_k) = config.shift_remove("topK") {
            let config = Map::from_iter([("topK".to_owned(), top_k)]);
            additional.insert("inferenceConfig".into(), config.into());
        }
    }
    if let Some(config) = fields.shift_remove("reasoningConfig") {
        additional.insert("reasoningConfig".into(), config);
    }
    if !additional.is_empty() {
        fields.insert(ADDITIONAL.into(), additional.into());
    }
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_change_their_form_and_come_back() {
        let converse = json!({
            "messages": [], "inferenceConfig": { "maxTokens": 9 },
            ADDITIONAL: { "inferenceConfig": { "topK": 20 }, "reasoningConfig": { "type": "enabled" } },
        });
        let nova = json!({
            "messages": [], "inferenceConfig": { "maxTokens": 9, "topK": 20 },
            "reasoningConfig": { "type": "enabled" }, "schemaVersion": "messages-v1",
        });
        let fields = converse.as_object().unwrap().clone();
        assert_eq!(Value::Object(from_converse(fields)), nova);
        assert_eq!(to_converse(nova), converse);
        let older = json!({ "inferenceConfig": { "max_new_tokens": 9 } });
        assert_eq!(to_converse(older), json!({ "inferenceConfig": { "maxTokens": 9 } }));
    }
}
