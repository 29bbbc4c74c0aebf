//! Ollama's own API: chat, completions, embeddings, and what it knows of its models.
//!
//! | | chat | completion | embeddings |
//! |---|---|---|---|
//! | path | `/api/chat` | `/api/generate` | `/api/embed`, older `/api/embeddings` |
//! | request | [`render_request`] | [`render_completion`] | [`embeddings::render_embedding_request`] |
//! | answer | [`ChatDecoder`] | [`ChatDecoder`] | [`embeddings::parse_embedding_response`] |
//! | request, read back | [`parse_request`] | [`parse_completion`] | [`embeddings::parse_embedding_request`] |
//!
//! What is taken from where: the fields are those of Ollama's API reference ("Generate a chat message", "Generate a
//! response", "Generate embeddings", "Show model details", "List models", "Errors", "Streaming"); `truncate` of chat is
//! from the server's own types (0.12.6 and later). What servers really send comes from recorded traffic, which wins where
//! the two differ:
//!
//! - a stream is lines of JSON and ends with one that has `done: true`; a failure in its middle is a line `{"error": …}`;
//! - calls of tools come whole, with arguments as an object, often before the last line, whose `done_reason` is `stop`
//!   all the same; older servers give them no id: ids made here are never sent back;
//! - results of tools are matched by `tool_name`;
//! - `prompt_eval_count` may be absent when the prompt was cached; durations are nanoseconds and come as
//!   [`ChatEvent::Extra`](llm_core::ChatEvent::Extra);
//! - a prompt that does not fit the context is cut *without a word* unless somebody says how large the context must be:
//!   see [`ContextWindow`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use llm_core::{ChatRequest, ChatResponse, Message};
//! use llm_providers::Ollama;
//!
//! let ollama = Ollama::builder("ollama", "http://localhost:11434").build()?;
//! // What the server knows of the model: context length, capabilities.
//! let model = ollama.chat_with(ollama.show("qwen3:4b").await?);
//! let reply = model.chat(ChatRequest::new(vec![Message::user("Why is the sky blue?")])).await?;
//! println!("{}", ChatResponse::collect(reply).await?.text());
//! # Ok(())
//! # }
//! ```

mod completion;
mod context;
mod decoder;
pub mod embeddings;
pub mod errors;
mod model;
mod models;
mod options;
mod parse;
mod parse_message;
mod provider;
mod request;
mod request_message;
mod thinking;
mod usage;
mod wire;

pub use completion::{parse_completion, render_completion};
pub use context::ContextWindow;
pub use decoder::ChatDecoder;
pub use models::AvailableModel;
pub use parse::{parse_request, parse_request_value};
pub use provider::{Ollama, OllamaBuilder};
pub use request::{RenderedRequest, render_request};
pub use usage::parse_usage;

/// The name of this dialect in [`Part::Other`](llm_core::Part::Other) and [`Tool::Provider`](llm_core::Tool::Provider);
/// also the one field of `extra` maps under which fields of this dialect without a name in the vocabulary are kept.
pub const DIALECT: &str = "ollama-chat";
