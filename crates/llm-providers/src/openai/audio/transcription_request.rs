//! The request for a transcript: a form, or JSON with the sound inside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_core::{Extra, ModelError, Operation, TranscriptionRequest};
use serde_json::{Map, Value, json};

use super::unsupported;
use crate::form::{File, Form};
use crate::quirks::{Quirks, TranscriptionShape};

const OPERATION: Operation = Operation::Transcribe;

/// What a file is called whose name is not known. Providers tell the format from the ending, so it should be known.
const NAMELESS: &str = "audio";

/// The form of `POST …/audio/transcriptions`. The file comes last, since xAI reads nothing behind it. Further fields
/// become texts: an array one field for each item (`name[]`), an object its JSON.
///
/// # Errors
/// `Unsupported` for a parameter that the provider has no place for.
pub fn render_transcription_form(
    request: TranscriptionRequest,
    quirks: &Quirks,
) -> Result<Form, ModelError> {
    let shape = quirks.transcription;
    let mut form = Form::new();
    if shape != TranscriptionShape::NamelessForm {
        form = form.text("model", &request.model);
    } else if request.prompt.is_some() {
        return Err(unsupported(OPERATION, "prompt"));
    } else if request.temperature.is_some() {
        return Err(unsupported(OPERATION, "temperature"));
    }
    if let Some(language) = &request.language {
        form = form.text("language", language);
    }
    if let Some(prompt) = &request.prompt {
        form = form.text("prompt", prompt);
    }
    if let Some(temperature) = request.temperature {
        form = form.text("temperature", temperature.to_string());
    }
    if request.segments {
        form = with_segments(form, shape, &request.extra_body);
    }
    form = with_extra(form, &request.extra_body);
    let name = if request.file_name.is_empty() { NAMELESS.into() } else { request.file_name };
    let media_type = request.media_type;
    Ok(form.file("file", File { name, media_type, data: request.audio }))
}

/// Asks for segments with times, unless the caller says in the provider's own words what to report. xAI always tells
/// when each word was said.
fn with_segments(form: Form, shape: TranscriptionShape, extra: &Extra) -> Form {
    let form = if shape == TranscriptionShape::Form && !extra.contains_key("response_format") {
        form.text("response_format", "verbose_json")
    } else {
        form
    };
    let is_said = extra.keys().any(|name| name.trim_end_matches("[]") == "timestamp_granularities");
    if shape == TranscriptionShape::NamelessForm || is_said {
        return form;
    }
    form.text("timestamp_granularities[]", "segment")
}

fn with_extra(mut form: Form, extra: &Extra) -> Form {
    for (name, value) in extra {
        match value {
            Value::Array(items) => {
                let name = format!("{}[]", name.trim_end_matches("[]"));
                for item in items {
                    form = form.text(&name, text_of(item));
                }
            }
            Value::Null => {}
            value => form = form.text(name, text_of(value)),
        }
    }
    form
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The body for providers that take JSON with the sound in base64, as OpenRouter does.
///
/// # Errors
/// `Unsupported` for a prompt, which has no place in it.
pub fn render_transcription_body(
    request: TranscriptionRequest,
) -> Result<Map<String, Value>, ModelError> {
    if request.prompt.is_some() {
        return Err(unsupported(OPERATION, "prompt"));
    }
    let format = format_of(&request.file_name, request.media_type.as_deref());
    let sound = json!({ "data": STANDARD.encode(&request.audio), "format": format });
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    body.insert("input_audio".into(), sound);
    if let Some(language) = request.language {
        body.insert("language".into(), language.into());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if request.segments && !request.extra_body.contains_key("response_format") {
        body.insert("response_format".into(), "verbose_json".into());
        body.insert("timestamp_granularities".into(), json!(["segment"]));
    }
    body.extend(request.extra_body);
    Ok(body)
}

/// `mp3`, `wav` …, from the file's ending or its MIME type; `wav` where neither tells.
fn format_of(file_name: &str, media_type: Option<&str>) -> String {
    let ending = file_name.rsplit_once('.').map(|(_, ending)| ending).filter(|e| !e.is_empty());
    let subtype = || Some(media_type?.split(';').next()?.split_once('/')?.1.trim());
    match ending.or_else(subtype).unwrap_or("wav").to_ascii_lowercase().as_str() {
        "mpeg" | "mpga" => "mp3".to_owned(),
        "x-wav" | "wave" => "wav".to_owned(),
        format => format.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;

    use super::*;

    fn request() -> TranscriptionRequest {
        TranscriptionRequest {
            model: "m".into(),
            audio: "sound".into(),
            file_name: "a.mp3".into(),
            language: Some("en".into()),
            segments: true,
            ..TranscriptionRequest::default()
        }
    }

    fn check(transcription: TranscriptionShape, expected: &[(&str, &str)]) {
        let mut request = request();
        request.extra_body.insert("diarize".into(), json!(true));
        request.extra_body.insert("include".into(), json!(["logprobs", "x"]));
        let quirks = Quirks { transcription, ..Quirks::default() };
        let form = render_transcription_form(request, &quirks).unwrap();
        assert_eq!(form.fields(), expected);
    }

    #[test]
    fn every_form_says_the_same() {
        let extra = [("diarize", "true"), ("include[]", "logprobs"), ("include[]", "x")];
        let segment = ("timestamp_granularities[]", "segment");
        let own =
            [("model", "m"), ("language", "en"), ("response_format", "verbose_json"), segment];
        check(TranscriptionShape::Form, &[&own[..], &extra].concat());
        let own = [("model", "m"), ("language", "en"), segment];
        check(TranscriptionShape::PlainForm, &[&own[..], &extra].concat());
        check(TranscriptionShape::NamelessForm, &[&[("language", "en")], &extra[..]].concat());
    }

    #[test]
    fn the_callers_own_words_win() {
        let mut request = request();
        request.extra_body.insert("response_format".into(), json!("srt"));
        request.extra_body.insert("timestamp_granularities".into(), json!(["word"]));
        let form = render_transcription_form(request, &Quirks::default()).unwrap();
        let fields = form.fields();
        assert!(fields.contains(&("response_format", "srt")) && fields.len() == 4, "{fields:?}");
    }

    #[test]
    fn json_holds_the_sound() {
        let body = render_transcription_body(request()).unwrap();
        assert_eq!(body["input_audio"], json!({ "data": "c291bmQ=", "format": "mp3" }));
        assert_eq!((&body["model"], &body["language"]), (&json!("m"), &json!("en")));
        assert_eq!(format_of("", Some("audio/x-wav; a=b")), "wav");
        let request = TranscriptionRequest { prompt: Some("p".into()), ..request() };
        assert_eq!(render_transcription_body(request).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
