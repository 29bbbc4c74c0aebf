//! Transcription, from the server's side: the form that comes in, and the transcript in the forms that can be asked for.

use bytes::Bytes;
use llm_core::{Transcript, TranscriptionRequest};
use serde_json::{Map, Value};

use crate::openai::RequestError;
use crate::openai::fields::Fields;

/// How the transcript is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranscriptFormat {
    /// `{"text", "usage"}`.
    #[default]
    Json,
    /// The text alone.
    Text,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
    /// JSON with language, length and segments.
    VerboseJson,
}

impl TranscriptFormat {
    /// Whether it tells when something was said.
    pub fn has_times(self) -> bool {
        !matches!(self, Self::Json | Self::Text)
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "json" => Self::Json,
            "text" => Self::Text,
            "srt" => Self::Srt,
            "vtt" => Self::Vtt,
            "verbose_json" => Self::VerboseJson,
            _ => return None,
        })
    }
}

/// A request for a transcript that came in, and what it asks of the reply's form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncomingTranscription {
    /// What to listen to.
    pub request: TranscriptionRequest,
    /// How to write what was heard.
    pub format: TranscriptFormat,
    /// Whether it goes out as server-sent events (`transcript_events`).
    pub in_events: bool,
}

/// The file of a form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoundFile {
    /// Its bytes.
    pub data: Bytes,
    /// Its name.
    pub name: String,
    /// Its MIME type, where the form tells it.
    pub media_type: Option<String>,
}

/// Reads the form of `POST …/audio/transcriptions`, or of `…/audio/translations` where `translate` is set: the fields in
/// their order, and the file. Fields without a name here go on to the provider; `name[]` is a list.
///
/// # Errors
/// A known field that is missing, there twice, or says what it cannot say.
pub fn parse_transcription_form(
    texts: Vec<(String, String)>,
    file: Option<SoundFile>,
    translate: bool,
) -> Result<IncomingTranscription, RequestError> {
    let mut fields = gathered(texts)?;
    let file = file.ok_or_else(|| fields.error("file", "is missing"))?;
    if file.data.is_empty() {
        return Err(fields.error("file", "is empty"));
    }
    let format = match fields.optional::<String>("response_format")? {
        None => TranscriptFormat::default(),
        Some(name) => TranscriptFormat::named(&name).ok_or_else(|| {
            fields.error("response_format", "must be json, text, srt, vtt or verbose_json")
        })?,
    };
    let in_events = parsed(&mut fields, "stream", "must be true or false")?.unwrap_or(false);
    if in_events && format != TranscriptFormat::Json {
        return Err(fields.error("stream", "goes with the response_format json only"));
    }
    let mut request = TranscriptionRequest {
        model: fields.required("model")?,
        audio: file.data,
        file_name: file.name,
        media_type: file.media_type,
        language: fields.optional("language")?,
        prompt: fields.optional("prompt")?,
        temperature: parsed(&mut fields, "temperature", "must be a number")?,
        segments: format.has_times(),
        translate,
        ..TranscriptionRequest::default()
    };
    let granularities = parse_granularities(&mut fields, format)?;
    request.extra_body = fields.rest();
    if let Some(granularities) = granularities {
        request.extra_body.insert("timestamp_granularities".into(), granularities);
    }
    Ok(IncomingTranscription { request, format, in_events })
}

/// Times of segments come with every format that has times; those of words are asked for in the provider's words.
fn parse_granularities(
    fields: &mut Fields,
    format: TranscriptFormat,
) -> Result<Option<Value>, RequestError> {
    const NAME: &str = "timestamp_granularities";
    let granularities = fields.list(NAME)?;
    if granularities.iter().any(|it| it != "segment" && it != "word") {
        return Err(fields.error(NAME, "must be segment or word"));
    }
    if !granularities.is_empty() && format != TranscriptFormat::VerboseJson {
        return Err(fields.error(NAME, "goes with the response_format verbose_json only"));
    }
    let words = granularities.iter().any(|it| it == "word");
    Ok(words.then(|| granularities.into()))
}

/// The fields by name: lists in one place, anything else once.
fn gathered(texts: Vec<(String, String)>) -> Result<Fields, RequestError> {
    let mut map = Map::new();
    for (name, text) in texts {
        match name.strip_suffix("[]") {
            Some(list) => {
                let items = map.entry(list).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(items) = items else {
                    return Err(RequestError::at(list, "is there twice"));
                };
                items.push(text.into());
            }
            None => {
                if map.insert(name.clone(), text.into()).is_some() {
                    return Err(RequestError::at(name, "is there twice"));
                }
            }
        }
    }
    Fields::of(map.into(), "")
}

/// A number or a truth value, written as text.
fn parsed<T: std::str::FromStr>(
    fields: &mut Fields,
    name: &str,
    problem: &str,
) -> Result<Option<T>, RequestError> {
    let text: Option<String> = fields.optional(name)?;
    text.map(|text| text.trim().parse().map_err(|_| fields.error(name, problem))).transpose()
}

/// Whether the format can be written: one with times needs segments wherever something was said.
pub fn has_what_it_takes(transcript: &Transcript, format: TranscriptFormat) -> bool {
    let is_subtitles = matches!(format, TranscriptFormat::Srt | TranscriptFormat::Vtt);
    !is_subtitles || !transcript.segments.is_empty() || transcript.text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(texts: &[(&str, &str)]) -> Result<IncomingTranscription, RequestError> {
        let texts = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let file = SoundFile { data: "sound".into(), name: "a.mp3".into(), media_type: None };
        parse_transcription_form(texts.collect(), Some(file), false)
    }

    #[test]
    fn reads_a_form() {
        let incoming = parse(&[
            ("model", "m"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
            ("temperature", "0.5"),
            ("include[]", "logprobs"),
        ]);
        let incoming = incoming.unwrap();
        assert_eq!(incoming.format, TranscriptFormat::VerboseJson);
        let request = incoming.request;
        assert_eq!((request.segments, request.temperature), (true, Some(0.5)));
        assert_eq!(request.extra_body["timestamp_granularities"], json!(["word", "segment"]));
        assert_eq!(request.extra_body["include"], json!(["logprobs"]));
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        for (texts, param) in [
            (&[][..], "model"),
            (&[("model", "m"), ("model", "n")], "model"),
            (&[("model", "m"), ("response_format", "diarized_json")], "response_format"),
            (&[("model", "m"), ("temperature", "warm")], "temperature"),
            (&[("model", "m"), ("stream", "yes")], "stream"),
            (&[("model", "m"), ("stream", "true"), ("response_format", "srt")], "stream"),
            (&[("model", "m"), ("timestamp_granularities[]", "word")], "timestamp_granularities"),
            (&[("a", "1"), ("a[]", "2")], "a"),
        ] {
            let error = parse(texts).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{texts:?}");
        }
        for file in [None, Some(SoundFile::default())] {
            let error = parse_transcription_form(Vec::new(), file, false).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("file"));
        }
    }
}
