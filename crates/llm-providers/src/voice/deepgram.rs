//! [`Deepgram`]: parameters in the URL, sound as bare bytes.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use llm_core::{
    Extra, ModelError, ModelInfo, ModelKind, ModelName, ModelSource, Operation, SpeechModel,
    SpeechRequest, Transcript, TranscriptSegment, TranscriptionModel, TranscriptionRequest,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::client::{Service, VoiceBuilder, malformed, unsupported};
use super::models;
use crate::raw::RawRequest;
use crate::transport::{BuildError, Transport, secret_header};

/// A Deepgram account: models that speak are its voices (`aura-2-thalia-en`), models that listen are `nova-3` and its kin.
#[derive(Clone)]
pub struct Deepgram {
    name: String,
    transport: Transport,
}

impl Deepgram {
    /// Begins an instance called `name`.
    pub fn builder(name: impl Into<String>) -> VoiceBuilder<Self> {
        VoiceBuilder::new(name)
    }

    /// A voice. Nothing is sent. Further fields of requests become parameters of the URL.
    pub fn speech(&self, model: impl Into<String>) -> Arc<dyn SpeechModel> {
        let name = ModelName::new(&self.name, model);
        self.speech_with(ModelInfo::new(name, ModelKind::Speech))
    }

    /// The same, of which more is known.
    pub fn speech_with(&self, info: ModelInfo) -> Arc<dyn SpeechModel> {
        models::speech(&self.transport, info, render_speech)
    }

    /// A model that listens. Nothing is sent. Further fields of requests become parameters of the URL (`smart_format`,
    /// `diarize`, `keyterm` …).
    pub fn transcription(&self, model: impl Into<String>) -> Arc<dyn TranscriptionModel> {
        let name = ModelName::new(&self.name, model);
        self.transcription_with(ModelInfo::new(name, ModelKind::Transcription))
    }

    /// The same, of which more is known.
    pub fn transcription_with(&self, info: ModelInfo) -> Arc<dyn TranscriptionModel> {
        models::transcription(&self.transport, info, render_transcription, parse_transcript)
    }
}

impl Service for Deepgram {
    const BASE_URL: &str = "https://api.deepgram.com/v1";

    fn key_header(key: &SecretString) -> Result<(HeaderName, HeaderValue), BuildError> {
        let value = SecretString::from(format!("Token {}", key.expose_secret().trim()));
        Ok((AUTHORIZATION, secret_header(&AUTHORIZATION, &value)?))
    }

    fn with(name: String, transport: Transport) -> Self {
        Self { name, transport }
    }
}

impl ModelSource for Deepgram {
    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        Some(Deepgram::speech(self, model))
    }

    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        Some(Deepgram::transcription(self, model))
    }
}

impl fmt::Debug for Deepgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deepgram").field("name", &self.name).finish_non_exhaustive()
    }
}

fn render_speech(request: SpeechRequest) -> Result<RawRequest, ModelError> {
    let absent = [
        ("voice", request.voice.is_some()),
        ("speed", request.speed.is_some()),
        ("instructions", request.instructions.is_some()),
    ];
    if let Some((param, _)) = absent.into_iter().find(|(_, is_given)| *is_given) {
        return Err(unsupported(Operation::Speak, param));
    }
    let mut raw = RawRequest::post("speak").query("model", request.model);
    if let Some(encoding) = request.format {
        raw = raw.query("encoding", encoding);
    }
    raw = with_parameters(raw, &request.extra_body).json(json!({ "text": request.input }));
    raw.headers = request.extra_headers;
    Ok(raw)
}

