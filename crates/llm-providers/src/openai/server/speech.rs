//! Speech, from the server's side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::SpeechRequest;
use serde_json::{Value, json};

use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// A speech request that came in, and what it asks of the reply's form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncomingSpeech {
    /// What to speak, and how.
    pub request: SpeechRequest,
    /// Whether the sound goes out in server-sent events ([`speech_delta`], [`speech_done`]), and not as it is.
    pub in_events: bool,
}

/// Reads the body of `POST …/audio/speech`. Fields without a name here go on to the provider.
///
/// # Errors
/// When the body is no JSON, or a known field is missing or has the wrong type. Values are not judged otherwise: which
/// voices and formats there are is up to the model.
pub fn parse_speech_request(body: &[u8]) -> Result<IncomingSpeech, RequestError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| RequestError::body(format_args!("is no JSON: {error}")))?;
    let mut fields = Fields::of(value, "")?;
    let in_events = match fields.optional::<String>("stream_format")?.as_deref() {
        None | Some("audio") => false,
        Some("sse") => true,
        Some(_) => return Err(fields.error("stream_format", "must be audio or sse")),
    };
    let input: String = fields.required("input")?;
    if input.trim().is_empty() {
        return Err(fields.error("input", "must not be empty"));
    }
    let request = SpeechRequest {
        model: fields.required("model")?,
        input,
        voice: parse_voice(&mut fields)?,
        format: fields.optional("response_format")?,
        speed: fields.optional("speed")?,
        instructions: fields.optional("instructions")?,
        extra_body: fields.rest(),
        ..SpeechRequest::default()
    };
    Ok(IncomingSpeech { request, in_events })
}

/// A voice by its name, or one of the caller's own by its id.
fn parse_voice(fields: &mut Fields) -> Result<Option<String>, RequestError> {
    match fields.take("voice") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(Value::Object(voice)) => match voice.get("id").and_then(Value::as_str) {
            Some(id) => Ok(Some(id.to_owned())),
            None => Err(fields.error("voice", "must name its `id`")),
        },
        Some(_) => Err(fields.error("voice", "must be a string or an object with an `id`")),
    }
}

/// The MIME type of a format in whatever words (`mp3`, `mp3_44100_128`); where none was asked for, of sound that begins
/// so.
pub fn speech_media_type(format: Option<&str>, beginning: &[u8]) -> &'static str {
    const BY_NAME: [(&str, &str); 9] = [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("ogg", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
        ("linear16", "audio/pcm"),
        ("mulaw", "audio/basic"),
    ];
    const BY_BEGINNING: [(&[u8], &str); 6] = [
        (b"ID3", "audio/mpeg"),
        (b"\xff\xfb", "audio/mpeg"),
        (b"\xff\xf3", "audio/mpeg"),
        (b"RIFF", "audio/wav"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
    ];
    let known = match format {
        Some(format) => BY_NAME.iter().find(|(name, _)| format.starts_with(name)).map(|it| it.1),
        None => BY_BEGINNING.iter().find(|it| beginning.starts_with(it.0)).map(|it| it.1),
    };
    known.unwrap_or("application/octet-stream")
}

/// The data of the event for a piece of sound.
pub fn speech_delta(sound: &[u8]) -> String {
    json!({ "type": "speech.audio.delta", "audio": STANDARD.encode(sound) }).to_string()
}

/// The data of the last event. What was consumed is not known: providers do not tell it with sound.
pub fn speech_done() -> String {
    json!({ "type": "speech.audio.done", "usage": null }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_request() {
        let incoming = parse_speech_request(
            br#"{"model":"m","input":"hi","voice":{"id":"v"},"response_format":"wav","seed":1}"#,
        );
        let IncomingSpeech { request, in_events } = incoming.unwrap();
        assert_eq!((request.voice.as_deref(), request.format.as_deref()), (Some("v"), Some("wav")));
        assert_eq!((in_events, request.extra_body.get("seed")), (false, Some(&json!(1))));
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        for (body, param) in [
            (r#"{"model":"m"}"#, Some("input")),
            (r#"{"model":"m","input":" "}"#, Some("input")),
            (r#"{"input":"hi"}"#, Some("model")),
            (r#"{"model":"m","input":"hi","voice":1}"#, Some("voice")),
            (r#"{"model":"m","input":"hi","voice":{}}"#, Some("voice")),
            (r#"{"model":"m","input":"hi","speed":"fast"}"#, Some("speed")),
            (r#"{"model":"m","input":"hi","stream_format":"x"}"#, Some("stream_format")),
            ("[]", None),
            ("sound", None),
        ] {
            let error = parse_speech_request(body.as_bytes()).unwrap_err();
            assert_eq!(error.param.as_deref(), param, "{body}");
        }
    }

    #[test]
    fn tells_what_sound_is() {
        assert_eq!(speech_media_type(Some("mp3_44100_128"), b"RIFF"), "audio/mpeg");
        assert_eq!(speech_media_type(None, b"RIFF...."), "audio/wav");
        assert_eq!(speech_media_type(None, b"?"), "application/octet-stream");
    }
}
