//! [`TranscriptDecoder`]: the events of a streamed transcript. Pure.

use llm_core::{ModelError, Operation, Transcript, TranscriptSegment};
use serde_json::{Map, Value};

use super::malformed;
use super::transcript::{from_fields, segment};
use crate::Quirks;
use crate::openai::errors;
use crate::sse::{SseDecoder, SseEvent};
use crate::stream::Progress;

const OPERATION: Operation = Operation::Transcribe;

/// One event of a streamed transcript.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TranscriptEvent {
    /// A piece of the text; never cumulative.
    Text {
        /// The delta.
        text: String,
    },
    /// A stretch that is complete, where the provider tells them.
    Segment(TranscriptSegment),
    /// The whole transcript. Comes once, last.
    Done(Box<Transcript>),
}

/// Decodes one transcript as OpenAI streams it (`transcript.text.delta`, `.segment`, `.done`), or Mistral
/// (`transcription.text.delta`, `.language`, `.segment`, `.done`). A stream without its `.done` is an error.
#[derive(Debug)]
pub struct TranscriptDecoder {
    quirks: Quirks,
    frames: SseDecoder,
    text: String,
    language: Option<String>,
    segments: Vec<TranscriptSegment>,
    max_bytes: usize,
    is_done: bool,
}

impl TranscriptDecoder {
    /// A decoder for a provider with these quirks, which refuses events, and texts as a whole, of more than `max_bytes`.
    pub fn new(quirks: Quirks, max_bytes: usize) -> Self {
        Self {
            quirks,
            frames: SseDecoder::new(max_bytes),
            text: String::new(),
            language: None,
            segments: Vec::new(),
            max_bytes,
            is_done: false,
        }
    }

    /// Takes the next bytes, cut anywhere, and appends what they mean.
    ///
    /// # Errors
    /// The provider's failure, or `Malformed`; nothing more may be fed then.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        events: &mut Vec<TranscriptEvent>,
    ) -> Result<Progress, ModelError> {
        while !self.is_done {
            let event = self.frames.next(&mut bytes);
            let Some(event) = event.map_err(|error| malformed(OPERATION, error.to_string()))?
            else {
                return Ok(Progress::More);
            };
            let event = Event::read(&event)?;
            self.event(event, events)?;
        }
        Ok(Progress::Done)
    }

    /// The body is over.
    ///
    /// # Errors
    /// `Malformed` when the transcript is not complete.
    pub fn end(&mut self, events: &mut Vec<TranscriptEvent>) -> Result<(), ModelError> {
        if let (false, Some(event)) = (self.is_done, self.frames.finish()) {
            let event = Event::read(&event)?;
            self.event(event, events)?;
        }
        if self.is_done {
            return Ok(());
        }
        Err(malformed(OPERATION, "the stream ended in the middle of the transcript"))
    }

    fn event(&mut self, event: Event, events: &mut Vec<TranscriptEvent>) -> Result<(), ModelError> {
        match event {
            Event::Text(text) => {
                if self.text.len() + text.len() > self.max_bytes {
                    let message = format!("the transcript is longer than {} bytes", self.max_bytes);
                    return Err(malformed(OPERATION, message));
                }
                self.text.push_str(&text);
                events.push(TranscriptEvent::Text { text });
            }
            Event::Language(language) => self.language = Some(language),
            Event::Segment(segment) => {
                // A segment is at least as long as its event's frame, so their number is bounded, too.
                if self.segments.len() >= self.max_bytes / 16 {
                    return Err(malformed(OPERATION, "the transcript has too many segments"));
                }
                self.segments.push(segment.clone());
                events.push(TranscriptEvent::Segment(segment));
            }
            Event::Done(fields) => {
                events.push(TranscriptEvent::Done(Box::new(self.whole(fields)?)));
                self.is_done = true;
            }
            Event::Other => {}
        }
        Ok(())
    }

    /// What the last event tells, completed by what was told before.
    fn whole(&mut self, mut fields: Map<String, Value>) -> Result<Transcript, ModelError> {
        if !fields.get("text").is_some_and(Value::is_string) {
            fields.insert("text".into(), std::mem::take(&mut self.text).into());
        }
        fields.remove("type");
        let mut transcript = from_fields(fields, &self.quirks)?;
        transcript.language = transcript.language.or(self.language.take());
        if transcript.segments.is_empty() {
            transcript.segments = std::mem::take(&mut self.segments);
        }
        Ok(transcript)
    }
}

enum Event {
    Text(String),
    Language(String),
    Segment(TranscriptSegment),
    Done(Map<String, Value>),
    Other,
}