fn render_transcription(request: TranscriptionRequest) -> Result<RawRequest, ModelError> {
    if request.prompt.is_some() {
        return Err(unsupported(Operation::Transcribe, "prompt"));
    }
    if request.temperature.is_some() {
        return Err(unsupported(Operation::Transcribe, "temperature"));
    }
    if request.translate {
        return Err(unsupported(Operation::Transcribe, "translate"));
    }
    let mut raw = RawRequest::post("listen").query("model", request.model);
    if let Some(language) = request.language {
        raw = raw.query("language", language);
    }
    if request.segments && !request.extra_body.contains_key("utterances") {
        raw = raw.query("utterances", "true");
    }
    let media_type = request.media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    raw = with_parameters(raw, &request.extra_body).bytes(media_type, request.audio);
    raw.headers = request.extra_headers;
    Ok(raw)
}

/// Further fields, a list as one parameter for each of its items.
fn with_parameters(mut raw: RawRequest, extra: &Extra) -> RawRequest {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (name, value) in extra {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for item in items {
                    raw = raw.query(name, text(item));
                }
            }
            value => raw = raw.query(name, text(value)),
        }
    }
    raw
}

/// The likeliest transcript of each channel, one line each; utterances are its segments.
fn parse_transcript(body: &[u8]) -> Result<Transcript, ModelError> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let channels = answer.pointer("/results/channels").and_then(Value::as_array);
    let channels =
        channels.ok_or_else(|| malformed(Operation::Transcribe, "the answer has no channels"))?;
    let texts: Vec<&str> = channels
        .iter()
        .filter_map(|channel| channel.pointer("/alternatives/0/transcript")?.as_str())
        .collect();
    let utterances = answer.pointer("/results/utterances").and_then(Value::as_array);
    let language = channels.first().and_then(|channel| channel.get("detected_language")?.as_str());
    Ok(Transcript {
        text: texts.join("\n"),
        language: language.map(str::to_owned),
        seconds: answer.pointer("/metadata/duration").and_then(Value::as_f64),
        segments: utterances.into_iter().flatten().filter_map(segment).collect(),
        extra: match answer {
            Value::Object(fields) => fields,
            _ => Map::new(),
        },
        ..Transcript::default()
    })
}

fn segment(utterance: &Value) -> Option<TranscriptSegment> {
    Some(TranscriptSegment {
        start: utterance.get("start")?.as_f64()?,
        end: utterance.get("end")?.as_f64()?,
        text: utterance.get("transcript")?.as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;

    use super::*;

    #[test]
    fn requests_are_in_the_address() {
        let mut request = TranscriptionRequest {
            model: "nova-3".into(),
            audio: "sound".into(),
            language: Some("de".into()),
            segments: true,
            ..TranscriptionRequest::default()
        };
        request.extra_body.insert("keyterm".into(), json!(["a", "b"]));
        request.extra_body.insert("diarize".into(), json!(true));
        let raw = render_transcription(request).unwrap();
        let query: Vec<String> = raw.query.iter().map(|(a, b)| format!("{a}={b}")).collect();
        let expected = "model=nova-3 language=de utterances=true keyterm=a keyterm=b diarize=true";
        assert_eq!(query.join(" "), expected);

        let spoken = SpeechRequest { speed: Some(2.0), ..SpeechRequest::default() };
        assert_eq!(render_speech(spoken).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn transcripts_are_read() {
        let body = r#"{"metadata":{"duration":1.5},"results":{
            "channels":[{"detected_language":"en","alternatives":[{"transcript":"a"},{"transcript":"x"}]},
                        {"alternatives":[{"transcript":"b"}]}],
            "utterances":[{"start":0.1,"end":1,"transcript":"a"}]}}"#;
        let transcript = parse_transcript(body.as_bytes()).unwrap();
        assert_eq!((transcript.text.as_str(), transcript.seconds), ("a\nb", Some(1.5)));
        assert_eq!((transcript.segments.len(), transcript.language.as_deref()), (1, Some("en")));
        assert_eq!(parse_transcript(b"{}").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn nothing_shows_the_key() {
        let builder = Deepgram::builder("d").api_key("very-secret".into());
        assert!(!format!("{builder:?}").contains("very-secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("very-secret"));
    }
}
