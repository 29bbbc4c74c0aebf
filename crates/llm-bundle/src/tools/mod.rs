//! The tool loop: a model is asked, the tools that it asks for are run, and it is asked again with their results, until
//! it answers.
//!
//! [`Bundle::with_tools`](crate::Bundle::with_tools) puts a [`ToolSet`] behind a bundle. Tools may be async
//! ([`ToolHandler`](llm_core::ToolHandler)), synchronous ([`SyncToolHandler`](llm_core::SyncToolHandler), on a
//! [`SyncPool`](crate::SyncPool)), or be listed by somebody else ([`ToolSource`](llm_core::ToolSource): MCP servers in
//! `llm-mcp`).
//!
//! - A tool that fails, panics, takes too long, does not exist or is called with arguments that do not fit is an error
//!   *result* that the model sees; it never ends the conversation.
//! - Calls of one answer run at the same time, a few at once; their results stand in the order of the calls.
//! - Everything is bounded ([`ToolOptions`]): rounds, calls, time, size of results.
//! - Tools of the request itself, which nobody here can run, and tools that the provider runs stay what they are: the
//!   loop ends with the calls of the former ([`ToolAnswer::left`]), and never sees the latter.

mod adapted;
mod answer;
mod arguments;
mod as_chat;
mod bound;
mod chat;
mod options;
mod repair;
mod round;
mod run;
mod set;
mod turn;

pub use answer::{ToolAnswer, ToolEvent, ToolReply};
pub use as_chat::{as_chat, as_one_answer};
pub use chat::ToolChat;
pub use options::ToolOptions;
pub use repair::repair_json;
pub use set::{ToolSet, ToolSetBuilder, ToolSetError};
