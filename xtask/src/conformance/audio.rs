//! Recordings of speech and transcription: OpenAI's shape, Deepgram, ElevenLabs.

use std::sync::Arc;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use llm_core::{
    ModelError, SpeechModel, SpeechRequest, Transcript, TranscriptionModel, TranscriptionRequest,
};
use llm_providers::openai::audio::TranscriptEvent;
use llm_providers::voice::{Deepgram, ElevenLabs};
use llm_providers::{OpenAi, Quirks, SpeechShape, TranscriptionShape, catalogue};
use serde_json::{Map, Value};
use testkit::conformance::{
    Outcome, compare_failure, compare_form, compare_requests, compare_sound,
};
use testkit::{Chunking, Exchange, ReplayServer, SeenRequest};

/// What stands behind the base URL in the addresses of OpenAI's shape.
const PATHS: [&str; 5] =
    ["/audio/speech", "/audio/transcriptions", "/audio/translations", "/tts", "/stt"];

/// Whether an exchange is of one of these services.
pub(super) fn covers(exchange: &Exchange) -> bool {
    match exchange.wire.as_str() {
        "openai-speech" | "openai-transcriptions" => {
            PATHS.iter().any(|path| address(exchange).ends_with(path))
        }
        "deepgram" | "elevenlabs" => matches!(exchange.op.as_str(), "speech" | "transcription"),
        _ => false,
    }
}

/// Replays an exchange and tells how it differs from its recording.
pub(super) async fn replay(server: &ReplayServer, exchange: &Exchange) -> Result<Vec<String>> {
    let mut exchange = exchange.clone();
    restore_sound(&mut exchange);
    let models = Models::of(server, &exchange)?;
    let (error, mut differences) = if exchange.op == "speech" {
        speak(&models, &exchange).await
    } else {
        transcribe(&models, &exchange).await
    };
    if exchange.response.status >= 400 {
        differences = compare_failure(&exchange, &Outcome { response: Default::default(), error });
    } else if let Some(error) = error {
        differences.push(format!("failed: {error:?}"));
    }
    match &server.taken(&exchange.id)[..] {
        [sent] => differences.extend(compare_sent(&exchange, sent)),
        sent => differences.push(format!("{} requests were sent", sent.len())),
    }
    Ok(differences)
}

/// Sound in JSON that the recorder cut off is as good as any.
fn restore_sound(exchange: &mut Exchange) {
    let cut = exchange.request.body_truncated;
    let body = exchange.request.body.as_mut();
    if let (true, Some(data)) = (cut, body.and_then(|body| body.pointer_mut("/input_audio/data"))) {
        *data = "c291bmQ=".into();
    }
}

struct Models {
    speech: Arc<dyn SpeechModel>,
    transcription: Arc<dyn TranscriptionModel>,
    /// For transcripts that are streamed.
    openai: Option<OpenAi>,
    quirks: Quirks,
}

impl Models {
    fn of(server: &ReplayServer, exchange: &Exchange) -> Result<Self> {
        let origin = server.add(exchange.clone(), Chunking::Random { longest: 700, seed: 1 });
        let address = address(exchange);
        let path = address.splitn(4, '/').nth(3).unwrap_or_default();
        let model = model(exchange);
        let key = || "replay".into();
        let base = |ends: &[&str]| {
            let end = ends.iter().find_map(|end| path.strip_suffix(end.trim_start_matches('/')));
            format!("{origin}/{}", end.unwrap_or(path).trim_end_matches('/'))
        };
        let quirks = catalogue::find(&exchange.provider).map(|entry| entry.quirks.clone());
        let quirks = quirks.unwrap_or_default();
        Ok(match exchange.wire.as_str() {
            "deepgram" => {
                let base = base(&["speak", "listen"]);
                let deepgram =
                    Deepgram::builder("deepgram").base_url(base).api_key(key()).build()?;
                Self {
                    speech: deepgram.speech(&model),
                    transcription: deepgram.transcription(model),
                    openai: None,
                    quirks,
                }
            }
            "elevenlabs" => {
                let base = base(&["speech-to-text"]);
                let labs =
                    ElevenLabs::builder("elevenlabs").base_url(base).api_key(key()).build()?;
                Self {
                    speech: labs.speech(&model),
                    transcription: labs.transcription(model),
                    openai: None,
                    quirks,
                }
            }
            _ => {
                let builder = OpenAi::builder(&exchange.provider, base(&PATHS)).api_key(key());
                let openai = builder.quirks(quirks.clone()).build()?;
                let is_translation = address.ends_with("/audio/translations");
                Self {
                    speech: openai.speech(&model),
                    transcription: match is_translation {
                        true => openai.translation(model),
                        false => openai.transcription(model),
                    },
                    openai: Some(openai),
                    quirks,
                }
            }
        })
    }
}

