//! [`ToolHandler`]: a tool that we run, and its synchronous twin.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::{BoxError, Part, Tool};

/// A tool that we run when a model asks for it, without blocking.
pub trait ToolHandler: Send + Sync {
    /// The tool as the model sees it: a [`Tool::Function`].
    fn tool(&self) -> &Tool;

    /// Runs it. The future borrows nothing; dropping it cancels the run.
    ///
    /// # Errors
    /// What the model shall be told, so that it can try otherwise; a failed tool never ends a conversation.
    fn call(&self, input: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>>;

    /// Whether its output is the answer: the model is not asked again after it succeeds.
    fn terminal(&self) -> bool {
        false
    }

    /// How long a run may take; `None` leaves it to the caller.
    fn timeout(&self) -> Option<Duration> {
        None
    }
}

/// The synchronous twin of [`ToolHandler`]. It may block and compute: it is only ever called on a thread made for that.
pub trait SyncToolHandler: Send + Sync {
    /// The tool as the model sees it: a [`Tool::Function`].
    fn tool(&self) -> &Tool;

    /// Runs it. Once begun it runs to its end, even if nobody waits any more.
    ///
    /// # Errors
    /// What the model shall be told.
    fn call(&self, input: ToolInput) -> Result<ToolOutput, ToolError>;

    /// Whether its output is the answer: the model is not asked again after it succeeds.
    fn terminal(&self) -> bool {
        false
    }

    /// How long a caller waits for it; `None` leaves it to the caller.
    fn timeout(&self) -> Option<Duration> {
        None
    }
}

/// Whoever has tools that are known only when they are asked for: a server of tools, say.
pub trait ToolSource: Send + Sync {
    /// What it is, for people and in errors.
    fn name(&self) -> &str;

    /// Its tools as they are now. Called once for each conversation with tools, so it should answer from memory where it
    /// can. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// When the tools cannot be listed. Conversations that wanted them fail, since the model would otherwise answer as
    /// if there were none.
    fn tools(&self) -> BoxFuture<'static, Result<Vec<Arc<dyn ToolHandler>>, ToolError>>;
}

/// What a tool is run with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolInput {
    /// Its arguments: an object, unless somebody other than the tool loop of `llm-bundle` calls.
    pub arguments: Value,
    /// The [`ToolCall::id`](crate::ToolCall::id) that is answered.
    pub call_id: String,
}

impl ToolInput {
    /// These arguments, for that call.
    pub fn new(call_id: impl Into<String>, arguments: Value) -> Self {
        Self { arguments, call_id: call_id.into() }
    }
}

/// What a tool answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolOutput {
    /// Text or media.
    pub parts: Vec<Part>,
    /// Whether the parts tell of a failure.
    pub is_error: bool,
}

impl ToolOutput {
    /// An answer in text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::text(text)], is_error: false }
    }

    /// An answer in JSON, written compactly.
    pub fn json(value: &Value) -> Self {
        Self::text(value.to_string())
    }
}

/// Why a tool failed, in words that a model can use. It goes to the model, so it holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    message: String,
    #[source]
    source: Option<BoxError>,
}

impl ToolError {
    /// A failure, in one line.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Adds the cause, which is logged and not told to the model.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the model is told.
    pub fn message(&self) -> &str {
        &self.message
    }
}
