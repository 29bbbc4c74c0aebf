//! Speech and transcription over HTTP: what a caller gets, whole and in pieces.
#![cfg(feature = "audio")]

use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use llm_core::{ErrorKind, ModelError, SpeechRequest, TranscriptionRequest};
use llm_providers::openai::audio::{TranscriptDecoder, TranscriptEvent};
use llm_providers::stream::Progress;
use llm_providers::voice::{Deepgram, ElevenLabs};
use llm_providers::{Access, OpenAi, Quirks, connect};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

fn answering(status: u16, content_type: &str, body: &[u8]) -> Exchange {
    let exchange = json!({
        "id": "own", "provider": "p", "dialect": "own", "wire": "own", "kind": "own",
        "request": { "method": "POST", "url": "" },
        "response": { "status": status, "framing": "own", "body_base64": STANDARD.encode(body),
            "headers": { "content-type": content_type } },
    });
    serde_json::from_value(exchange).unwrap()
}

struct Upstream {
    server: ReplayServer,
    origin: String,
}

impl Upstream {
    async fn answering(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let server = ReplayServer::start().await.unwrap();
        let chunking = Chunking::Random { longest: 7, seed: 1 };
        let origin = server.add(answering(status, content_type, body.as_ref()), chunking);
        Self { server, origin }
    }

    fn openai(&self) -> OpenAi {
        OpenAi::builder("p", &self.origin).api_key("sk-test".into()).build().unwrap()
    }
}

async fn speak(upstream: &Upstream) -> Result<Vec<u8>, ModelError> {
    let request = SpeechRequest { input: "hello".into(), ..SpeechRequest::default() };
    let pieces = upstream.openai().speech("m").speak(request).await?.try_collect::<Vec<_>>();
    Ok(pieces.await?.concat())
}

fn sound() -> TranscriptionRequest {
    let audio = vec![1; 1000].into();
    TranscriptionRequest { audio, file_name: "a.wav".into(), ..TranscriptionRequest::default() }
}

#[tokio::test]
async fn speech_comes_as_it_is_made() {
    let upstream = Upstream::answering(200, "audio/mpeg", b"not really sound").await;
    let request = SpeechRequest { input: "hello".into(), ..SpeechRequest::default() };
    let mut reply = upstream.openai().speech("m").speak(request).await.unwrap();
    let first = reply.next().await.unwrap().unwrap();
    assert!(first.len() < 16, "in pieces");
    let rest = reply.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!([first.as_ref(), &rest].concat(), b"not really sound");
    let seen = &upstream.server.taken("own")[0];
    assert_eq!((seen.path.as_str(), &seen.json()["model"]), ("/audio/speech", &json!("m")));
}

#[tokio::test]
async fn speech_in_events_ends_with_its_last() {
    let delta =
        |sound| format!("data: {{\"type\":\"speech.audio.delta\",\"audio\":\"{sound}\"}}\n\n");
    let done = "data: {\"type\":\"speech.audio.done\",\"usage\":{}}\n\n";
    let events = [delta("aGVs"), delta("bG8="), done.into()].concat();
    let upstream = Upstream::answering(200, "text/event-stream", &events).await;
    assert_eq!(speak(&upstream).await.unwrap(), b"hello");

    let upstream = Upstream::answering(200, "text/event-stream", delta("aGVs")).await;
    assert_eq!(speak(&upstream).await.unwrap_err().kind(), ErrorKind::Malformed);

    let failure = "event: error\ndata: {\"error\":{\"code\":\"server_error\"}}\n\n";
    let events = [&delta("aGVs"), failure].concat();
    let upstream = Upstream::answering(200, "text/event-stream", &events).await;
    let error = speak(&upstream).await.unwrap_err();
    assert_eq!((error.kind(), error.provider(), error.model()), (ErrorKind::Upstream, "p", "m"));
}

#[tokio::test]
async fn refusals_are_typed_and_hold_no_key() {
    let body = json!({ "error": { "code": "rate_limit_exceeded", "message": "sk-test is slow" } });
    let upstream = Upstream::answering(429, "application/json", body.to_string()).await;
    let error = speak(&upstream).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::RateLimit, Some(429)));
    let error = upstream.openai().transcription("m").transcribe(sound()).await.unwrap_err();
    assert_eq!((error.kind(), error.model()), (ErrorKind::RateLimit, "m"));
    assert!(!format!("{error:?}").contains("sk-test"));
}

#[tokio::test]
async fn a_recording_is_sent_as_a_form() {
    let body = json!({ "text": "hello", "segments": [{ "start": 0, "end": 1, "text": "hello" }] });
    let upstream = Upstream::answering(200, "application/json", body.to_string()).await;
    let request = TranscriptionRequest { segments: true, ..sound() };
    let transcript = upstream.openai().transcription("m").transcribe(request).await.unwrap();
    assert_eq!((transcript.text.as_str(), transcript.segments.len()), ("hello", 1));
    let parts = upstream.server.taken("own")[0].form().unwrap();
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["model", "response_format", "timestamp_granularities[]", "file"]);
    let file = parts.last().unwrap();
    assert_eq!((file.file_name.as_deref(), file.data.len()), (Some("a.wav"), 1000));
}

const EVENTS: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"hel\"}\n\n\
    data: {\"type\":\"transcript.text.delta\",\"delta\":\"lo\"}\n\n\
    data: {\"type\":\"transcript.text.done\",\"text\":\"hello\"}\n\n";

