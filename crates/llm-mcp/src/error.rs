//! [`McpError`]: why a server cannot be used.

use std::sync::Arc;
use std::time::Duration;

use llm_core::{BoxError, ToolError};

/// Why a server cannot be used. The messages hold no secret and may be shown to a model; the causes are for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum McpError {
    /// The server's name cannot begin the names of tools.
    #[error("`{name}` is no name for an MCP server; take up to 32 letters, digits, `_` and `-`")]
    Name {
        /// The name.
        name: String,
    },
    /// A header or the TLS of its endpoint cannot be used.
    #[error("the MCP server `{server}` cannot be used: {reason}")]
    Endpoint {
        /// The server's name.
        server: Arc<str>,
        /// What is wrong, without secrets.
        reason: String,
    },
    /// It could not be started or reached, or did not speak the protocol.
    #[error("the MCP server `{server}` cannot be reached")]
    Connect {
        /// The server's name.
        server: Arc<str>,
        /// What happened.
        source: BoxError,
    },
    /// It could not be reached a moment ago, and it is too early to try again.
    #[error("the MCP server `{server}` is down; it is tried again in {} s", wait.as_secs().max(1))]
    Down {
        /// The server's name.
        server: Arc<str>,
        /// How long it is not tried.
        wait: Duration,
    },
    /// It took too long.
    #[error("the MCP server `{server}` did not answer within {} s", limit.as_secs_f64())]
    Timeout {
        /// The server's name.
        server: Arc<str>,
        /// The time it had.
        limit: Duration,
    },
    /// It refused.
    #[error("the MCP server `{server}` refused: {message}")]
    Refused {
        /// The server's name.
        server: Arc<str>,
        /// What it said, shortened.
        message: String,
    },
    /// The connection broke, or what came was no answer. Whether the server did what it was asked is not known.
    #[error("the MCP server `{server}` did not answer")]
    Lost {
        /// The server's name.
        server: Arc<str>,
        /// What happened.
        source: BoxError,
    },
    /// It was closed by us.
    #[error("the MCP server `{server}` is closed")]
    Closed {
        /// The server's name.
        server: Arc<str>,
    },
}

impl From<McpError> for ToolError {
    fn from(error: McpError) -> Self {
        ToolError::new(error.to_string()).with_source(error)
    }
}
