//! Headers: what an item has beyond the part that carries its substance.

use llm_core::{ChatEvent, Part};
use serde_json::{Map, Value};

use super::DIALECT;

/// Names that a call has a field for in the vocabulary, or that say nothing once the item is complete.
const OF_CALLS: [&str; 3] = ["name", "arguments", "input"];

/// The header of a message item whose role and content are carried elsewhere; `None` when nothing is left.
pub(super) fn of_message(item: &Map<String, Value>) -> Option<Map<String, Value>> {
    header(item, "message", &["role", "content"], &["type"])
}

/// The header of a function call or custom tool call; `None` when it is a function call with nothing left.
pub(super) fn of_call(item: &Map<String, Value>) -> Option<Map<String, Value>> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("function_call");
    let header = header(item, kind, &OF_CALLS, &["type", "call_id"]);
    match header {
        // That it is no function call must not be lost.
        None if kind != "function_call" => {
            let mut header = Map::new();
            header.insert("type".into(), kind.into());
            header.insert("call_id".into(), item.get("call_id").cloned().unwrap_or_default());
            Some(header)
        }
        header => header,
    }
}

fn header(
    item: &Map<String, Value>,
    kind: &str,
    carried: &[&str],
    telling_nothing: &[&str],
) -> Option<Map<String, Value>> {
    let mut header = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    for (name, value) in item {
        let is_usual_status = name == "status" && (value == "completed" || value == "in_progress");
        if !carried.contains(&name.as_str()) && !value.is_null() && !is_usual_status {
            header.insert(name.clone(), value.clone());
        }
    }
    let is_worth_keeping = header.keys().any(|name| !telling_nothing.contains(&name.as_str()));
    is_worth_keeping.then_some(header)
}

/// Which header a block of this dialect is.
pub(super) enum Header<'a> {
    /// Of the text that follows.
    Message(&'a Map<String, Value>),
    /// Of the call with this id.
    Call(&'a str, &'a Map<String, Value>),
}

/// Reads a block; `None` when it is no header but an item by itself.
pub(super) fn read(value: &Value) -> Option<Header<'_>> {
    let fields = value.as_object()?;
    match fields.get("type")?.as_str()? {
        "message" if !fields.contains_key("content") => Some(Header::Message(fields)),
        "function_call" | "custom_tool_call"
            if OF_CALLS.iter().all(|name| !fields.contains_key(*name)) =>
        {
            Some(Header::Call(fields.get("call_id")?.as_str()?, fields))
        }
        _ => None,
    }
}

pub(super) fn part(value: impl Into<Value>) -> Part {
    Part::Other { dialect: DIALECT.to_owned(), value: value.into() }
}

pub(super) fn event(value: impl Into<Value>) -> ChatEvent {
    ChatEvent::Block { choice: 0, dialect: DIALECT.to_owned(), value: value.into() }
}
