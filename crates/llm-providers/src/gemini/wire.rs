//! What Gemini sends: one chunk of a stream, or a whole answer, which has the same form.
//!
//! Reading is lenient: anything may be absent or `null`, and fields without a name are kept.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) candidates: Option<Vec<Candidate>>,
    #[serde(default)]
    pub(super) usage_metadata: Value,
    #[serde(default)]
    pub(super) prompt_feedback: Value,
    #[serde(default)]
    pub(super) model_version: Option<String>,
    #[serde(default)]
    pub(super) response_id: Option<String>,
    #[serde(default)]
    pub(super) error: Value,
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(default)]
    pub(super) content: Option<Content>,
    /// A word, or a number where a client asked for enumerations as numbers.
    #[serde(default)]
    pub(super) finish_reason: Value,
    #[serde(default)]
    pub(super) logprobs_result: Value,
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) parts: Option<Vec<Map<String, Value>>>,
}
