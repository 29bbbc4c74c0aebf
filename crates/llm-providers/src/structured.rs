//! Answers of a form that the provider does not enforce: the prompt asks for it.

use llm_core::{ChatRequest, Message, ModelError, Part, ResponseFormat, Role};
use serde::Deserialize;
use serde_json::Value;

use crate::notes::Notes;

/// What a provider enforces of [`ChatRequest::response_format`]. What it does not is asked for in the system prompt, and an
/// `emulated_parameter` warning says so; under `Unsupported::Refuse` the call is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// JSON schemas.
    #[default]
    JsonSchema,
    /// That it is a JSON object, not which.
    JsonObject,
    /// Nothing.
    Prompt,
}

/// What the system prompt says for a schema.
pub(crate) fn instruction(schema: &Value) -> String {
    format!(
        "Answer with one JSON value that fits this JSON schema, and with nothing else:\n{schema}"
    )
}

/// What the system prompt says for any object. Providers that enforce it want the word JSON in the prompt.
pub(crate) const OBJECT_INSTRUCTION: &str = "Answer with one JSON object, and with nothing else.";

/// Turns the form that the request wants into what the provider takes.
///
/// # Errors
/// `Unsupported`, when the request refuses to be carried out otherwise.
pub(crate) fn settle(
    request: &mut ChatRequest,
    enforced: StructuredOutput,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    let (text, format) = match (&request.response_format, enforced) {
        (Some(ResponseFormat::JsonSchema { schema, .. }), StructuredOutput::JsonObject) => {
            (instruction(schema), Some(ResponseFormat::JsonObject))
        }
        (Some(ResponseFormat::JsonSchema { schema, .. }), StructuredOutput::Prompt) => {
            (instruction(schema), None)
        }
        (Some(ResponseFormat::JsonObject), StructuredOutput::Prompt) => {
            (OBJECT_INSTRUCTION.to_owned(), None)
        }
        _ => return Ok(()),
    };
    notes.emulated_parameter("response_format")?;
    request.response_format = format;
    instruct(&mut request.messages, text);
    Ok(())
}

/// Adds to the instructions at the beginning of a conversation.
fn instruct(messages: &mut Vec<Message>, text: String) {
    match messages.first_mut() {
        Some(first) if matches!(first.role, Role::System | Role::Developer) => {
            match first.parts.last_mut() {
                Some(Part::Text(last)) => last.text.push_str(&format!("\n\n{text}")),
                _ => first.parts.push(Part::text(text)),
            }
        }
        _ => messages.insert(0, Message::system(text)),
    }
}
