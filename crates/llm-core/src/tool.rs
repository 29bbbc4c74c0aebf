//! Tools that a model may ask for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CacheControl, Extra, Part};

/// A tool on offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tool {
    /// A function that the caller runs.
    Function {
        /// Its name.
        name: String,
        /// What it does, for the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// JSON schema of its arguments object; `None` takes no arguments. Key order is kept (prompt caches see it).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<Value>,
        /// Ask the provider to enforce the schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
        /// Ask the provider to cache the prompt up to here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheControl>,
        /// Provider fields without a name here.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        extra: Extra,
    },
    /// A tool that the provider runs, in its own dialect; refused or dropped with a warning elsewhere.
    Provider {
        /// The dialect that knows it.
        dialect: String,
        /// The tool as that dialect writes it.
        value: Value,
    },
}

impl Tool {
    /// A function tool with a JSON schema for its arguments.
    pub fn function(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Self {
        Tool::Function {
            name: name.into(),
            description: Some(description.into()),
            parameters: Some(parameters),
            strict: None,
            cache: None,
            extra: Extra::new(),
        }
    }

    /// The name of a function; `None` for a tool that the provider runs.
    pub fn name(&self) -> Option<&str> {
        match self {
            Tool::Function { name, .. } => Some(name),
            Tool::Provider { .. } => None,
        }
    }
}

/// Which tools the model may or must use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Function(String),
    /// One of these, with `required` as in `Required`.
    Allowed {
        /// Names of the functions.
        names: Vec<String>,
        /// Whether one of them must be used.
        required: bool,
    },
}

/// A model's request to run a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolCall {
    /// The id that the result must name. Made by us where a provider gives none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments as the model wrote them: JSON text that may be broken.
    pub arguments: String,
    /// An opaque token that must be given back with this call (Gemini's thought signature).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub extra: Extra,
}

impl ToolCall {
    /// The arguments as JSON; empty text counts as `{}`.
    ///
    /// # Errors
    /// When the model wrote broken JSON.
    pub fn parsed_arguments(&self) -> Result<Value, serde_json::Error> {
        if self.arguments.trim().is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        serde_json::from_str(&self.arguments)
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolResult {
    /// The [`ToolCall::id`] that it answers.
    pub call_id: String,
    /// The tool's name, for providers that match by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The answer: text or media parts.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
    /// Provider fields without a name here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub extra: Extra,
}

impl ToolResult {
    /// A successful answer in text.
    pub fn text(call_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            call_id: call_id.into(),
            name: None,
            parts: vec![Part::text(text)],
            is_error: false,
            extra: Extra::new(),
        }
    }
}
