//! The items that a conversation is made of, for servers that keep it.

use serde_json::{Map, Value, json};

use crate::openai::RequestError;
use crate::openai::responses::IncomingResponse;
use crate::openai::responses::parse_item::parse_items;

/// The items of a request's `input`: a text is a message of the user.
pub fn input_items(body: &Value) -> Vec<Value> {
    match body.get("input") {
        Some(Value::String(text)) => vec![json!({ "role": "user", "content": text })],
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    }
}

impl IncomingResponse {
    /// Puts what was said before in front of what the request says, behind its instructions. The items are those of earlier
    /// requests ([`input_items`]) and of the responses' `output`.
    ///
    /// # Errors
    /// Items that cannot be read.
    pub fn go_on_from(&mut self, items: Vec<Value>) -> Result<(), RequestError> {
        let mut earlier = Vec::new();
        parse_items(items, &mut earlier)
            .map_err(|error| RequestError::at("previous_response_id", error.message))?;
        let has_instructions = self.echo.get("instructions").is_some_and(Value::is_string);
        let place = usize::from(has_instructions);
        self.request.messages.splice(place..place, earlier);
        Ok(())
    }
}

/// Items as they are listed: each with an id, which is made from `seed` and its place where it has none, and messages with
/// their content in parts.
pub fn listed_items(items: Vec<Value>, seed: &str) -> Vec<Value> {
    let items = items.into_iter().enumerate();
    items.map(|(at, item)| listed(item, seed, at)).collect()
}

fn listed(item: Value, seed: &str, at: usize) -> Value {
    let Value::Object(mut item) = item else { return item };
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    if kind == "message" {
        complete_message(&mut item);
    }
    if item.get("id").is_none_or(Value::is_null) {
        let prefix = match kind.as_str() {
            "message" => "msg",
            "function_call" => "fc",
            "reasoning" => "rs",
            _ => "item",
        };
        item.insert("id".into(), format!("{prefix}_{seed}_{at}").into());
    }
    item.into()
}

fn complete_message(item: &mut Map<String, Value>) {
    item.insert("type".into(), "message".into());
    item.entry("status").or_insert_with(|| "completed".into());
    let is_answer = item.get("role").is_some_and(|role| role == "assistant");
    if let Some(Value::String(text)) = item.get("content") {
        let part = match is_answer {
            true => json!({ "type": "output_text", "text": text, "annotations": [] }),
            false => json!({ "type": "input_text", "text": text }),
        };
        item.insert("content".into(), json!([part]));
    }
}

#[cfg(test)]
mod tests {
    use llm_core::Role;

    use super::*;
    use crate::openai::responses::parse_request_value;

    #[test]
    fn what_was_said_before_stands_behind_the_instructions() {
        let body = json!({
            "model": "m", "instructions": "Be brief.", "previous_response_id": "resp_1",
            "input": [{ "type": "function_call_output", "call_id": "c", "output": "12" }],
        });
        let earlier = vec![
            json!({ "role": "user", "content": "Add." }),
            json!({ "type": "function_call", "call_id": "c", "name": "add", "arguments": "{}" }),
        ];
        let mut incoming = parse_request_value(body.clone()).unwrap();
        incoming.go_on_from(earlier).unwrap();
        let roles: Vec<Role> = incoming.request.messages.iter().map(|it| it.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
        let error = incoming.go_on_from(vec![json!(1)]).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("previous_response_id"));
    }

    #[test]
    fn items_are_listed_with_ids_and_parts() {
        let items = input_items(&json!({ "input": "Hi" }));
        let listed = listed_items(items, "1");
        assert_eq!(
            listed,
            [json!({
                "role": "user", "content": [{ "type": "input_text", "text": "Hi" }],
                "type": "message", "status": "completed", "id": "msg_1_0",
            })]
        );
        let own = json!({ "type": "reasoning", "id": "rs_9", "summary": [] });
        assert_eq!(listed_items(vec![own.clone()], "1"), [own]);
    }
}
