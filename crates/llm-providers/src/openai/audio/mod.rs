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

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ErrorKind, ModelError, ModelInfo, ModelKind, Operation, SpeechModel, TranscriptionModel,
    TranscriptionRequest,
};
use reqwest::Response;

use super::OpenAi;
use crate::remote::Remote;
pub use speech::render_speech_request;
pub use transcribe::TranscriptReply;
use transcribe::{follow, transcribe};
pub use transcript::parse_transcript;
pub use transcript_stream::{TranscriptDecoder, TranscriptEvent};
pub use transcription_request::{render_transcription_body, render_transcription_form};

impl OpenAi {
    /// A speech model by the provider's name for it. Nothing is sent.
    pub fn speech(&self, model: impl Into<String>) -> Arc<dyn SpeechModel> {
        self.speech_with(self.info(model, ModelKind::Speech))
    }

    /// A speech model of which more is known.
    pub fn speech_with(&self, info: ModelInfo) -> Arc<dyn SpeechModel> {
        Arc::new(Remote::over(&self.shared, info, speech::ask))
    }

    /// A transcription model by the provider's name for it. Nothing is sent.
    pub fn transcription(&self, model: impl Into<String>) -> Arc<dyn TranscriptionModel> {
        self.transcription_with(self.info(model, ModelKind::Transcription))
    }

    /// A transcription model of which more is known.
    pub fn transcription_with(&self, info: ModelInfo) -> Arc<dyn TranscriptionModel> {
        Arc::new(Remote::over(&self.shared, info, transcribe))
    }

    /// A model that hears any language and writes English (`audio/translations`). Nothing is sent.
    pub fn translation(&self, model: impl Into<String>) -> Arc<dyn TranscriptionModel> {
        let info = self.info(model, ModelKind::Transcription);
        let ask = |shared, request| {
            transcribe(shared, TranscriptionRequest { translate: true, ..request })
        };
        Arc::new(Remote::over(&self.shared, info, ask))
    }

    /// Asks [`TranscriptionRequest::model`] for a transcript that comes as it is made, ended by the whole. Providers that
    /// cannot stream give the whole at once. The future borrows nothing; dropping it, or the reply, cancels.
    ///
    /// # Errors
    /// Before the first event from the future, later as the reply's last item. A stream without its end is `Malformed`.
    pub fn stream_transcript(
        &self,
        request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<TranscriptReply, ModelError>> {
        follow(self.shared.clone(), request)
    }
}

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
