//! Speech: the request, the call, and the forms in which sound comes back.

use std::sync::Arc;

use async_stream::try_stream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use llm_core::{ModelError, Operation, SpeechReply, SpeechRequest};
use reqwest::Response;
use serde_json::{Map, Value, json};

use super::{is_of_type, malformed, unsupported};
use crate::openai::errors;
use crate::openai::provider::Shared;
use crate::quirks::{Quirks, SpeechShape};
use crate::sse::{SseDecoder, SseEvent};
use crate::transport;

const OPERATION: Operation = Operation::Speak;

/// Asks.
///
/// # Errors
/// A failure before the first sound; a later one is the reply's.
pub(super) async fn ask(
    shared: Arc<Shared>,
    request: SpeechRequest,
) -> Result<SpeechReply, ModelError> {
    let headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let path = match shared.quirks.speech {
        SpeechShape::OpenAi => "audio/speech",
        SpeechShape::Xai => "tts",
    };
    let path = shared.path_for(&request.model, path);
    let body = render_speech_request(request, &shared.quirks)?;
    let response = shared.post(OPERATION, &path, headers, &body).await?;
    if is_of_type(&response, "application/json") {
        let body = shared.transport.read_body(OPERATION, response).await?;
        // Decoding a long speech takes too long for a thread that serves others.
        let decoding = tokio::task::spawn_blocking(move || sound_in_json(&body));
        let sound = decoding.await.map_err(|_| malformed(OPERATION, "reading was cancelled"))??;
        return Ok(SpeechReply::one(sound));
    }
    if is_of_type(&response, "text/event-stream") {
        let limit = shared.transport.options().max_event_bytes;
        return Ok(SpeechReply::new(sound_in_events(response, limit)));
    }
    Ok(SpeechReply::new(transport::body_stream(OPERATION, response)))
}

/// The body of `POST …/audio/speech`, or of what the provider has in its place.
///
/// # Errors
/// `Unsupported` for a parameter that the provider has no place for.
pub fn render_speech_request(
    request: SpeechRequest,
    quirks: &Quirks,
) -> Result<Map<String, Value>, ModelError> {
    let mut body = match quirks.speech {
        SpeechShape::OpenAi => in_openais_shape(&request),
        SpeechShape::Xai => in_xais_shape(&request)?,
    };
    body.retain(|_, value| !value.is_null());
    body.extend(request.extra_body);
    Ok(body)
}

