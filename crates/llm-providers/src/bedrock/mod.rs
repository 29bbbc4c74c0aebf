//! AWS Bedrock: chat through Converse and ConverseStream or through InvokeModel, embeddings through InvokeModel, rerank
//! through the agent runtime or InvokeModel, and counting of tokens.
//!
//! | part | source |
//! |---|---|
//! | [`event_stream`] | "event stream encoding" in the AWS documentation |
//! | [`sigv4`] | "Create a signed AWS API request" in the IAM user guide |
//! | [`converse`] | Converse and ConverseStream in the Bedrock API reference; "Inference request parameters and response fields for foundation models" in its user guide for what single families of models take ([`family`]) |
//! | [`invoke`] | InvokeModel and InvokeModelWithResponseStream in the API reference; the pages of each maker under "Inference request parameters and response fields" |
//! | [`embeddings`] | the pages of Titan, Cohere and Nova embeddings in the user guide |
//! | [`rerank`] | Rerank in the API reference of the agent runtime |
//! | [`count_tokens`] | CountTokens in the API reference |
//! | [`errors`] | the error lists of these operations |
//!
//! Where recordings of real traffic differ from the documentation, the recordings won.

pub mod converse;
pub mod count_tokens;
pub mod embeddings;
pub mod errors;
pub mod event_stream;
pub mod family;
pub mod invoke;
mod provider;
pub mod rerank;
pub mod sigv4;

use crate::merge;

pub use embeddings::EmbeddingFamily;
pub use invoke::InvokeFamily;
pub use provider::{Bedrock, BedrockBuilder, CredentialsSource};
pub use sigv4::Credentials;
