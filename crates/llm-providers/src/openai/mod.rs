//! The OpenAI dialect, from both sides: a client for providers that speak it, and what a server of it reads and writes.

#[cfg(feature = "audio")]
pub mod audio;
mod azure;
pub mod chat;
pub mod completions;
pub mod embeddings;
pub mod errors;
pub(crate) mod fields;
mod provider;
mod rerank;
#[cfg(feature = "openai-responses")]
pub mod responses;
pub mod server;

pub use azure::AzureApi;
pub use fields::RequestError;
pub use provider::{AvailableModel, OpenAi, OpenAiBuilder};
