//! What providers send: the events of a stream. Whole responses are read field by field, since most of them repeats the
//! request.
//!
//! Anything may be absent or `null`. What an event does not need is skipped without being read: the whole response that
//! `created` and `in_progress` repeat is looked at only by its beginning.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A string that is borrowed where JSON allows it.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// One event. Which fields it has depends on its type.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(default)]
    pub(super) output_index: Option<u32>,
    #[serde(default)]
    pub(super) content_index: Option<u32>,
    #[serde(default)]
    pub(super) summary_index: Option<u32>,
    #[serde(default)]
    pub(super) item: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) delta: Value,
    #[serde(default)]
    pub(super) annotation: Value,
    #[serde(default)]
    pub(super) logprobs: Value,
    #[serde(default)]
    pub(super) error: Value,
    #[serde(default)]
    pub(super) message: Value,
    #[serde(default)]
    pub(super) code: Value,
    #[serde(default)]
    pub(super) param: Value,
}

/// An event about the response as a whole, at its beginning.
#[derive(Debug, Deserialize)]
pub(super) struct Opening {
    #[serde(default)]
    pub(super) response: Head,
}

/// What is told when a response begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Head {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) created_at: Value,
}

/// An event about the response as a whole, at its end.
#[derive(Debug, Deserialize)]
pub(super) struct Closing {
    #[serde(default)]
    pub(super) response: Map<String, Value>,
    /// Fields beside the response (some providers put what the call cost there).
    #[serde(flatten)]
    pub(super) beside: Map<String, Value>,
}
