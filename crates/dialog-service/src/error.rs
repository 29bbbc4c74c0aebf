//! [`DialogError`]: the one way a turn fails.

use std::time::Duration;

use llm_core::ModelError;

/// A failed turn: the stage that failed, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialogError {
    /// The turn itself is malformed.
    #[error("the turn cannot be answered: {0}")]
    Invalid(String),
    /// Searching for evidence failed.
    #[error("searching the documents failed")]
    Retrieval(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The model failed. Text that it gave before stays valid.
    #[error("the model could not answer")]
    Model(#[from] ModelError),
    /// Its time was up before there was any text.
    #[error("there was no answer within {} s", limit.as_secs_f64())]
    Deadline {
        /// How long it may take.
        limit: Duration,
    },
    /// It was stopped before there was any text.
    #[error("the turn was stopped before it was answered")]
    Stopped,
    /// A prompt template is broken.
    #[error("the prompt template `{name}` cannot be rendered")]
    Prompt {
        /// The template.
        name: String,
        /// Why.
        #[source]
        source: Box<minijinja::Error>,
    },
}
