//! What Cohere's v2 sends: events of a stream, and whole answers. Fields that are not named are passed over without being
//! kept, except where a type has `extra`.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    MessageStart,
    ContentStart,
    ContentDelta,
    ToolPlanDelta,
    ToolCallStart,
    ToolCallDelta,
    CitationStart,
    MessageEnd,
    /// Ends of contents, calls and citations, which say nothing more; `debug`; whatever comes.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type", default)]
    pub(super) kind: Option<Kind>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(default)]
    pub(super) delta: Option<Delta>,
    #[serde(default)]
    pub(super) logprobs: Option<Logprobs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub(super) message: Option<Piece>,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Value,
    pub(super) error: Value,
    pub(super) error_type: Value,
}

/// A piece of the message. What is one object in the middle of a stream is an empty list at its beginning.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece {
    pub(super) content: Single<Content>,
    pub(super) tool_plan: Option<String>,
    pub(super) tool_calls: Single<Call>,
    pub(super) citations: Single<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

/// Log-probabilities of the tokens behind one text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs {
    pub(super) text: Option<String>,
    pub(super) logprobs: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WholeAnswer {
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) message: WholeMessage,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) usage: Value,
    #[serde(default)]
    pub(super) logprobs: Option<Vec<Logprobs>>,
    #[serde(flatten)]
    pub(super) extra: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WholeMessage {
    pub(super) content: Option<Vec<Map<String, Value>>>,
    pub(super) tool_plan: Option<String>,
    pub(super) tool_calls: Option<Vec<Call>>,
    pub(super) citations: Option<Vec<Map<String, Value>>>,
}

/// An object; anything else counts as none.
#[derive(Debug)]
pub(super) struct Single<T>(pub(super) Option<T>);

impl<T> Default for Single<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Single<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SingleVisitor(PhantomData))
    }
}

struct SingleVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SingleVisitor<T> {
    type Value = Single<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a list, text or null")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Single<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Single(Some(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Single<T>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Single(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Single<T>, E> {
        Ok(Single(None))
    }

    fn visit_unit<E>(self) -> Result<Single<T>, E> {
        Ok(Single(None))
    }
}
