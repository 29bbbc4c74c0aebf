//! The messages of a request, as v1 takes them: what is asked, and what was said before.

use std::collections::BTreeMap;

use llm_core::{Media, MediaSource, Message, ModelError, Part, Role, ToolCall, ToolResult};
use serde_json::{Value, json};

use crate::cohere::DIALECT;
use crate::cohere::request_message::document;
use crate::notes::Notes;

/// What the messages of a request become.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) preamble: String,
    /// The turns before the question.
    pub(super) turns: Vec<Value>,
    pub(super) message: String,
    /// Results of tools that come last.
    pub(super) tool_results: Vec<Value>,
    /// Files that are plain text.
    pub(super) documents: Vec<Value>,
}

/// Takes the messages apart.
pub(super) fn render_history(
    messages: Vec<Message>,
    notes: &mut Notes,
) -> Result<History, ModelError> {
    let mut writer =
        Writer { notes, calls: BTreeMap::new(), turns: Vec::new(), history: History::default() };
    for message in messages {
        writer.message(message)?;
    }
    let Writer { mut turns, mut history, .. } = writer;
    match turns.pop() {
        Some(Turn::User(text)) => history.message = text,
        Some(Turn::Tool(results)) => history.tool_results = results,
        last => turns.extend(last),
    }
    history.turns = turns.into_iter().map(Turn::into_value).collect();
    Ok(history)
}

/// One turn of the history.
enum Turn {
    System(String),
    User(String),
    Assistant { text: String, calls: Vec<Value> },
    Tool(Vec<Value>),
}

impl Turn {
    fn into_value(self) -> Value {
        match self {
            Turn::System(text) => json!({ "role": "SYSTEM", "message": text }),
            Turn::User(text) => json!({ "role": "USER", "message": text }),
            Turn::Assistant { text, calls } if calls.is_empty() => {
                json!({ "role": "CHATBOT", "message": text })
            }
            Turn::Assistant { text, calls } => {
                json!({ "role": "CHATBOT", "message": text, "tool_calls": calls })
            }
            Turn::Tool(results) => json!({ "role": "TOOL", "tool_results": results }),
        }
    }
}

struct Writer<'a> {
    notes: &'a mut Notes,
    /// Calls by their ids, which this version does not know: results repeat their calls.
    calls: BTreeMap<String, Value>,
    turns: Vec<Turn>,
    history: History,
}

impl Writer<'_> {
    fn message(&mut self, message: Message) -> Result<(), ModelError> {
        let Message { role, parts, name, .. } = message;
        if name.is_some() {
            self.notes.dropped_parameter("messages.name")?;
        }
        let (mut text, mut calls, mut results) = (String::new(), Vec::new(), Vec::new());
        let mut has_text = false;
        for part in parts {
            match part {
                Part::ToolCall(call) => calls.push(self.call(call)),
                Part::ToolResult(result) => self.result(result, &mut results)?,
                part => {
                    has_text = true;
                    self.part(part, &mut text)?;
                }
            }
        }
        self.results(results);
        match role {
            Role::System | Role::Developer if self.turns.is_empty() => {
                if !self.history.preamble.is_empty() {
                    self.history.preamble.push_str("\n\n");
                }
                self.history.preamble.push_str(&text);
            }
            Role::System | Role::Developer => self.turns.push(Turn::System(text)),
            Role::Assistant => self.turns.push(Turn::Assistant { text, calls }),
            Role::User => self.turns.push(Turn::User(text)),
            Role::Tool if has_text => self.turns.push(Turn::User(text)),
            Role::Tool => {}
        }
        Ok(())
    }

    /// Results of one turn belong together, whichever messages they came in.
    fn results(&mut self, results: Vec<Value>) {
        match self.turns.last_mut() {
            _ if results.is_empty() => {}
            Some(Turn::Tool(known)) => known.extend(results),
            _ => self.turns.push(Turn::Tool(results)),
        }
    }

    fn part(&mut self, part: Part, text: &mut String) -> Result<(), ModelError> {
        let dropped = match part {
            Part::Text(part) | Part::Refusal(part) => {
                text.push_str(&part.text);
                return Ok(());
            }
            Part::File(mut media) => match take_text(&mut media) {
                Some(content) => {
                    self.history.documents.push(flat(document(media, content)));
                    return Ok(());
                }
                None => "files that are no plain text",
            },
            Part::Reasoning(block) if block.signature.is_none() && block.redacted.is_none() => {
                return Ok(());
            }
            Part::Reasoning(_) => "sealed reasoning of other providers",
            Part::Image(_) => "pictures",
            Part::Audio(_) => "sound",
            // Blocks of dialects mean nothing here, as the vocabulary says.
            _ => return Ok(()),
        };
        self.notes.dropped_content("messages", dropped)
    }

    fn call(&mut self, call: ToolCall) -> Value {
        let parameters = match call.parsed_arguments() {
            Ok(parameters @ Value::Object(_)) => parameters,
            _ => {
                let message = "arguments of a tool that are no object are put into one";
                self.notes.moved_content("messages", message);
                json!({ "arguments": call.arguments })
            }
        };
        let value = json!({ "name": call.name, "parameters": parameters });
        self.calls.insert(call.id, value.clone());
        value
    }

    fn result(&mut self, result: ToolResult, results: &mut Vec<Value>) -> Result<(), ModelError> {
        let (mut text, mut outputs) = (String::new(), Vec::new());
        for part in result.parts {
            match part {
                Part::Other { dialect, value } if dialect == DIALECT => outputs.push(value),
                Part::File(mut media) => match take_text(&mut media) {
                    Some(content) => outputs.push(flat(document(media, content))),
                    None => self.part(Part::File(media), &mut text)?,
                },
                part => self.part(part, &mut text)?,
            }
        }
        if !text.is_empty() || outputs.is_empty() {
            outputs.extend(objects(text));
        }
        let call = self.calls.get(&result.call_id).cloned();
        let call = call.unwrap_or_else(
            || json!({ "name": result.name.unwrap_or_default(), "parameters": {} }),
        );
        results.push(json!({ "call": call, "outputs": outputs }));
        Ok(())
    }
}

/// What a tool said, as the objects that this version wants.
fn objects(text: String) -> Vec<Value> {
    match serde_json::from_str(&text) {
        Ok(object @ Value::Object(_)) => vec![object],
        Ok(Value::Array(items)) if items.iter().all(Value::is_object) && !items.is_empty() => items,
        _ => vec![json!({ "output": text })],
    }
}

fn take_text(media: &mut Media) -> Option<String> {
    match &mut media.source {
        MediaSource::Text(text) => Some(std::mem::take(text)),
        _ => None,
    }
}

/// Documents of this version have their fields beside their id.
fn flat(mut document: Value) -> Value {
    let data = document.as_object_mut().and_then(|fields| fields.shift_remove("data"));
    if let (Some(fields), Some(Value::Object(data))) = (document.as_object_mut(), data) {
        fields.extend(data);
    }
    document
}
