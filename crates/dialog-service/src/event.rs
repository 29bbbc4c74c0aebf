//! [`DialogEvent`]: one step of a turn, as it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_core::{
    Annotation, FinishReason, ReasoningDelta, ToolCall, ToolCallDelta, ToolResult, Usage,
};
use rag_core::TurnId;
use serde::{Deserialize, Serialize};

use crate::{Citation, MindMap, ModelSpending, Passage};

/// One event of a turn. Text is always a delta, never cumulative.
///
/// Order: `Started`; `Question` when more or other words are searched for than were asked; `Retrieved` when datasets
/// were searched; then `Reasoning`, `Delta`, `Citation`, `Tool` as the model gives
/// them, `ToolCalled` and `ToolReturned` between; `Audio` at any time after its text;
/// `Related` and `MindMap`; last `Done`. `Reasoning` before `Retrieved`
/// tells what is searched for. `Warning` may come
/// anywhere between.
/// A turn that fails ends with an `Err` of its stream instead of `Done`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DialogEvent {
    /// The turn was accepted.
    Started {
        /// Its id.
        turn: TurnId,
        /// The model that will answer, as `provider/model`.
        model: String,
    },
    /// What is searched for, where that is not just the question as it was asked.
    Question {
        /// The question, reworded to stand alone.
        text: String,
        /// The same in other languages, each searched for besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        translations: Vec<String>,
        /// Words that are searched for with the question.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keywords: Vec<String>,
        /// Only documents whose metadata pass this, which the model made of the question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<String>,
    },
    /// The evidence, in the order of the prompt. Citations refer to it by position.
    Retrieved {
        /// Passages that the model sees.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<Passage>))]
        passages: Arc<[Passage]>,
        /// Chunks in the searched datasets.
        total: u64,
    },
    /// The model's reasoning.
    Reasoning(ReasoningDelta),
    /// Text of the answer, without citation markers.
    Delta {
        /// The delta.
        text: String,
    },
    /// A piece of the answer so far is borne out by a source.
    Citation(Citation),
    /// A source that the model's provider names (its own web search, say).
    Annotation(Annotation),
    /// The model asks for a tool that the caller runs.
    Tool(ToolCallDelta),
    /// A tool of the dialog is about to run.
    ToolCalled {
        /// What the model asks for, as it wrote it.
        call: ToolCall,
    },
    /// A tool of the dialog has ended. Results come as they are ready.
    ToolReturned {
        /// What the model is told.
        result: ToolResult,
        /// How long it took.
        seconds: f64,
    },
    /// Sound of a piece of the answer, where the dialog speaks; in order, and never before its text.
    Audio {
        /// Which piece, from 0.
        number: u32,
        /// What is said.
        text: String,
        /// The sound, in the format that the dialog asks for; base64 in JSON.
        #[serde(with = "base64_bytes")]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        data: Bytes,
    },
    /// Questions that may come next, where the dialog gives them: after the answer.
    Related {
        /// The questions.
        questions: Vec<String>,
    },
    /// What the evidence says, arranged, where the dialog gives that: after the answer.
    MindMap {
        /// The subject, with what belongs to it.
        root: MindMap,
    },
    /// The turn goes on, but not quite as asked.
    Warning {
        /// One line.
        message: String,
    },
    /// The turn is complete.
    Done(Done),
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {
    /// Why the answer ended.
    pub finish: FinishReason,
    /// What the model consumed.
    pub usage: Usage,
    /// Time spent by stage; in JSON in seconds.
    #[serde(rename = "seconds", with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, f64>))]
    pub timings: BTreeMap<Stage, Duration>,
    /// Numbers of the passages that the answer cites.
    pub cited: Vec<usize>,
    /// Citation markers that named no passage and were left out.
    pub dropped_citations: u32,
    /// Whether the answer was given before, and kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// What all model calls of the turn consumed, by model: the answer's, those on the side, embeddings, every attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<ModelSpending>,
}

/// The stages of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Rewording the question.
    Rewrite,
    /// Translating it and naming keywords, all at once.
    Widen,
    /// Finding evidence.
    Retrieve,
    /// Searching for what is still missing.
    Research,
    /// From asking the model to its first event.
    FirstEvent,
    /// From its first event to its last.
    Generate,
    /// What is given after the answer.
    Afterwards,
    /// The whole turn.
    Total,
}

/// Bytes as base64.
mod base64_bytes {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use bytes::Bytes;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}

/// Durations as seconds.
mod seconds {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Stage;

    pub(super) fn serialize<S: Serializer>(
        timings: &BTreeMap<Stage, Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let seconds = timings.iter().map(|(stage, took)| (*stage, took.as_secs_f64()));
        seconds.collect::<BTreeMap<Stage, f64>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Stage, Duration>, D::Error> {
        let seconds = BTreeMap::<Stage, f64>::deserialize(from)?;
        let timings = seconds.into_iter().map(|(stage, seconds)| {
            Ok((stage, Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)?))
        });
        timings.collect()
    }
}