#[tokio::test]
async fn transcripts_come_as_they_are_made() {
    let upstream = Upstream::answering(200, "text/event-stream", EVENTS).await;
    let request = TranscriptionRequest { model: "m".into(), ..sound() };
    let reply = upstream.openai().stream_transcript(request).await.unwrap();
    let events: Vec<_> = reply.try_collect().await.unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], TranscriptEvent::Text { text: "hel".into() });
    assert!(matches!(&events[2], TranscriptEvent::Done(whole) if whole.text == "hello"));
    let parts = upstream.server.taken("own")[0].form().unwrap();
    assert!(parts.iter().any(|part| part.name == "stream" && part.data == "true"));

    // Who asks for the whole gets it, though it is streamed.
    let mut request = sound();
    request.extra_body.insert("stream".into(), Value::Bool(true));
    let transcript = upstream.openai().transcription("m").transcribe(request).await.unwrap();
    assert_eq!(transcript.text, "hello");
}

#[tokio::test]
async fn a_transcript_that_breaks_off_is_an_error_after_what_was_said() {
    let (cut, _) = EVENTS.split_at(EVENTS.len() - 30);
    let upstream = Upstream::answering(200, "text/event-stream", cut).await;
    let request = TranscriptionRequest { model: "m".into(), ..sound() };
    let reply = upstream.openai().stream_transcript(request).await.unwrap();
    let events: Vec<Result<TranscriptEvent, ModelError>> = reply.collect().await;
    let [Ok(_), Ok(_), Err(error)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((error.kind(), error.provider(), error.model()), (ErrorKind::Malformed, "p", "m"));
}

#[tokio::test]
async fn services_of_their_own_are_asked_in_their_words() {
    let heard =
        json!({ "results": { "channels": [{ "alternatives": [{ "transcript": "hello" }] }] } });
    let upstream = Upstream::answering(200, "application/json", heard.to_string()).await;
    let deepgram = Deepgram::builder("d").base_url(&upstream.origin).api_key("k".into());
    let model = deepgram.build().unwrap().transcription("nova-3");
    let request = TranscriptionRequest { media_type: Some("audio/wav".into()), ..sound() };
    assert_eq!(model.transcribe(request).await.unwrap().text, "hello");
    let seen = &upstream.server.taken("own")[0];
    assert_eq!((seen.path.as_str(), seen.query.as_str()), ("/listen", "model=nova-3"));
    assert_eq!(seen.headers["authorization"], "Token k");
    assert_eq!(
        (&seen.headers["content-type"], seen.body.len()),
        (&"audio/wav".parse().unwrap(), 1000)
    );

    let upstream = Upstream::answering(200, "audio/mpeg", b"sound").await;
    let labs = ElevenLabs::builder("e").base_url(&upstream.origin).api_key("k".into());
    let request =
        SpeechRequest { input: "hello".into(), voice: Some("v".into()), ..Default::default() };
    let reply = labs.build().unwrap().speech("eleven_v3").speak(request).await.unwrap();
    assert_eq!(reply.try_collect::<Vec<_>>().await.unwrap().concat(), b"sound");
    let seen = &upstream.server.taken("own")[0];
    assert_eq!(
        (seen.path.as_str(), &seen.headers["xi-api-key"]),
        ("/text-to-speech/v/stream", &"k".parse().unwrap())
    );

    let refusal = json!({ "detail": { "status": "quota_exceeded", "message": "used up" } });
    let upstream = Upstream::answering(401, "application/json", refusal.to_string()).await;
    let labs = ElevenLabs::builder("e").base_url(&upstream.origin).build().unwrap();
    let error = labs.transcription("scribe_v1").transcribe(sound()).await.unwrap_err();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Quota, "e"));
}

#[test]
fn rows_lead_to_models_that_speak_and_listen() {
    for name in ["deepgram", "elevenlabs", "openai", "xai", "mistral"] {
        let source = connect(name, Access { key: Some("k".into()), ..Access::default() }).unwrap();
        assert!(source.speech("m").is_some() && source.transcription("m").is_some(), "{name}");
    }
}

static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let exchanges = Exchange::read_all(root, |_| true).unwrap();
    let streams = exchanges.iter().filter(|exchange| exchange.kind == "transcription-stream");
    streams.map(|exchange| exchange.response.bytes()).collect()
});

fn decode(body: &[u8], cuts: &[usize]) -> (Vec<TranscriptEvent>, Result<(), ModelError>) {
    let mut decoder = TranscriptDecoder::new(Quirks::default(), 1 << 20);
    let mut events = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([body.len()]) {
        match decoder.push(&body[from..cut], &mut events) {
            Ok(Progress::More) => from = cut,
            Ok(Progress::Done) => break,
            Err(error) => return (events, Err(error)),
        }
    }
    let result = decoder.end(&mut events);
    (events, result)
}

#[test]
fn any_split_of_a_recording_gives_the_same_events() {
    for body in STREAMS.iter() {
        let (whole, result) = decode(body, &[]);
        result.unwrap();
        for cut in 0..body.len() {
            assert_eq!(decode(body, &[cut]).0, whole, "cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn a_cut_recording_is_an_error(share in 0.0..0.9_f64) {
        for body in STREAMS.iter() {
            let done = body.windows(5).rposition(|window| window == b".done").unwrap_or(0);
            let cut = (done as f64 * share) as usize;
            prop_assert!(decode(&body[..cut], &[]).1.is_err());
        }
    }
}
