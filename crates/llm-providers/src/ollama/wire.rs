//! What Ollama sends: one line of a stream, or a whole answer, which has the same form.
//!
//! Reading is lenient: anything may be absent or `null`, and fields without a name are kept.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    /// Of `/api/chat`.
    #[serde(default)]
    pub(super) message: Option<Message>,
    /// Of `/api/generate`.
    #[serde(default)]
    pub(super) response: Option<String>,
    /// Of `/api/generate`.
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) logprobs: Value,
    #[serde(default)]
    pub(super) done: Option<bool>,
    #[serde(default)]
    pub(super) done_reason: Option<String>,
    #[serde(default)]
    pub(super) error: Value,
    /// Counts, durations, the old `context`.
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) images: Option<Vec<String>>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Function,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Function {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// An object; text where the model wrote what is none.
    #[serde(default)]
    pub(super) arguments: Value,
}