/// The model that the recorded request names, in its body, its form or its address.
fn model(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let in_body = request.body.as_ref().and_then(|body| body.get("model")?.as_str());
    let in_query = || parameters(&request.url).into_iter().find(|(name, _)| name == "model");
    let in_form = || {
        let mut form = request.form()?.into_iter();
        let part = form.find(|part| matches!(part.name.as_str(), "model" | "model_id"))?;
        String::from_utf8(part.data.to_vec()).ok()
    };
    let named = in_body.map(str::to_owned).or_else(in_form);
    named.or_else(|| Some(in_query()?.1)).or_else(|| exchange.model.clone()).unwrap_or_default()
}

async fn speak(models: &Models, exchange: &Exchange) -> (Option<ModelError>, Vec<String>) {
    let request = speech_request(exchange, &models.quirks);
    let sound = match models.speech.speak(request).await {
        Ok(reply) => reply.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    match sound {
        Ok(pieces) => (None, compare_sound(exchange, &pieces.concat())),
        Err(error) => (Some(error), Vec::new()),
    }
}

fn speech_request(exchange: &Exchange, quirks: &Quirks) -> SpeechRequest {
    let mut fields = match &exchange.request.body {
        Some(Value::Object(fields)) => fields.clone(),
        _ => Map::new(),
    };
    let mut text = |name: &str| fields.remove(name).and_then(|v| v.as_str().map(str::to_owned));
    let mut request = SpeechRequest::default();
    text("model");
    if exchange.wire == "deepgram" {
        request.input = text("text").unwrap_or_default();
        for (name, value) in parameters(&exchange.request.url) {
            match name.as_str() {
                "model" => {}
                "encoding" => request.format = Some(value),
                _ => drop(request.extra_body.insert(name, value.into())),
            }
        }
        return request;
    }
    let is_xais = quirks.speech == SpeechShape::Xai;
    request.input = text(if is_xais { "text" } else { "input" }).unwrap_or_default();
    request.voice = text(if is_xais { "voice_id" } else { "voice" });
    request.format = text("response_format");
    request.instructions = text("instructions");
    request.speed = fields.remove("speed").and_then(|speed| speed.as_f64());
    request.extra_body = fields;
    request
}

async fn transcribe(models: &Models, exchange: &Exchange) -> (Option<ModelError>, Vec<String>) {
    let mut request = transcription_request(exchange, &models.quirks);
    let result = match &models.openai {
        Some(openai) if exchange.kind == "transcription-stream" => {
            request.model = model(exchange);
            request.extra_body.remove("stream");
            follow(openai, request).await
        }
        _ => models.transcription.transcribe(request).await,
    };
    let transcript = match result {
        Ok(transcript) => transcript,
        Err(error) => return (Some(error), Vec::new()),
    };
    let expected = exchange.expect.as_ref().and_then(|expect| expect.text.clone());
    let expected = expected.or_else(|| recorded_text(exchange)).unwrap_or_default();
    let is_same = transcript.text == expected && !expected.is_empty();
    (None, if is_same { Vec::new() } else { vec![format!("text: {:?}", transcript.text)] })
}

/// The text where its service puts it; of a stream what its pieces say.
fn recorded_text(exchange: &Exchange) -> Option<String> {
    let body = String::from_utf8(exchange.response.bytes()).ok()?;
    let Ok(body) = serde_json::from_str::<Value>(&body) else {
        let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
        let pieces = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        return Some(
            pieces.filter_map(|piece| Some(piece.get("delta")?.as_str()?.to_owned())).collect(),
        );
    };
    let at = ["/text", "/results/channels/0/alternatives/0/transcript"];
    at.iter().find_map(|at| Some(body.pointer(at)?.as_str()?.to_owned()))
}

/// The whole of a stream, if its pieces say the same.
async fn follow(openai: &OpenAi, request: TranscriptionRequest) -> Result<Transcript, ModelError> {
    let mut reply = openai.stream_transcript(request).await?;
    let (mut text, mut whole) = (String::new(), Transcript::default());
    while let Some(event) = reply.next().await {
        match event? {
            TranscriptEvent::Text { text: piece } => text.push_str(&piece),
            TranscriptEvent::Done(transcript) => whole = *transcript,
            _ => {}
        }
    }
    if whole.text != text {
        whole.text = format!("{text} is not {}", whole.text);
    }
    Ok(whole)
}

fn transcription_request(exchange: &Exchange, quirks: &Quirks) -> TranscriptionRequest {
    let mut request = TranscriptionRequest { file_name: "a.mp3".into(), ..Default::default() };
    if exchange.wire == "deepgram" {
        let headers = &exchange.request.headers;
        request.audio = vec![0; exchange.request.body_omitted_bytes.unwrap_or(1)].into();
        request.media_type = headers.get("content-type").cloned();
        let parameters = parameters(&exchange.request.url);
        let others = parameters.into_iter().filter(|(name, _)| name != "model");
        request.extra_body = others.map(|(name, value)| (name, value.into())).collect();
        return request;
    }
    if let Some(Value::Object(mut fields)) = exchange.request.body.clone() {
        fields.remove("model");
        fields.remove("input_audio");
        request.audio = "sound".into();
        request.extra_body = fields;
        return request;
    }
    for part in exchange.request.form().unwrap_or_default() {
        let text = || String::from_utf8_lossy(&part.data).into_owned();
        match part.name.as_str() {
            "file" => request.audio = part.data,
            "model" | "model_id" => {}
            "language" => request.language = Some(text()),
            "prompt" => request.prompt = Some(text()),
            "timestamp_granularities[]"
                if quirks.transcription == TranscriptionShape::PlainForm && text() == "segment" =>
            {
                request.segments = true;
            }
            name => drop(request.extra_body.insert(name.to_owned(), text().into())),
        }
    }
    request
}

fn compare_sent(exchange: &Exchange, sent: &SeenRequest) -> Vec<String> {
    let recorded = &exchange.request;
    let mut differences = if recorded.form().is_some() {
        let mut sent = sent.clone();
        leave_out_model(exchange, &mut sent);
        compare_form(exchange, &sent)
    } else {
        compare_requests(exchange, sent, &[], |body| body)
    };
    let is_recorded = recorded.body.is_some() || recorded.body_omitted_bytes.is_some();
    if exchange.wire == "deepgram" && is_recorded {
        let (mut expected, mut found) =
            (parameters(&recorded.url), parameters(&format!("?{}", sent.query)));
        expected.sort();
        found.sort();
        if expected != found {
            differences.push(format!("query: {found:?}, not {expected:?}"));
        }
    }
    differences
}

/// A server with one model was asked without a name; our client always sends one.
fn leave_out_model(exchange: &Exchange, sent: &mut SeenRequest) {
    let names_none = exchange.request.form().is_some_and(|parts| {
        !parts.iter().any(|part| matches!(part.name.as_str(), "model" | "model_id"))
    });
    let body = String::from_utf8_lossy(&sent.body).into_owned();
    let model = "Content-Disposition: form-data; name=\"model\"\r\n\r\n\r\n";
    if let (true, Some(at)) = (names_none, body.find(model)) {
        let from = body[..at].rfind("--").unwrap_or(at);
        sent.body = format!("{}{}", &body[..from], &body[at + model.len()..]).into();
    }
}

/// The recorded URL without its query.
fn address(exchange: &Exchange) -> &str {
    let url = exchange.request.url.as_str();
    url.split_once('?').map_or(url, |(address, _)| address)
}

/// What stands behind `?`. No recording has an encoded parameter.
fn parameters(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
