//! Speech (text to sound) and transcription (sound to text).

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use service_guards::Reply;

use crate::{Extra, ModelError, ModelInfo, Usage};

/// Sound on its way, in pieces of the format asked for. Dropping it cancels the call.
pub type SpeechReply = Reply<Bytes, ModelError>;

/// A model that speaks, without blocking.
pub trait SpeechModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Speaks. The future resolves when sound begins to arrive; it borrows nothing, so it can be spawned.
    ///
    /// # Errors
    /// Before the first piece from the future, later as the reply's last item.
    fn speak(&self, request: SpeechRequest) -> BoxFuture<'static, Result<SpeechReply, ModelError>>;
}

/// The synchronous twin of [`SpeechModel`]; only ever called on a thread made for blocking work.
pub trait SyncSpeechModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Speaks the whole text.
    ///
    /// # Errors
    /// All or nothing.
    fn speak(&self, request: &SpeechRequest) -> Result<Bytes, ModelError>;
}

/// Text to speak.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeechRequest {
    /// The model, as its provider names it.
    pub model: String,
    /// The text.
    pub input: String,
    /// The voice, in the provider's words.
    pub voice: Option<String>,
    /// `mp3`, `wav`, `opus`, `pcm` … in the provider's words.
    pub format: Option<String>,
    /// 1 is normal.
    pub speed: Option<f64>,
    /// How to speak, for models that take instructions.
    pub instructions: Option<String>,
    /// Further fields of the provider's request body.
    pub extra_body: Extra,
    /// Further headers of the provider's request.
    pub extra_headers: BTreeMap<String, String>,
}

/// A model that listens, without blocking.
pub trait TranscriptionModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Transcribes. The future borrows nothing, so it can be spawned; dropping it cancels.
    ///
    /// # Errors
    /// All or nothing.
    fn transcribe(
        &self,
        request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<Transcript, ModelError>>;
}

/// The synchronous twin of [`TranscriptionModel`]; only ever called on a thread made for blocking work.
pub trait SyncTranscriptionModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Transcribes.
    ///
    /// # Errors
    /// All or nothing.
    fn transcribe(&self, request: &TranscriptionRequest) -> Result<Transcript, ModelError>;
}

/// Sound to transcribe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TranscriptionRequest {
    /// The model, as its provider names it.
    pub model: String,
    /// The sound file's bytes.
    pub audio: Bytes,
    /// Its file name; providers tell the format from its ending.
    pub file_name: String,
    /// Its MIME type, where known.
    pub media_type: Option<String>,
    /// The language spoken (ISO 639-1), where known.
    pub language: Option<String>,
    /// Words to expect.
    pub prompt: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Whether to report segments with times.
    pub segments: bool,
    /// Whether to write English, whatever language is spoken.
    pub translate: bool,
    /// Further fields of the provider's form.
    pub extra_body: Extra,
    /// Further headers of the provider's request.
    pub extra_headers: BTreeMap<String, String>,
}

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The text.
    pub text: String,
    /// The language, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Length of the sound in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Segments, when asked for and given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<TranscriptSegment>,
    /// What was consumed.
    pub usage: Usage,
    /// The provider's fields without a name here.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: Extra,
}

/// A stretch of a transcript.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TranscriptSegment {
    /// Begin, in seconds.
    pub start: f64,
    /// End, in seconds.
    pub end: f64,
    /// The text.
    pub text: String,
}
