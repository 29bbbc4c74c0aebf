//! The message item and the call items that are being written.

use llm_core::{Extra, Reasoning};
use serde_json::{Map, Value, json};

use crate::openai::responses::reasoning::{self, Section};

/// A part of a message's content.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) kind: ContentKind,
    pub(super) text: String,
    pub(super) annotations: Vec<Value>,
    pub(super) logprobs: Vec<Value>,
    pub(super) signature: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentKind {
    Text,
    Refusal,
}

impl Content {
    pub(super) fn new(kind: ContentKind) -> Self {
        Self {
            kind,
            text: String::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
            signature: None,
        }
    }

    pub(super) fn value(&self) -> Value {
        if self.kind == ContentKind::Refusal {
            return json!({ "type": "refusal", "refusal": self.text });
        }
        let mut value = json!({
            "type": "output_text",
            "text": self.text,
            "annotations": self.annotations,
            "logprobs": self.logprobs,
        });
        if let (Some(signature), Some(fields)) = (&self.signature, value.as_object_mut()) {
            fields.insert("signature".into(), signature.clone().into());
        }
        value
    }
}

/// A message item.
#[derive(Clone, Debug)]
pub(super) struct MessageItem {
    pub(super) id: String,
    /// What the item has besides (`phase` …).
    pub(super) header: Map<String, Value>,
    /// The parts that are complete.
    pub(super) content: Vec<Value>,
    /// The part that is being written.
    pub(super) open: Option<Content>,
}

impl MessageItem {
    pub(super) fn value(&self, status: &str) -> Value {
        let mut item = json!({
            "id": self.id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": self.content,
        });
        add(&mut item, &self.header);
        item
    }
}

/// A call of a function or a custom tool.
#[derive(Clone, Debug)]
pub(super) struct CallItem {
    /// Its place in the output.
    pub(super) at: usize,
    pub(super) item_id: String,
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) signature: Option<String>,
    pub(super) header: Map<String, Value>,
}

impl CallItem {
    pub(super) fn is_custom(&self) -> bool {
        self.header.get("type").is_some_and(|kind| kind == "custom_tool_call")
    }

    pub(super) fn value(&self, status: &str) -> Value {
        let (kind, written) = match self.is_custom() {
            true => ("custom_tool_call", "input"),
            false => ("function_call", "arguments"),
        };
        let mut item = json!({
            "id": self.item_id,
            "type": kind,
            "status": status,
            "call_id": self.call_id,
            "name": self.name,
            written: self.arguments,
        });
        if let (Some(signature), Some(fields)) = (&self.signature, item.as_object_mut()) {
            fields.insert("signature".into(), signature.clone().into());
        }
        add(&mut item, &self.header);
        item
    }
}

/// A reasoning item. Reasoning of this dialect goes out as it came, that of others sealed.
pub(super) fn reasoning_value(block: &Reasoning, id: &str) -> Value {
    if reasoning::is_own(block) {
        return reasoning::item(Reasoning { id: Some(id.to_owned()), ..block.clone() });
    }
    let summary = match block.text.is_empty() {
        true => json!([]),
        false => json!([reasoning::part_value(Section::Summary, block.text.as_str())]),
    };
    json!({
        "id": id,
        "type": "reasoning",
        "summary": summary,
        "encrypted_content": reasoning::encrypted_content(block),
    })
}

fn add(item: &mut Value, fields: &Extra) {
    if let Some(item) = item.as_object_mut() {
        for (name, value) in fields {
            item.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}
