//! A whole transcript, out of what providers answer.

use llm_core::{ModelError, Operation, Transcript, TranscriptSegment, Usage};
use serde_json::{Map, Value};

use super::malformed;
use crate::Quirks;
use crate::openai::chat::parse_usage;
use crate::openai::errors;

const OPERATION: Operation = Operation::Transcribe;

/// Reads an answer: JSON with a `text`, or a plain text, which is what was asked for with the formats `text`, `srt` and
/// `vtt` and is handed on as it is.
///
/// Segments are told where the provider gives them, asked or not. What it tells of each word stays in
/// [`Transcript::extra`], as does everything else without a name.
///
/// # Errors
/// The failure that the body tells; `Malformed` for JSON without a text.
pub fn parse_transcript(body: &[u8], quirks: &Quirks) -> Result<Transcript, ModelError> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(fields)) => from_fields(fields, quirks),
        Ok(Value::String(text)) => Ok(Transcript { text, ..Transcript::default() }),
        Ok(Value::Array(_)) => Err(malformed(OPERATION, "this is no transcript")),
        // A text of one word may look like JSON.
        Ok(_) | Err(_) => {
            let text = std::str::from_utf8(body);
            let text = text.map_err(|_| malformed(OPERATION, "the transcript is no text"))?;
            Ok(Transcript { text: text.trim_end_matches('\n').to_owned(), ..Default::default() })
        }
    }
}

/// Takes the fields that have a name and keeps the rest.
pub(super) fn from_fields(
    mut fields: Map<String, Value>,
    quirks: &Quirks,
) -> Result<Transcript, ModelError> {
    let Some(Value::String(text)) = fields.remove("text") else {
        if fields.get("error").is_some_and(|error| !error.is_null()) {
            return Err(errors::from_body(OPERATION, None, &fields.into()));
        }
        return Err(malformed(OPERATION, "the answer holds no transcript"));
    };
    let segments = match fields.remove("segments") {
        Some(Value::Array(segments)) => segments.iter().filter_map(segment).collect(),
        _ => Vec::new(),
    };
    let language = fields.remove("language").and_then(|name| name.as_str().map(str::to_owned));
    let raw_usage = fields.remove("usage").unwrap_or_default();
    let length = fields.remove("duration").as_ref().and_then(seconds_of);
    let seconds = length.or_else(|| {
        ["seconds", "prompt_audio_seconds"]
            .iter()
            .find_map(|name| seconds_of(raw_usage.get(*name)?))
    });
    fields.retain(|_, value| !value.is_null());
    let usage = usage(raw_usage, quirks);
    Ok(Transcript { text, language, seconds, segments, usage, extra: fields })
}

/// A number, or a text of one.
fn seconds_of(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// `{"start": seconds, "end": seconds, "text": …}`; `None` for what is no segment.
pub(super) fn segment(value: &Value) -> Option<TranscriptSegment> {
    Some(TranscriptSegment {
        start: value.get("start")?.as_f64()?,
        end: value.get("end")?.as_f64()?,
        text: value.get("text")?.as_str()?.to_owned(),
    })
}

/// Tokens under the names of chat completions or of Responses. OpenAI writes `input_token_details` here.
pub(super) fn usage(raw: Value, quirks: &Quirks) -> Usage {
    let sound = raw.pointer("/input_token_details/audio_tokens").and_then(Value::as_u64);
    let mut usage = parse_usage(raw, quirks).unwrap_or_default();
    usage.audio_input_tokens = usage.audio_input_tokens.or(sound);
    usage
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;

    use super::*;

    fn parse(body: &str) -> Result<Transcript, ModelError> {
        parse_transcript(body.as_bytes(), &Quirks::default())
    }

    #[test]
    fn reads_json() {
        let transcript = parse(
            r#"{"text":"hi","language":"en","duration":"1.5","task":"transcribe","words":null,
                "segments":[{"start":0.0,"end":1,"text":" hi","id":0},{"text":"no times"}],
                "usage":{"input_tokens":5,"input_token_details":{"audio_tokens":4},"output_tokens":2}}"#,
        )
        .unwrap();
        assert_eq!((transcript.text.as_str(), transcript.seconds), ("hi", Some(1.5)));
        let segment = TranscriptSegment { start: 0.0, end: 1.0, text: " hi".into() };
        assert_eq!(transcript.segments, [segment]);
        assert_eq!(transcript.extra, Map::from_iter([("task".into(), "transcribe".into())]));
        let usage = &transcript.usage;
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(5), Some(2)));
        assert_eq!(usage.audio_input_tokens, Some(4));
        let billed = parse(r#"{"text":"","usage":{"type":"duration","seconds":6}}"#).unwrap();
        assert_eq!((billed.seconds, billed.usage.input_tokens), (Some(6.0), None));
    }

    #[test]
    fn reads_text() {
        let srt = "1\n00:00:00,000 --> 00:00:01,000\nhi\n";
        assert_eq!(parse(srt).unwrap().text, srt.trim_end());
        assert_eq!(parse("42\n").unwrap().text, "42");
        assert_eq!(parse("").unwrap().text, "");
    }

    #[test]
    fn tells_failures() {
        let kind = |body: &str| parse(body).unwrap_err().kind();
        assert_eq!(kind("{}"), ErrorKind::Malformed);
        assert_eq!(kind("[]"), ErrorKind::Malformed);
        assert_eq!(kind(r#"{"error":{"code":"rate_limit_exceeded"}}"#), ErrorKind::RateLimit);
        let no_text = parse_transcript(b"\xff\xfe", &Quirks::default()).unwrap_err();
        assert_eq!(no_text.kind(), ErrorKind::Malformed);
    }
}
