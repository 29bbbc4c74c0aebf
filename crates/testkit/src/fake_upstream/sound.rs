//! Speech and transcripts of a fake upstream.

use std::io;
use std::sync::Arc;

use async_stream::stream;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{json_response, pause, refusal, with_type};
use super::behaviour::{Answer, Behaviour, Fault};
use super::{LiveStream, Shared};
use llm_replay::FormPart;

/// Answers `audio/speech`: the answer's tokens are the pieces of the sound.
pub(super) fn speech(state: Arc<Shared>, behaviour: Behaviour) -> Response {
    let tokens = match behaviour.answer {
        Answer::Status { status, body } => return refusal(status, body),
        Answer::Tokens(tokens) => tokens,
        Answer::ToolCall { .. } => Vec::new(),
    };
    let sound = stream! {
        let mut live = LiveStream::begin(state);
        for (at, token) in tokens.into_iter().enumerate() {
            match behaviour.fault {
                Some(Fault::Silence(place)) if place == at => std::future::pending::<()>().await,
                Some(Fault::Cut(place)) if place == at => {
                    // Lets the server write what it has before it learns of the failure.
                    tokio::task::yield_now().await;
                    live.is_over = true;
                    yield Err(io::ErrorKind::ConnectionReset.into());
                    return;
                }
                _ => {}
            }
            pause(behaviour.token_delay).await;
            live.tokens += 1;
            yield Ok::<_, io::Error>(Bytes::from(token));
        }
        live.is_over = true;
    };
    with_type(Response::new(Body::from_stream(sound)), "audio/mpeg")
}

/// Answers `audio/transcriptions` and `audio/translations` with the answer's text, whatever is to be heard; each token is
/// a segment of a second, where segments are asked for.
pub(super) fn transcript(behaviour: Behaviour, form: &[FormPart]) -> Response {
    let tokens = match behaviour.answer {
        Answer::Status { status, body } => return refusal(status, body),
        Answer::Tokens(tokens) => tokens,
        Answer::ToolCall { .. } => Vec::new(),
    };
    let is_verbose = form
        .iter()
        .any(|part| part.name == "response_format" && part.data.as_ref() == b"verbose_json");
    let mut body = json!({ "text": tokens.concat() });
    if is_verbose {
        let segments = tokens.iter().enumerate();
        let segments = segments
            .map(|(at, text)| json!({ "id": at, "start": at, "end": at + 1, "text": text }));
        body["segments"] = segments.collect::<Vec<Value>>().into();
        body["language"] = "english".into();
        body["duration"] = tokens.len().into();
    } else {
        body["usage"] =
            json!({ "type": "tokens", "input_tokens": 7, "output_tokens": tokens.len() });
    }
    json_response(body)
}
