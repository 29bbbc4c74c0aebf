//! The OpenAI dialect seen from the other side: what a *server* reads and writes. Pure translation, no I/O.
//!
//! Requests come in through [`chat::parse_request`](super::chat::parse_request) and [`parse_embedding_request`]; answers
//! go out as a whole ([`chat_body`], [`embeddings_body`]) or chunk by chunk ([`ChunkWriter`]), failures as
//! [`error_body`].
//!
//! ```
//! use llm_core::{ChatEvent, FinishReason};
//! use llm_providers::openai::server::{ChunkWriter, ReplyHead};
//!
//! let head = ReplyHead { id: "chatcmpl-1".into(), model: "local/extractive".into(), created: 1_700_000_000 };
//! let mut writer = ChunkWriter::new(head, false);
//! let chunk = writer.chunk(ChatEvent::text("hello")).unwrap();
//! assert!(chunk.contains(r#""delta":{"role":"assistant","content":"hello"}"#));
//! writer.chunk(ChatEvent::finished(FinishReason::Stop));
//! assert_eq!(writer.end(), ["[DONE]"]);
//! ```

mod body;
mod chunk;
mod embeddings;
mod error;
mod speech;
mod transcript;
mod transcription;

pub(crate) use body::reasoning_detail_value;
pub use body::{chat_body, usage_body};
pub use chunk::ChunkWriter;
pub use embeddings::{
    EmbeddingEncoding, IncomingEmbedding, ListedModel, embeddings_body, models_body,
    parse_embedding_request,
};
pub use error::{error_body, error_status, request_error_body};
pub use speech::{
    IncomingSpeech, parse_speech_request, speech_delta, speech_done, speech_media_type,
};
pub use transcript::{transcript_body, transcript_events};
pub use transcription::{
    IncomingTranscription, SoundFile, TranscriptFormat, has_what_it_takes, parse_transcription_form,
};

/// What every chunk and body of one answer repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyHead {
    /// The answer's id (`chatcmpl-…`).
    pub id: String,
    /// The model, as the caller knows it.
    pub model: String,
    /// When the answer began, in seconds since the epoch.
    pub created: i64,
}
