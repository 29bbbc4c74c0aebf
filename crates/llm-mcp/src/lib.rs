//! Tools of Model Context Protocol servers, as tools of ours: an [`McpServer`] is a [`ToolSource`](llm_core::ToolSource).
//!
//! A server is a child process, an address (streamable HTTP), or any pair of byte streams ([`Endpoint`]). It is connected
//! to when it is first needed, and again, with growing pauses, when it has died.
//!
//! - Its tools are named `server__tool`, so that those of several servers stand beside each other.
//! - Lists are kept until the server says that they changed, at most five minutes.
//! - Dropping a call tells the server that it is cancelled. Nothing is called twice.
//! - A server's messages, lists and descriptions are bounded. What it asks of us (sampling, input of the user) is
//!   declined.
//!
//! ```no_run
//! use llm_mcp::{Endpoint, McpOptions, McpServer, Process};
//!
//! # async fn example() -> Result<(), llm_mcp::McpError> {
//! let process = Process::new("my-mcp-server", ["--read-only"]);
//! let server = McpServer::new("files", Endpoint::Process(process), McpOptions::default())?;
//! for tool in server.list().await? {
//!     println!("{}", tool.remote_name());
//! }
//! server.close().await;
//! # Ok(())
//! # }
//! ```

mod connection;
mod content;
mod endpoint;
mod error;
mod http;
mod listing;
mod name;
mod server;
mod tool;

pub use endpoint::{Endpoint, HttpEndpoint, Process, Streams};
pub use error::McpError;
pub use server::{McpOptions, McpServer};
pub use tool::McpTool;
