//! What was heard, in the forms that can be asked for.

use std::fmt::Write;

use llm_core::{Transcript, TranscriptSegment};
use serde_json::{Map, Value, json};

use super::TranscriptFormat;

/// The body of a transcript: its MIME type, and what it says. Of segments, begin, end and text are known.
pub fn transcript_body(
    transcript: &Transcript,
    format: TranscriptFormat,
    translated: bool,
) -> (&'static str, String) {
    const PLAIN: &str = "text/plain; charset=utf-8";
    const JSON: &str = "application/json";
    match format {
        TranscriptFormat::Json => (JSON, short(transcript).to_string()),
        TranscriptFormat::VerboseJson => (JSON, verbose(transcript, translated).to_string()),
        TranscriptFormat::Text => (PLAIN, format!("{}\n", transcript.text)),
        TranscriptFormat::Srt => ("application/x-subrip; charset=utf-8", srt(&transcript.segments)),
        TranscriptFormat::Vtt => ("text/vtt; charset=utf-8", vtt(&transcript.segments)),
    }
}

/// The data of the events of a transcript that is there as a whole: its text in one piece, and the end.
pub fn transcript_events(transcript: &Transcript) -> [String; 2] {
    let delta = json!({ "type": "transcript.text.delta", "delta": transcript.text });
    let mut done = Map::from_iter([("type".to_owned(), "transcript.text.done".into())]);
    if let Value::Object(fields) = short(transcript) {
        done.extend(fields);
    }
    [delta.to_string(), Value::Object(done).to_string()]
}

fn short(transcript: &Transcript) -> Value {
    let mut body = json!({ "text": transcript.text });
    if let Some(logprobs) = transcript.extra.get("logprobs") {
        body["logprobs"] = logprobs.clone();
    }
    if let Some(usage) = usage(transcript) {
        body["usage"] = usage;
    }
    body
}

fn verbose(transcript: &Transcript, translated: bool) -> Value {
    let segments: Vec<Value> = transcript
        .segments
        .iter()
        .enumerate()
        .map(|(id, it)| json!({ "id": id, "start": it.start, "end": it.end, "text": it.text }))
        .collect();
    let mut body = json!({
        "task": if translated { "translate" } else { "transcribe" },
        "language": transcript.language,
        "duration": transcript.seconds,
        "text": transcript.text,
        "segments": segments,
    });
    if let Some(words) = transcript.extra.get("words") {
        body["words"] = words.clone();
    }
    if let Some(usage) = usage(transcript) {
        body["usage"] = usage;
    }
    body
}

/// Tokens where the provider counts them, else seconds.
fn usage(transcript: &Transcript) -> Option<Value> {
    let usage = &transcript.usage;
    let Some(total) = usage.total_tokens().filter(|_| !usage.estimated) else {
        let seconds = transcript.seconds.filter(|seconds| seconds.is_finite())?;
        return Some(json!({ "type": "duration", "seconds": seconds.ceil() }));
    };
    let input = usage.input_tokens.unwrap_or(0);
    let mut tokens = json!({
        "type": "tokens", "input_tokens": input, "total_tokens": total,
        "output_tokens": usage.output_tokens.unwrap_or(0),
    });
    if let Some(sound) = usage.audio_input_tokens {
        let details = json!({ "audio_tokens": sound, "text_tokens": input.saturating_sub(sound) });
        tokens["input_token_details"] = details;
    }
    Some(tokens)
}

fn srt(segments: &[TranscriptSegment]) -> String {
    let mut written = String::new();
    for (at, segment) in segments.iter().enumerate() {
        let (start, end) = (clock(segment.start, ','), clock(segment.end, ','));
        // Writing to memory does not fail.
        let _ = write!(written, "{}\n{start} --> {end}\n{}\n\n", at + 1, cue(&segment.text));
    }
    written
}

fn vtt(segments: &[TranscriptSegment]) -> String {
    let mut written = "WEBVTT\n\n".to_owned();
    for segment in segments {
        let (start, end) = (clock(segment.start, '.'), clock(segment.end, '.'));
        let text = cue(&segment.text).replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(written, "{start} --> {end}\n{text}\n\n");
    }
    written
}

/// `01:02:03,004`. Times that are none count as the beginning.
fn clock(seconds: f64, point: char) -> String {
    let milliseconds = (seconds * 1e3).round() as u64;
    let (rest, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}")
}

/// A text that cannot be taken for the frame around it: no empty lines, no arrow.
fn cue(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n").replace("-->", "->")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::Usage;

    use super::*;

    fn transcript() -> Transcript {
        let segment =
            |start, end, text: &str| TranscriptSegment { start, end, text: text.to_owned() };
        Transcript {
            text: "Hi. You & I".into(),
            language: Some("english".into()),
            seconds: Some(3.5),
            segments: vec![segment(0.0, 1.25, " Hi."), segment(3661.0, f64::NAN, "You & I\n\n-->")],
            ..Transcript::default()
        }
    }

    fn check(format: TranscriptFormat, expected: Expect) {
        expected.assert_eq(&transcript_body(&transcript(), format, false).1);
    }

    #[test]
    fn every_form_says_the_same() {
        check(
            TranscriptFormat::Json,
            expect![[r#"{"text":"Hi. You & I","usage":{"type":"duration","seconds":4.0}}"#]],
        );
        check(
            TranscriptFormat::Text,
            expect![[r#"
            Hi. You & I
        "#]],
        );
        check(
            TranscriptFormat::Srt,
            expect![[r#"
            1
            00:00:00,000 --> 00:00:01,250
            Hi.

            2
            01:01:01,000 --> 00:00:00,000
            You & I
            ->

        "#]],
        );
        check(
            TranscriptFormat::Vtt,
            expect![[r#"
            WEBVTT

            00:00:00.000 --> 00:00:01.250
            Hi.

            01:01:01.000 --> 00:00:00.000
            You &amp; I
            ->

        "#]],
        );
    }

    #[test]
    fn tokens_are_told_where_they_are_known() {
        let usage = Usage {
            input_tokens: Some(5),
            output_tokens: Some(2),
            audio_input_tokens: Some(4),
            ..Usage::default()
        };
        let transcript = Transcript { usage, ..transcript() };
        let [_, done] = transcript_events(&transcript);
        let done: Value = serde_json::from_str(&done).unwrap();
        let details = json!({ "audio_tokens": 4, "text_tokens": 1 });
        assert_eq!(done["usage"]["input_token_details"], details);
        assert_eq!(done["type"], "transcript.text.done");
    }
}
