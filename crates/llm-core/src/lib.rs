//! The vocabulary of language model calls: what is asked, what is answered, how it fails, and the traits that models
//! implement. No I/O, no runtime, no vendor.
//!
//! One small, object-safe trait per modality, each with a *synchronous twin* for local and legacy models:
//!
//! | modality | async | synchronous |
//! |---|---|---|
//! | chat | [`ChatModel`] | [`SyncChatModel`] |
//! | embedding | [`EmbeddingModel`] | [`SyncEmbeddingModel`] |
//! | rerank | [`RerankModel`] | [`SyncRerankModel`] |
//! | speech | [`SpeechModel`] | [`SyncSpeechModel`] |
//! | transcription | [`TranscriptionModel`] | [`SyncTranscriptionModel`] |
//! | vision | [`VisionModel`] | [`SyncVisionModel`] |
//!
//! Tools that we run ourselves are a [`ToolHandler`] or a [`SyncToolHandler`]; a [`ToolSource`] lists them as they come.
//!
//! A chat answer is a stream of [`ChatEvent`]s, each a *delta*; [`ChatResponse::collect`] folds it into a whole:
//!
//! ```
//! use futures::{executor::block_on, stream};
//! use llm_core::{ChatEvent, ChatReply, ChatResponse, FinishReason};
//!
//! let reply = ChatReply::new(stream::iter([
//!     Ok(ChatEvent::text("to be, ")),
//!     Ok(ChatEvent::text("or not to be")),
//!     Ok(ChatEvent::finished(FinishReason::Stop)),
//! ]));
//! let response = block_on(ChatResponse::collect(reply))?;
//! assert_eq!(response.text(), "to be, or not to be");
//! # Ok::<(), llm_core::ModelError>(())
//! ```

mod audio;
mod chat;
mod content;
mod embedding;
mod error;
mod event;
mod info;
mod prices;
mod rate_limits;
mod rerank;
mod response;
mod scripts;
mod source;
mod tool;
mod tool_handler;
mod usage;
mod vision;

pub use audio::{
    SpeechModel, SpeechReply, SpeechRequest, SyncSpeechModel, SyncTranscriptionModel, Transcript,
    TranscriptSegment, TranscriptionModel, TranscriptionRequest,
};
pub use chat::{
    ChatModel, ChatReply, ChatRequest, ReasoningOptions, ResponseFormat, Sampling, SyncChatModel,
    Unsupported,
};
pub use content::{
    Annotation, CacheControl, Extra, Media, MediaSource, Message, Part, Reasoning, Role, TextPart,
};
pub use embedding::{
    EmbeddingModel, EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, SyncEmbeddingModel,
};
pub use error::{BoxError, ErrorKind, ModelError, Operation};
pub use event::{
    AudioDelta, ChatEvent, FinishReason, ReasoningDelta, Started, ToolCallDelta, Warning,
};
pub use info::{Capabilities, Execution, Limits, ModelInfo, ModelKind, ModelName, ScoreType};
pub use prices::{LongPrices, Prices};
pub use rate_limits::{RateLimit, RateLimitSink, RateLimits, Refill};
pub use rerank::{Ranked, RerankModel, RerankRequest, RerankResponse, SyncRerankModel};
pub use response::{ChatFold, ChatResponse, Choice};
pub use scripts::{Scripts, letter_scripts};
pub use service_guards::{Hold, Judge, Rejection, Reply, Retry, RetryHint, Verdict};
pub use source::ModelSource;
pub use tool::{Tool, ToolCall, ToolChoice, ToolResult};
pub use tool_handler::{
    SyncToolHandler, ToolError, ToolHandler, ToolInput, ToolOutput, ToolSource,
};
pub use usage::Usage;
pub use vision::{Description, SyncVisionModel, VisionModel, VisionRequest};