fn in_openais_shape(request: &SpeechRequest) -> Map<String, Value> {
    let fields = [
        ("model", json!(request.model)),
        ("input", json!(request.input)),
        ("voice", json!(request.voice)),
        ("response_format", json!(request.format)),
        ("speed", json!(request.speed)),
        ("instructions", json!(request.instructions)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// xAI's "Text to Speech": one model without a name, and a language, which is required.
fn in_xais_shape(request: &SpeechRequest) -> Result<Map<String, Value>, ModelError> {
    if request.instructions.is_some() {
        return Err(unsupported(OPERATION, "instructions"));
    }
    let fields = [
        ("text", json!(request.input)),
        ("voice_id", json!(request.voice)),
        ("language", json!("auto")),
        ("speed", json!(request.speed)),
        (
            "output_format",
            request.format.as_ref().map_or(Value::Null, |codec| json!({ "codec": codec })),
        ),
    ];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// `{"audio_data": base64}`, as Mistral answers.
fn sound_in_json(body: &[u8]) -> Result<Bytes, ModelError> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer.get("audio_data").and_then(Value::as_str) {
        Some(sound) => decode(sound),
        None if answer.get("error").is_some() => Err(errors::from_body(OPERATION, None, &answer)),
        None => Err(malformed(OPERATION, "the answer holds no sound")),
    }
}

/// `speech.audio.delta` with base64 in `audio` (OpenAI, for `stream_format` `sse`) or `audio_data` (Mistral), then
/// `speech.audio.done`.
fn sound_in_events(
    response: Response,
    max_event_bytes: usize,
) -> impl Stream<Item = Result<Bytes, ModelError>> + Send + 'static {
    let body = transport::body_stream(OPERATION, response);
    try_stream!({
        let mut frames = SseDecoder::new(max_event_bytes);
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.try_next().await? {
            let mut input = &chunk[..];
            let mut sound = Vec::new();
            let mut is_done = false;
            while let Some(event) =
                frames.next(&mut input).map_err(|error| malformed(OPERATION, error.to_string()))?
            {
                match piece(&event)? {
                    Piece::Sound(piece) => sound.push(piece),
                    Piece::Done => is_done = true,
                    Piece::Other => {}
                }
            }
            for piece in sound {
                yield piece;
            }
            if is_done {
                return;
            }
        }
        Err(malformed(OPERATION, "the stream ended in the middle of the speech"))?;
    })
}

enum Piece {
    Sound(Bytes),
    Done,
    Other,
}

fn piece(event: &SseEvent<'_>) -> Result<Piece, ModelError> {
    if event.data == "[DONE]" {
        return Ok(Piece::Done);
    }
    let value: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match text("type").unwrap_or(&event.name) {
        "speech.audio.delta" => match text("audio").or_else(|| text("audio_data")) {
            Some(sound) => Ok(Piece::Sound(decode(sound)?)),
            None => Err(malformed(OPERATION, "a piece of the speech holds no sound")),
        },
        "speech.audio.done" => Ok(Piece::Done),
        "error" => Err(errors::from_body(OPERATION, None, &value)),
        _ if value.get("error").is_some() => Err(errors::from_body(OPERATION, None, &value)),
        _ => Ok(Piece::Other),
    }
}

fn decode(sound: &str) -> Result<Bytes, ModelError> {
    let bytes = STANDARD.decode(sound);
    bytes.map(Bytes::from).map_err(|_| malformed(OPERATION, "the sound is no base64"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::ErrorKind;

    use super::*;

    fn request() -> SpeechRequest {
        SpeechRequest {
            model: "m".into(),
            input: "hello".into(),
            voice: Some("alloy".into()),
            format: Some("wav".into()),
            speed: Some(1.5),
            ..SpeechRequest::default()
        }
    }

    fn check(speech: SpeechShape, expected: Expect) {
        let mut request = request();
        request.extra_body.insert("seed".into(), json!(1));
        let quirks = Quirks { speech, ..Quirks::default() };
        let body = render_speech_request(request, &quirks).unwrap();
        expected.assert_eq(&Value::Object(body).to_string());
    }

    #[test]
    fn every_shape_says_the_same() {
        check(
            SpeechShape::OpenAi,
            expect![[
                r#"{"model":"m","input":"hello","voice":"alloy","response_format":"wav","speed":1.5,"seed":1}"#
            ]],
        );
        check(
            SpeechShape::Xai,
            expect![[
                r#"{"text":"hello","voice_id":"alloy","language":"auto","speed":1.5,"output_format":{"codec":"wav"},"seed":1}"#
            ]],
        );
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let request = SpeechRequest { instructions: Some("slowly".into()), ..request() };
        let quirks = Quirks { speech: SpeechShape::Xai, ..Quirks::default() };
        let error = render_speech_request(request, &quirks).unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("instructions")));
    }

    #[test]
    fn json_holds_sound_or_a_failure() {
        assert_eq!(sound_in_json(br#"{"audio_data":"aGk="}"#).unwrap(), "hi");
        for (body, kind) in [
            (r#"{"audio_data":"%"}"#, ErrorKind::Malformed),
            ("{}", ErrorKind::Malformed),
            ("sound", ErrorKind::Malformed),
            (r#"{"error":{"code":"invalid_api_key"}}"#, ErrorKind::Authentication),
        ] {
            assert_eq!(sound_in_json(body.as_bytes()).unwrap_err().kind(), kind, "{body}");
        }
    }
}
