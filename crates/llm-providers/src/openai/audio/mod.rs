//! Speech and transcription as OpenAI defined them (API reference, "Audio"), and as others changed them: which shape a
//! provider takes is in [`Quirks`](crate::Quirks).
//!
//! | | request | answer |
//! |---|---|---|
//! | speech | [`render_speech_request`] | sound as it comes, or base64 in JSON or in events |
//! | transcription | [`render_transcription_form`], [`render_transcription_body`] | [`parse_transcript`], [`TranscriptDecoder`] |

mod speech;
mod transcribe;
mod transcript;
mod transcript_stream;
mod transcription_request;

use llm_core::{ErrorKind, ModelError, Operation};
use reqwest::Response;

pub(super) use speech::OpenAiSpeech;
pub use speech::render_speech_request;
pub use transcribe::TranscriptReply;
pub(super) use transcribe::{OpenAiTranscription, follow};
pub use transcript::parse_transcript;
pub use transcript_stream::{TranscriptDecoder, TranscriptEvent};
pub use transcription_request::{render_transcription_body, render_transcription_form};

/// Whether the answer is of a content type that begins so.
fn is_of_type(response: &Response, beginning: &str) -> bool {
    let name = response.headers().get(http::header::CONTENT_TYPE);
    let name = name.and_then(|name| name.to_str().ok()).unwrap_or_default();
    name.to_ascii_lowercase().starts_with(beginning)
}

fn malformed(operation: Operation, message: impl Into<String>) -> ModelError {
    ModelError::new(ErrorKind::Malformed, operation, message)
}

/// A parameter that the provider's shape has no place for. There is nobody to warn, so the call is refused.
fn unsupported(operation: Operation, param: &'static str) -> ModelError {
    let message = format!("the provider does not take `{param}`");
    ModelError::new(ErrorKind::Unsupported, operation, message).with_param(param)
}
