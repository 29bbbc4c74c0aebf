//! [`FishAudio`]: the model in a header, the voice by its id.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use llm_core::{
    ModelError, ModelInfo, ModelKind, ModelName, ModelSource, Operation, SpeechModel, SpeechRequest,
};
use secrecy::SecretString;
use serde_json::{Map, json};

use super::client::{Service, VoiceBuilder, unsupported};
use super::models;
use crate::raw::RawRequest;
use crate::transport::{BuildError, Transport, bearer};

/// A Fish Audio account: `s1`, `s2-pro` and their kin speak.
#[derive(Clone)]
pub struct FishAudio {
    name: String,
    transport: Transport,
}

impl FishAudio {
    /// Begins an instance called `name`.
    pub fn builder(name: impl Into<String>) -> VoiceBuilder<Self> {
        VoiceBuilder::new(name)
    }

    /// A model that speaks, with the voice that the request names by its id, else with the one of the field
    /// `reference_id`, else with a voice of its own. Nothing is sent.
    pub fn speech(&self, model: impl Into<String>) -> Arc<dyn SpeechModel> {
        let name = ModelName::new(&self.name, model);
        self.speech_with(ModelInfo::new(name, ModelKind::Speech))
    }

    /// The same, of which more is known.
    pub fn speech_with(&self, info: ModelInfo) -> Arc<dyn SpeechModel> {
        models::speech(&self.transport, info, render_speech)
    }
}

impl Service for FishAudio {
    const BASE_URL: &str = "https://api.fish.audio/v1";

    fn key_header(key: &SecretString) -> Result<(HeaderName, HeaderValue), BuildError> {
        bearer(key)
    }

    fn with(name: String, transport: Transport) -> Self {
        Self { name, transport }
    }
}

impl ModelSource for FishAudio {
    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        Some(FishAudio::speech(self, model))
    }
}

impl fmt::Debug for FishAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FishAudio").field("name", &self.name).finish_non_exhaustive()
    }
}

fn render_speech(request: SpeechRequest) -> Result<RawRequest, ModelError> {
    if request.instructions.is_some() {
        return Err(unsupported(Operation::Speak, "instructions"));
    }
    let mut body = Map::new();
    body.insert("text".into(), request.input.into());
    if let Some(format) = request.format {
        body.insert("format".into(), format.into());
    }
    if let Some(speed) = request.speed {
        body.insert("prosody".into(), json!({ "speed": speed }));
    }
    body.extend(request.extra_body);
    // An instance may have a voice for those who name none; who names one gets that.
    if let Some(voice) = request.voice.filter(|voice| !voice.is_empty()) {
        body.insert("reference_id".into(), voice.into());
    }
    let mut raw = RawRequest::post("tts");
    raw.headers = request.extra_headers;
    raw.headers.insert("model".into(), request.model);
    Ok(raw.json(body.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(voice: Option<&str>) -> RawRequest {
        let extra = json!({ "reference_id": "of the instance", "latency": "balanced" });
        render_speech(SpeechRequest {
            model: "s1".into(),
            input: "Hello.".into(),
            voice: voice.map(str::to_owned),
            format: Some("opus".into()),
            speed: Some(1.25),
            extra_body: extra.as_object().cloned().unwrap(),
            ..SpeechRequest::default()
        })
        .unwrap()
    }

    #[test]
    fn who_names_a_voice_gets_that() {
        for (voice, expected) in [(None, "of the instance"), (Some("mine"), "mine")] {
            let raw = render(voice);
            assert_eq!((raw.path.as_str(), raw.headers["model"].as_str()), ("tts", "s1"));
            let body = json!({
                "text": "Hello.", "format": "opus", "prosody": { "speed": 1.25 },
                "reference_id": expected, "latency": "balanced",
            });
            assert_eq!(raw.body, crate::RawBody::Json(body));
        }
    }

    #[test]
    fn instructions_are_refused() {
        let request = SpeechRequest { instructions: Some("softly".into()), ..Default::default() };
        assert_eq!(render_speech(request).unwrap_err().param(), Some("instructions"));
    }
}
