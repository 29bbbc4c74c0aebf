//! What Cohere's v1 sends: events of a stream, and whole answers, of chat and of `generate`.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(default)]
    pub(super) event_type: Option<Kind>,
    #[serde(default)]
    pub(super) is_finished: Option<bool>,
    /// Which of several answers of `generate`.
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) generation_id: Option<String>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) citations: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Call>>,
    #[serde(default)]
    pub(super) tool_call_delta: Option<CallDelta>,
    #[serde(default)]
    pub(super) search_queries: Option<Value>,
    #[serde(default)]
    pub(super) search_results: Option<Value>,
    #[serde(default)]
    pub(super) documents: Option<Value>,
    #[serde(default)]
    pub(super) response: Option<Answer>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    StreamStart,
    SearchQueriesGeneration,
    SearchResults,
    TextGeneration,
    CitationGeneration,
    ToolCallsChunk,
    ToolCallsGeneration,
    StreamEnd,
    StreamError,
    /// `debug`, and whatever comes.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallDelta {
    pub(super) index: Option<u32>,
    pub(super) name: Option<String>,
    pub(super) parameters: Option<String>,
    pub(super) text: Option<String>,
}

/// A whole answer. What repeats the request (`chat_history`, `prompt`) is taken out of `extra` and not told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) generation_id: Option<String>,
    pub(super) id: Option<String>,
    pub(super) text: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) citations: Option<Vec<Map<String, Value>>>,
    pub(super) tool_calls: Option<Vec<Call>>,
    pub(super) generations: Option<Vec<Generation>>,
    pub(super) meta: Option<Map<String, Value>>,
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

/// One of the answers of `generate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Generation {
    pub(super) text: String,
    pub(super) finish_reason: Option<String>,
    pub(super) token_likelihoods: Option<Vec<Likelihood>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Likelihood {
    pub(super) token: String,
    pub(super) likelihood: f64,
}
