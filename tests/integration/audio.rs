//! Speech and transcripts, in OpenAI's shapes.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::client::{Answer, Client};
use crate::site::Site;

const SPEECH: &str = "/v1/audio/speech";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

fn words(model: &str) -> Value {
    json!({ "model": model, "input": "Hello to you.", "voice": "alloy", "response_format": "wav" })
}

/// Sends a form with the sound `sound` in a file, unless there is to be none.
async fn hear(client: &Client, path: &str, fields: &[(&str, &str)], sound: Option<&str>) -> Answer {
    const EDGE: &str = "cut-here";
    let head = |name: &str| format!("--{EDGE}\r\ncontent-disposition: form-data; name=\"{name}\"");
    let mut form = String::new();
    if let Some(sound) = sound {
        let head = head("file");
        form += &format!(
            "{head}; filename=\"talk.mp3\"\r\ncontent-type: audio/mpeg\r\n\r\n{sound}\r\n"
        );
    }
    for (name, value) in fields {
        form += &format!("{}\r\n\r\n{value}\r\n", head(name));
    }
    form += &format!("--{EDGE}--\r\n");
    let request = client.http.post(format!("{}{path}", client.base)).body(form);
    let kind = format!("multipart/form-data; boundary={EDGE}");
    Client::answer(request.header("content-type", kind)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_comes_as_it_is_or_in_events() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::text("RIFF of sound"));
    let spoken = site.client.post(SPEECH, &words("fake/voice")).await;
    assert_eq!((spoken.status, spoken.text.as_str()), (200, "RIFF of sound"), "{spoken:?}");
    assert_eq!(spoken.header("content-type"), "audio/wav");
    assert_eq!(spoken.header("x-colloquy-model"), "fake/voice");
    let sent = site.upstream.requests().pop().unwrap().json();
    assert_eq!(
        sent,
        json!({ "model": "voice", "input": "Hello to you.", "voice": "alloy", "response_format": "wav" })
    );

    let mut request = words("fake/voice");
    request["stream_format"] = "sse".into();
    let spoken = site.client.post(SPEECH, &request).await;
    let events: Vec<Value> =
        spoken.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let (done, deltas) = events.split_last().unwrap();
    assert_eq!(done["type"], "speech.audio.done");
    assert!(!deltas.is_empty() && deltas.iter().all(|it| it["type"] == "speech.audio.delta"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_that_breaks_off_does_not_end_well() {
    let site = Site::start(&[]).await;
    let pace = Duration::from_millis(20);
    site.upstream.always(Behaviour::text("one two three").every(pace).cut_after(2));
    let response = site.client.open(SPEECH, &words("fake/voice")).await;
    assert_eq!(response.status(), 200);
    let pieces: Vec<_> = response.bytes_stream().collect().await;
    assert!(pieces.last().unwrap().is_err(), "{pieces:?}");

    let mut request = words("fake/voice");
    request["stream_format"] = "sse".into();
    let spoken = site.client.post(SPEECH, &request).await;
    let last: Value = serde_json::from_str(spoken.events().last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("api_error")));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_in_the_middle_of_speech_ends_it() {
    let site = Site::start(&[]).await;
    let long = "word ".repeat(10_000);
    site.upstream.always(Behaviour::text(&long).every(Duration::from_millis(5)));
    let mut body = site.client.open(SPEECH, &words("fake/voice")).await.bytes_stream();
    body.next().await.unwrap().unwrap();
    site.until("colloquy_live_streams 1").await;
    drop(body);
    let end = tokio::time::timeout(Duration::from_secs(5), site.upstream.closed()).await;
    assert!(end.expect("the upstream sees it").by_client);
    site.until("colloquy_live_streams 0").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transcript_comes_in_the_form_that_is_asked_for() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::text("Good evening."));
    let heard = async |format: &str| {
        let fields = [("model", "fake/ear"), ("response_format", format), ("language", "en")];
        let heard = hear(&site.client, TRANSCRIPTIONS, &fields, Some("sound")).await;
        assert_eq!(heard.status, 200, "{}", heard.text);
        heard
    };
    let json = heard("json").await.json();
    assert_eq!(
        (&json["text"], &json["usage"]["input_tokens"]),
        (&json!("Good evening."), &json!(7))
    );
    assert_eq!(heard("text").await.text, "Good evening.\n");
    let srt = heard("srt").await;
    assert!(srt.text.starts_with("1\n00:00:00,000 --> 00:00:01,000\nGood\n"), "{}", srt.text);
    let vtt = heard("vtt").await;
    assert!(vtt.text.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nGood\n"));
    assert!(vtt.header("content-type").starts_with("text/vtt"));
    let verbose = heard("verbose_json").await.json();
    assert_eq!((&verbose["task"], &verbose["duration"]), (&json!("transcribe"), &json!(2.0)));
    assert_eq!(verbose["segments"][1]["text"], "evening.");

    let form = site.upstream.requests().pop().unwrap();
    assert_eq!(form.path, "/v1/audio/transcriptions");
    let form = form.form().unwrap();
    let file = form.iter().find(|part| part.name == "file").unwrap();
    assert_eq!((file.file_name.as_deref(), &file.data[..]), (Some("talk.mp3"), &b"sound"[..]));
    assert!(form.iter().any(|part| part.name == "language" && part.data == "en"));

    let fields = [("model", "fake/ear"), ("stream", "true")];
    let streamed = hear(&site.client, TRANSCRIPTIONS, &fields, Some("sound")).await.events();
    assert!(streamed[0].contains("transcript.text.delta") && streamed[1].contains("text.done"));

    let path = "/v1/audio/translations";
    let fields = [("model", "fake/ear"), ("response_format", "verbose_json")];
    let translated = hear(&site.client, path, &fields, Some("sound")).await.json();
    assert_eq!(
        (&translated["task"], &translated["text"]),
        (&json!("translate"), &json!("Good evening."))
    );
    assert_eq!(site.upstream.requests().pop().unwrap().path, "/v1/audio/translations");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named() {
    let site = Site::start_with(&[], |config| config.server.max_body_bytes = 100_000).await;
    for (body, status, param) in [
        (json!({ "input": "Hi", "voice": "v" }), 400, json!("model")),
        (json!({ "model": "fake/voice", "voice": "v" }), 400, json!("input")),
        (json!({ "model": "nobody/voice", "input": "Hi" }), 404, json!("model")),
        (json!({ "model": "fake/voice", "input": "x".repeat(200_000) }), 413, json!(null)),
    ] {
        let refused = site.client.post(SPEECH, &body).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert_eq!(refused.json()["error"]["param"], param, "{}", refused.text);
    }
    let model = ("model", "fake/ear");
    for (fields, sound, status, param) in [
        (&[model][..], None, 400, json!("file")),
        (&[model], Some(""), 400, json!("file")),
        (&[], Some("sound"), 400, json!("model")),
        (&[model, model], Some("sound"), 400, json!("model")),
        (&[model, ("response_format", "docx")], Some("sound"), 400, json!("response_format")),
        (&[model, ("temperature", "warm")], Some("sound"), 400, json!("temperature")),
        (&[model, ("prompt", &"x".repeat(70_000))], Some("sound"), 400, json!("prompt")),
        (&[model], Some(&"x".repeat(200_000)), 413, json!(null)),
    ] {
        let refused = hear(&site.client, TRANSCRIPTIONS, fields, sound).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert_eq!(refused.json()["error"]["param"], param, "{}", refused.text);
    }
    let refused = site.client.post(TRANSCRIPTIONS, &json!({ "model": "fake/ear" })).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(site.upstream.calls(), 0, "nobody was asked");

    site.upstream.always(Behaviour::status(429).header("retry-after", "3"));
    let fields = [model];
    let refused = hear(&site.client, TRANSCRIPTIONS, &fields, Some("sound")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "3"));
    assert_eq!(refused.json()["error"]["upstream"]["status"], 429);
    let refused = site.client.post(SPEECH, &words("fake/voice")).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    site.stop().await;
}