impl Event {
    fn read(event: &SseEvent<'_>) -> Result<Self, ModelError> {
        if event.data.trim().is_empty() || event.data == "[DONE]" {
            return Ok(Event::Other);
        }
        let Ok(Value::Object(fields)) = serde_json::from_str(&event.data) else {
            return Err(malformed(OPERATION, "an event of the transcript is no JSON object"));
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = text("type").unwrap_or_else(|| event.name.to_string());
        Ok(match kind.as_str() {
            "transcript.text.delta" | "transcription.text.delta" => {
                Event::Text(text("delta").or_else(|| text("text")).unwrap_or_default())
            }
            "transcription.language" => {
                text("audio_language").map_or(Event::Other, Event::Language)
            }
            "transcript.text.segment" | "transcription.segment" => {
                segment(&fields.into()).map_or(Event::Other, Event::Segment)
            }
            "transcript.text.done" | "transcription.done" => Event::Done(fields),
            kind if kind == "error"
                || fields.get("error").is_some_and(|error| !error.is_null()) =>
            {
                return Err(errors::from_body(OPERATION, None, &fields.into()));
            }
            _ => Event::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use llm_core::ErrorKind;
    use proptest::prelude::*;

    use super::*;

    const OPENAI: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"hé\"}\r\n\r\n\
        data: {\"type\":\"transcript.text.segment\",\"start\":0,\"end\":1.5,\"text\":\"hé\"}\r\n\r\n\
        data: {\"type\":\"transcript.text.delta\",\"delta\":\"llo\"}\r\n\r\n\
        data: {\"type\":\"transcript.text.done\",\"text\":\"héllo\",\"usage\":{\"input_tokens\":3}}\r\n\r\n\
        data: [DONE]\r\n\r\n";

    const MISTRAL: &str = "event: transcription.language\n\
        data: {\"type\":\"transcription.language\",\"audio_language\":\"fr\"}\n\n\
        event: transcription.text.delta\n\
        data: {\"type\":\"transcription.text.delta\",\"text\":\"hé\"}\n\n\
        event: transcription.done\n\
        data: {\"type\":\"transcription.done\",\"model\":\"m\",\"text\":\"hé\",\"segments\":[]}\n\n";

    fn decode(chunks: &[&[u8]]) -> (Vec<TranscriptEvent>, Result<(), ModelError>) {
        let mut decoder = TranscriptDecoder::new(Quirks::default(), 10_000);
        let mut events = Vec::new();
        let mut all = || {
            for chunk in chunks {
                if decoder.push(chunk, &mut events)? == Progress::Done {
                    break;
                }
            }
            decoder.end(&mut events)
        };
        let result = all();
        (events, result)
    }

    #[test]
    fn reads_both_dialects() {
        let (events, result) = decode(&[OPENAI.as_bytes()]);
        result.unwrap();
        let [first, segment, second, TranscriptEvent::Done(whole)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(first, &TranscriptEvent::Text { text: "hé".into() });
        assert!(matches!(segment, TranscriptEvent::Segment(segment) if segment.end == 1.5));
        assert_eq!(second, &TranscriptEvent::Text { text: "llo".into() });
        assert_eq!((whole.text.as_str(), whole.segments.len()), ("héllo", 1));
        assert_eq!(whole.usage.input_tokens, Some(3));

        let (events, result) = decode(&[MISTRAL.as_bytes()]);
        result.unwrap();
        let Some(TranscriptEvent::Done(whole)) = events.last() else { panic!("{events:?}") };
        assert_eq!((whole.text.as_str(), whole.language.as_deref()), ("hé", Some("fr")));
    }

    #[test]
    fn failures_come_after_what_was_said() {
        let delta = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n";
        for (rest, kind) in [
            ("", ErrorKind::Malformed),
            ("data: [DONE]\n\n", ErrorKind::Malformed),
            ("data: nothing\n\n", ErrorKind::Malformed),
            ("data: {\"error\":{\"code\":\"server_error\"}}\n\n", ErrorKind::Upstream),
        ] {
            let (events, result) = decode(&[delta.as_bytes(), rest.as_bytes()]);
            assert_eq!(events.len(), 1, "{rest}");
            assert_eq!(result.unwrap_err().kind(), kind, "{rest}");
        }
    }

    #[test]
    fn texts_without_end_are_refused() {
        let delta = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"0123456789\"}\n\n";
        let (_, result) = decode(&[delta.repeat(1001).as_bytes()]);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(cuts in prop::collection::vec(0..OPENAI.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&OPENAI.as_bytes()[from..cut]);
                from = cut;
            }
            chunks.push(&OPENAI.as_bytes()[from..]);
            prop_assert_eq!(decode(&chunks).0, decode(&[OPENAI.as_bytes()]).0);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[b"data: ", &bytes, b"\n\n"]);
        }
    }
}
