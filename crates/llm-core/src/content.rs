//! Messages and their parts: text, media, reasoning, tool calls and results.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ToolCall, ToolResult};

/// Fields that this vocabulary does not name. They pass through in the dialect that they came from.
pub type Extra = Map<String, Value>;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The operator's instructions, as newer OpenAI models name them; elsewhere the same as `System`.
    Developer,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool; its parts are [`Part::ToolResult`].
    Tool,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order. May be empty (a model may answer nothing).
    pub parts: Vec<Part>,
    /// The speaker's name, where a conversation has several with one role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl Message {
    /// A message of `role` with `parts`.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, name: None, extra: Extra::new() }
    }

    /// Instructions as plain text.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, vec![Part::text(text)])
    }

    /// A question as plain text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, vec![Part::text(text)])
    }

    /// An earlier answer as plain text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, vec![Part::text(text)])
    }

    /// All text parts joined, without separator; other parts are left out.
    pub fn text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }

    /// The tool calls in this message, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(TextPart),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// Any other file (PDF, text …).
    File(Media),
    /// The model's reasoning, to be given back unchanged in the next turn where it is signed.
    Reasoning(Reasoning),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// What the tool said.
    ToolResult(ToolResult),
    /// The model declined, in its own words.
    Refusal(TextPart),
    /// A block of one dialect without a name here; given back unchanged in that dialect, left out in others.
    Other {
        /// The dialect it came from, as its provider module names it.
        dialect: String,
        /// The block as it came.
        value: Value,
    },
}

impl Part {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Part::Text(TextPart::new(text))
    }

    /// The text of a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Part::Text(part) => Some(&part.text),
            _ => None,
        }
    }
}

/// Text with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextPart {
    /// The text.
    pub text: String,
    /// Sources of this text, as the model or its provider names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// Ask the provider to cache the prompt up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheControl>,
    /// An opaque token that must be given back with this part (Gemini's thought signature).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl TextPart {
    /// Plain text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A breakpoint of the provider's prompt cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheControl {
    /// How long to keep it, in the provider's words (`"5m"`, `"1h"`); `None` is its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// A picture, a sound or a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// Where its bytes are.
    pub source: MediaSource,
    /// MIME type, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// File name or title, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How closely to look (`low`, `high`, `auto`), where the provider takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Ask the provider to cache the prompt up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheControl>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl Media {
    /// Media from `source` with nothing else known.
    pub fn new(source: MediaSource) -> Self {
        Self {
            source,
            media_type: None,
            name: None,
            detail: None,
            cache: None,
            extra: Extra::new(),
        }
    }
}

/// Where the bytes of a [`Media`] are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// At a URL that the provider fetches.
    Url(String),
    /// Here, in standard base64 with padding.
    Base64(String),
    /// In the provider's file store.
    FileId(String),
    /// Here, as plain text (documents of providers that take them so).
    Text(String),
}

/// A block of the model's reasoning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reasoning {
    /// What can be read of it; may be empty when it is encrypted or only signed.
    pub text: String,
    /// The provider's signature over it; must be given back unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The encrypted form, when the provider hides the text; must be given back unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// The provider's id of the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl Reasoning {
    /// Whether there is nothing but readable text, so that nothing is lost when only that is kept.
    pub fn is_plain(&self) -> bool {
        self.signature.is_none()
            && self.redacted.is_none()
            && self.id.is_none()
            && self.extra.is_empty()
    }
}

/// A source that a model or provider names for a piece of its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Annotation {
    /// A page of the web.
    UrlCitation {
        /// The address.
        url: String,
        /// The page's title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// First character of the answer it supports, counted in Unicode scalar values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<u64>,
        /// One past the last character it supports.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u64>,
    },
    /// Anything else, as it came.
    Other {
        /// The provider's object.
        value: Value,
    },
}
