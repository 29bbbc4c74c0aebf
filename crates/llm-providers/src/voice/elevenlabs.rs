//! [`ElevenLabs`]: the voice in the address, transcripts by form.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use llm_core::{
    ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, ModelSource, Operation, SpeechModel,
    SpeechRequest, Transcript, TranscriptionModel, TranscriptionRequest,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::client::{Service, VoiceBuilder, malformed, unsupported};
use super::models;
use crate::form::{File, Form};
use crate::path_segment::path_segment;
use crate::raw::RawRequest;
use crate::transport::{BuildError, Transport, secret_header};

const KEY_HEADER: HeaderName = HeaderName::from_static("xi-api-key");

/// An ElevenLabs account: `eleven_multilingual_v2` and its kin speak, `scribe_v1` and its kin listen.
#[derive(Clone)]
pub struct ElevenLabs {
    name: String,
    transport: Transport,
}

impl ElevenLabs {
    /// Begins an instance called `name`.
    pub fn builder(name: impl Into<String>) -> VoiceBuilder<Self> {
        VoiceBuilder::new(name)
    }

    /// A model that speaks, with the voice that the request names by its id. Nothing is sent.
    pub fn speech(&self, model: impl Into<String>) -> Arc<dyn SpeechModel> {
        let name = ModelName::new(&self.name, model);
        self.speech_with(ModelInfo::new(name, ModelKind::Speech))
    }

    /// The same, of which more is known.
    pub fn speech_with(&self, info: ModelInfo) -> Arc<dyn SpeechModel> {
        models::speech(&self.transport, info, render_speech)
    }

    /// A model that listens. Nothing is sent. It tells times of words, which are in [`Transcript::extra`], and no
    /// segments.
    pub fn transcription(&self, model: impl Into<String>) -> Arc<dyn TranscriptionModel> {
        let name = ModelName::new(&self.name, model);
        self.transcription_with(ModelInfo::new(name, ModelKind::Transcription))
    }

    /// The same, of which more is known.
    pub fn transcription_with(&self, info: ModelInfo) -> Arc<dyn TranscriptionModel> {
        models::transcription(&self.transport, info, render_transcription, parse_transcript)
    }
}

impl Service for ElevenLabs {
    const BASE_URL: &str = "https://api.elevenlabs.io/v1";

    fn key_header(key: &SecretString) -> Result<(HeaderName, HeaderValue), BuildError> {
        Ok((KEY_HEADER, secret_header(&KEY_HEADER, key)?))
    }

    fn with(name: String, transport: Transport) -> Self {
        Self { name, transport }
    }
}

impl ModelSource for ElevenLabs {
    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        Some(ElevenLabs::speech(self, model))
    }

    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        Some(ElevenLabs::transcription(self, model))
    }
}

impl fmt::Debug for ElevenLabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElevenLabs").field("name", &self.name).finish_non_exhaustive()
    }
}

fn render_speech(request: SpeechRequest) -> Result<RawRequest, ModelError> {
    let operation = Operation::Speak;
    if request.instructions.is_some() {
        return Err(unsupported(operation, "instructions"));
    }
    let Some(voice) = request.voice.filter(|voice| !voice.is_empty()) else {
        let error = ModelError::new(ErrorKind::InvalidRequest, operation, "a voice must be named");
        return Err(error.with_param("voice"));
    };
    let mut raw = RawRequest::post(format!("text-to-speech/{}/stream", path_segment(&voice)));
    if let Some(format) = request.format {
        raw = raw.query("output_format", format);
    }
    let mut body = Map::new();
    body.insert("text".into(), request.input.into());
    body.insert("model_id".into(), request.model.into());
    if let Some(speed) = request.speed {
        body.insert("voice_settings".into(), json!({ "speed": speed }));
    }
    body.extend(request.extra_body);
    raw.headers = request.extra_headers;
    Ok(raw.json(body.into()))
}

fn render_transcription(request: TranscriptionRequest) -> Result<RawRequest, ModelError> {
    if request.prompt.is_some() {
        return Err(unsupported(Operation::Transcribe, "prompt"));
    }
    if request.translate {
        return Err(unsupported(Operation::Transcribe, "translate"));
    }
    let mut form = Form::new().text("model_id", &request.model);
    if let Some(language) = &request.language {
        form = form.text("language_code", language);
    }
    if let Some(temperature) = request.temperature {
        form = form.text("temperature", temperature.to_string());
    }
    for (name, value) in &request.extra_body {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form = form.text(name, text);
    }
    let name = if request.file_name.is_empty() { "audio".into() } else { request.file_name };
    let file = File { name, media_type: request.media_type, data: request.audio };
    let mut raw = RawRequest::post("speech-to-text").form(form.file("file", file));
    raw.headers = request.extra_headers;
    Ok(raw)
}

fn parse_transcript(body: &[u8]) -> Result<Transcript, ModelError> {
    let malformed = || malformed(Operation::Transcribe, "the answer holds no transcript");
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return Err(malformed());
    };
    let Some(Value::String(text)) = fields.remove("text") else {
        return Err(malformed());
    };
    let language = fields.remove("language_code").and_then(|name| name.as_str().map(str::to_owned));
    let seconds = fields.get("audio_duration_secs").and_then(Value::as_f64);
    fields.retain(|_, value| !value.is_null());
    Ok(Transcript { text, language, seconds, extra: fields, ..Transcript::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::RawBody;

    #[test]
    fn voices_stay_in_their_segment() {
        let request = SpeechRequest {
            model: "eleven_v3".into(),
            input: "hello".into(),
            voice: Some("../x".into()),
            format: Some("mp3_44100_128".into()),
            speed: Some(1.1),
            ..SpeechRequest::default()
        };
        let raw = render_speech(request).unwrap();
        assert_eq!(raw.path, "text-to-speech/..%2Fx/stream");
        let body =
            json!({ "text": "hello", "model_id": "eleven_v3", "voice_settings": { "speed": 1.1 } });
        assert_eq!(raw.body, RawBody::Json(body));
        let error = render_speech(SpeechRequest::default()).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("voice")));
    }

    #[test]
    fn transcripts_are_read() {
        let body = br#"{"language_code":"eng","text":"hi","words":[{"text":"hi","start":0}]}"#;
        let transcript = parse_transcript(body).unwrap();
        assert_eq!((transcript.text.as_str(), transcript.language.as_deref()), ("hi", Some("eng")));
        assert!(transcript.extra.contains_key("words"));
        assert_eq!(parse_transcript(b"[]").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
