//! [`ChatEvent`]: one delta of an answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Annotation, Extra, Media, ToolCall, Usage};

/// One event of a chat answer. Text is always a *delta*, never cumulative.
///
/// Order: at most one `Started`; then deltas; per choice exactly one `Finished` after its last delta (audio and late
/// annotations excepted); `Usage` any number of times, merged by [`Usage::merge`]. A stream that ends without
/// `Finished` for any choice is an error of its source, never a short answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChatEvent {
    /// The provider accepted the call.
    Started(Started),
    /// Text of the answer.
    Text {
        /// Which of `n` answers.
        choice: u32,
        /// The delta.
        text: String,
        /// An opaque token that belongs to the text part so far (Gemini's thought signature).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// The open text part is complete; text that follows begins another part. Only sent between two parts that the
    /// provider keeps apart, since sources belong to one of them (Anthropic's cited blocks).
    TextEnd {
        /// Which of `n` answers.
        choice: u32,
    },
    /// Reasoning before or between text.
    Reasoning(ReasoningDelta),
    /// The model declines, in its own words.
    Refusal {
        /// Which of `n` answers.
        choice: u32,
        /// The delta.
        text: String,
    },
    /// A piece of a tool call.
    ToolCall(ToolCallDelta),
    /// A source that the provider names.
    Annotation {
        /// Which of `n` answers.
        choice: u32,
        /// The source.
        annotation: Annotation,
    },
    /// A piece of sound.
    Audio(AudioDelta),
    /// A whole picture or file that the model made.
    Media {
        /// Which of `n` answers.
        choice: u32,
        /// The picture or file.
        media: Media,
    },
    /// A whole block without a name here (server tools and the like), to be given back unchanged in its dialect.
    Block {
        /// Which of `n` answers.
        choice: u32,
        /// The dialect that knows it.
        dialect: String,
        /// The block.
        value: Value,
    },
    /// Log-probabilities of the tokens just sent, in the shape of the OpenAI dialect.
    Logprobs {
        /// Which of `n` answers.
        choice: u32,
        /// The provider's object.
        value: Value,
    },
    /// The call is not done as asked, but it is done.
    Warning(Warning),
    /// What was consumed so far, by the provider's count.
    Usage(Usage),
    /// One answer is complete.
    Finished {
        /// Which of `n` answers.
        choice: u32,
        /// Why it ended.
        reason: FinishReason,
        /// The provider's own word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<String>,
    },
    /// Fields of the whole answer without a name here (`system_fingerprint`, `service_tier` …).
    Extra {
        /// The fields.
        fields: Extra,
    },
}

impl ChatEvent {
    /// A text delta of the first answer.
    pub fn text(text: impl Into<String>) -> Self {
        ChatEvent::Text { choice: 0, text: text.into(), signature: None }
    }

    /// The end of the first answer.
    pub fn finished(reason: FinishReason) -> Self {
        ChatEvent::Finished { choice: 0, reason, raw: None }
    }
}

/// What the provider says of the call when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The provider's id of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The model that answers, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The provider's id of the request, from its headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A piece of reasoning. Pieces with one `index` form one [`Reasoning`](crate::Reasoning) part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReasoningDelta {
    /// Which of `n` answers.
    pub choice: u32,
    /// Which block of the answer.
    pub index: u32,
    /// Readable text; may be empty.
    pub text: String,
    /// The provider's signature over the block (comes once, whole).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The encrypted block (comes once, whole).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// The provider's id of the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub extra: Extra,
}

impl ReasoningDelta {
    /// Readable reasoning of the first answer's first block.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A piece of a tool call. Pieces with one `index` form one [`ToolCall`](crate::ToolCall).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolCallDelta {
    /// Which of `n` answers.
    pub choice: u32,
    /// Which call of the answer.
    pub index: u32,
    /// On the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// On the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the arguments' JSON text.
    pub arguments: String,
    /// An opaque token that must be given back with the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub extra: Extra,
}

impl ToolCallDelta {
    /// A whole call of the first answer, in one piece, as number `index` of its calls.
    pub fn whole(index: u32, call: ToolCall) -> Self {
        let ToolCall { id, name, arguments, signature, extra } = call;
        Self { choice: 0, index, id: Some(id), name: Some(name), arguments, signature, extra }
    }
}

/// A piece of sound in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioDelta {
    /// Which of `n` answers.
    pub choice: u32,
    /// The provider's id of the sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Base64 of more bytes; each piece decodes by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// More of what is said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub transcript: String,
    /// When the provider forgets it, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// Something the caller should know about how the call was carried out (a parameter left out, say).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable name: `dropped_parameter`, `renamed_parameter`, `dropped_content` …
    pub code: String,
    /// The request's field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// What was done and why, in one line.
    pub message: String,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was complete, or hit a stop sequence.
    Stop,
    /// It hit the output limit or the end of the context.
    Length,
    /// The model waits for tools.
    ToolCalls,
    /// The provider's policy cut it.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The provider paused a long turn; send it back to go on.
    Paused,
    /// Who asked for it stopped it.
    Cancelled,
    /// The provider reports a failure as the end of the answer.
    Error,
    /// A word that is not known here.
    Other,
}

impl FinishReason {
    /// The word of the OpenAI dialect that comes nearest.
    pub fn as_openai(self) -> &'static str {
        match self {
            FinishReason::Length => "length",
            FinishReason::ToolCalls => "tool_calls",
            FinishReason::ContentFilter => "content_filter",
            _ => "stop",
        }
    }
}
