//! Calls of the real client to a fake provider, recorded, and the same calls again from the recordings.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use llm_core::{ChatEvent, ChatRequest, EmbeddingRequest, Message, ModelError};
use llm_providers::OpenAi;
use llm_replay::{
    Chunking, Exchange, Pace, Recorder, RecorderLimits, Recordings, ReplayOptions, Replayer,
};
use testkit::{Behaviour, FakeUpstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "a-key-that-nobody-may-see/42";

fn client(origin: &str, key: &str) -> OpenAi {
    OpenAi::builder("fake", format!("{origin}/v1")).api_key(key.into()).build().unwrap()
}

fn question(text: &str) -> ChatRequest {
    ChatRequest::new(vec![Message::user(text)])
}

/// Everything that a caller sees of a call. Times and the like are not part of events.
async fn events(client: &OpenAi, request: ChatRequest) -> (Vec<ChatEvent>, Option<String>) {
    let mut seen = Vec::new();
    let error = async {
        let mut reply = client.chat("m").chat(request).await?;
        while let Some(event) = reply.try_next().await? {
            seen.push(event);
        }
        Ok::<_, ModelError>(())
    };
    let error = error.await.err().map(|error| format!("{:?} {error}", error.kind()));
    (seen, error)
}

/// A recorder in front of a fake provider.
struct Site {
    upstream: FakeUpstream,
    recorder: Recorder,
    folder: tempfile::TempDir,
    origin: String,
}

impl Site {
    async fn start(limits: RecorderLimits) -> Self {
        let upstream = FakeUpstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::start(folder.path(), limits).await.unwrap();
        let origin = recorder.add("fake", &upstream.base_url().parse().unwrap()).unwrap();
        Self { upstream, recorder, folder, origin }
    }

    fn client(&self) -> OpenAi {
        client(&self.origin, KEY)
    }

    /// What was written.
    async fn finish(self) -> (tempfile::TempDir, Vec<Exchange>) {
        self.recorder.finish().await;
        let recordings = Recordings::read(self.folder.path()).unwrap();
        (self.folder, recordings.exchanges().to_vec())
    }
}

async fn replayer(folder: &Path, options: ReplayOptions) -> Replayer {
    Replayer::start_with(Recordings::read(folder).unwrap(), options).await.unwrap()
}

#[tokio::test]
async fn what_was_recorded_is_answered_again() {
    let site = Site::start(RecorderLimits::default()).await;
    let client_then = site.client();
    let calls = [
        (Behaviour::text("because of the air"), question("streamed").streamed()),
        (Behaviour::text("because of the air"), question("whole")),
        (Behaviour::tool_call("look", r#"{"at": "the sky"}"#), question("tool").streamed()),
        (Behaviour::status(429).header("retry-after", "7"), question("refused")),
        (Behaviour::status(401).body(&format!("no such key: {KEY}")), question("key")),
        (Behaviour::tokens(20).cut_after(5), question("cut").streamed()),
        (Behaviour::tokens(20).malformed_after(5), question("malformed").streamed()),
    ];
    let mut then = Vec::new();
    for (behaviour, request) in calls.clone() {
        site.upstream.next(behaviour);
        then.push(events(&client_then, request).await);
    }
    let embedding = EmbeddingRequest::documents(["one", "two"]);
    let vectors = client_then.embedding("e").embed(embedding.clone()).await.unwrap();

    let (folder, exchanges) = site.finish().await;
    assert_eq!(exchanges.len(), calls.len() + 1);
    let kinds: Vec<&str> = exchanges.iter().map(|exchange| exchange.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "chat-stream",
            "chat",
            "chat-stream",
            "error",
            "error",
            "chat-stream",
            "chat-stream",
            "embedding"
        ]
    );
    assert!(exchanges[5].has_feature("incomplete_stream") && exchanges[5].response.broke_off);
    assert_no_secret(folder.path());

    for chunking in [Chunking::Whole, Chunking::Recorded, Chunking::Random { longest: 9, seed: 1 }]
    {
        let replayer =
            replayer(folder.path(), ReplayOptions { chunking, ..Default::default() }).await;
        let client_now = client(&replayer.origin("fake"), "another key");
        for ((_, request), (seen, error)) in calls.iter().zip(&then) {
            let (seen_now, error_now) = events(&client_now, request.clone()).await;
            assert_eq!(seen_now, *seen);
            assert_eq!(error_now.is_some(), error.is_some(), "{error:?}, now {error_now:?}");
        }
        let now = client_now.embedding("e").embed(embedding.clone()).await.unwrap();
        assert_eq!(now.vectors, vectors.vectors);
    }
}

fn assert_no_secret(folder: &Path) {
    for entry in std::fs::read_dir(folder.join("fake")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(KEY) && !text.contains(r"see\/42"), "{}", path.display());
        assert!(text.contains("REDACTED"), "{}", path.display());
    }
}

#[tokio::test]
async fn a_recording_tells_how_it_was_spoken_to() {
    let site = Site::start(RecorderLimits::default()).await;
    let port = site.upstream.base_url();
    events(&site.client(), question("why").streamed()).await;
    let (folder, exchanges) = site.finish().await;
    let exchange = &exchanges[0];
    assert_eq!(exchange.request.url, format!("{port}/chat/completions"));
    assert_eq!((exchange.wire.as_str(), exchange.model.as_deref()), ("openai-chat", Some("m")));
    assert_eq!(exchange.request.headers["authorization"], "REDACTED");
    assert_eq!(exchange.response.headers["x-request-id"], "req-fake");
    let lengths: usize = exchange.response.chunk_lengths.as_ref().unwrap().iter().sum();
    assert_eq!(lengths, exchange.response.bytes().len());
    let file = folder.path().join("fake").join(format!("{}.json", exchange.id));
    assert!(file.is_file());

    let provider = &Recordings::read(folder.path()).unwrap().providers()[0];
    let found = [&provider.name, &provider.origin, &provider.base_path, &provider.wire];
    assert_eq!(found, ["fake", port.trim_end_matches("/v1"), "/v1", "openai-chat"]);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_upstream_and_is_kept() {
    let site = Site::start(RecorderLimits::default()).await;
    site.upstream.next(Behaviour::tokens(10_000).every(Duration::from_millis(1)));
    let mut reply = site.client().chat("m").chat(question("why").streamed()).await.unwrap();
    while !matches!(reply.next().await, Some(Ok(ChatEvent::Text { .. }))) {}
    drop(reply);
    assert!(site.upstream.closed().await.by_client);
    let (_, exchanges) = site.finish().await;
    assert!(exchanges[0].has_feature("incomplete_stream"));
    assert!(exchanges[0].response.body.as_ref().unwrap().contains("t0"));
}

#[tokio::test]
async fn what_is_too_large_passes_and_is_not_kept() {
    let mut limits = RecorderLimits::default();
    limits.max_response_bytes = 1_000;
    let site = Site::start(limits).await;
    site.upstream.next(Behaviour::tokens(500));
    let (seen, error) = events(&site.client(), question("long").streamed()).await;
    assert!(seen.len() > 500 && error.is_none());
    events(&site.client(), question("short")).await;
    let (_, exchanges) = site.finish().await;
    assert_eq!(exchanges.len(), 1);
    assert_eq!(exchanges[0].kind, "chat");

    let mut limits = RecorderLimits::default();
    limits.max_request_bytes = 1_000;
    let site = Site::start(limits).await;
    let (seen, error) = events(&site.client(), question(&"long ".repeat(100_000))).await;
    assert!(!seen.is_empty() && error.is_none());
    let arrived = site.upstream.requests()[0].body.len();
    assert!(arrived > 500_000, "{arrived}");
    assert_eq!(site.finish().await.1.len(), 0);
}

#[tokio::test]
async fn one_request_asked_again_gets_the_next_answer() {
    let site = Site::start(RecorderLimits::default()).await;
    for text in ["first", "second"] {
        site.upstream.next(Behaviour::text(text));
        events(&site.client(), question("why")).await;
    }
    let (folder, _) = site.finish().await;
    let replayer = replayer(folder.path(), ReplayOptions::default()).await;
    let client = client(&replayer.origin("fake"), "any");
    for expected in ["first", "second", "second"] {
        let (seen, _) = events(&client, question("why")).await;
        let is_it =
            |event: &ChatEvent| matches!(event, ChatEvent::Text { text, .. } if text == expected);
        assert!(seen.iter().any(is_it), "{expected}: {seen:?}");
    }
}

#[tokio::test]
async fn what_was_not_recorded_is_told_with_what_is_nearest() {
    let site = Site::start(RecorderLimits::default()).await;
    events(&site.client(), question("why is the sky blue")).await;
    events(&site.client(), question("why is the sky blue").streamed()).await;
    let (folder, exchanges) = site.finish().await;
    let replayer = replayer(folder.path(), ReplayOptions::default()).await;
    let client_now = client(&replayer.origin("fake"), "any");

    let (_, error) = events(&client_now, question("why is the sea blue")).await;
    let error = error.unwrap();
    assert!(error.contains("NotFound"), "{error}");
    assert!(error.contains(&exchanges[0].id) && error.contains("`/messages/0/content`"), "{error}");

    let error =
        client_now.embedding("e").embed(EmbeddingRequest::documents(["one"])).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no recording of POST /v1/embeddings"), "{error}");
    assert!(error.contains("POST /v1/chat/completions"), "{error}");

    let (_, error) = events(&client(&replayer.origin("other"), "any"), question("why")).await;
    assert!(error.unwrap().contains("no recording of the provider `other`"));
}

#[tokio::test]
async fn an_answer_can_take_as_long_as_it_took() {
    const GAP: Duration = Duration::from_millis(20);
    let site = Site::start(RecorderLimits::default()).await;
    site.upstream.next(Behaviour::tokens(5).every(GAP).after(GAP));
    events(&site.client(), question("slow").streamed()).await;
    let (folder, _) = site.finish().await;
    let options = ReplayOptions { chunking: Chunking::Recorded, pace: Pace::Recorded };
    let replayer = replayer(folder.path(), options).await;
    let began = std::time::Instant::now();
    events(&client(&replayer.origin("fake"), "any"), question("slow").streamed()).await;
    // Five gaps at least, less what rounding takes.
    assert!(began.elapsed() >= 5 * GAP - Duration::from_millis(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(folder.path(), RecorderLimits::default()).await.unwrap();
    // Port 9 is `discard`, which nothing listens on.
    let origin = recorder.add("gone", &"http://127.0.0.1:9".parse().unwrap()).unwrap();
    let (_, error) = events(&client(&origin, KEY), question("why")).await;
    assert!(error.unwrap().contains("the recorder got no answer from http://127.0.0.1:9"));
    recorder.finish().await;
    assert_eq!(Recordings::read(folder.path()).unwrap().exchanges().len(), 0);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(folder.path(), RecorderLimits::default()).await.unwrap();
    for (name, url) in [
        ("", "http://a.example"),
        ("..", "http://a.example"),
        ("a/b", "http://a.example"),
        ("a", "ftp://a.example"),
        ("a", "http://me:secret@a.example"),
    ] {
        let error = recorder.add(name, &url.parse().unwrap()).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let public = "0.0.0.0:0".parse().unwrap();
    assert!(Recorder::start_at(public, folder.path(), RecorderLimits::default()).await.is_err());
}

#[tokio::test]
async fn requests_pass_as_they_are_without_the_headers_of_the_connection() {
    let site = Site::start(RecorderLimits::default()).await;
    let body = r#"{ "model":"m", "messages":[] }"#;
    let head = format!(
        "POST /fake/v1/chat/completions?key=some-secret-key&a=%2F HTTP/1.1\r\nhost: elsewhere\r\n\
         connection: close, x-hop\r\nx-hop: 1\r\nte: trailers\r\naccept-encoding: gzip\r\nx-kept: 1\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(site.recorder.address()).await.unwrap();
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("It is as you say."), "{answer}");

    let seen = &site.upstream.requests()[0];
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.body, body);
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert_eq!(seen.headers["x-kept"], "1");
    assert!(site.upstream.base_url().contains(seen.headers["host"].to_str().unwrap()));
    for name in ["x-hop", "te"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    let base = site.upstream.base_url();
    let (_, exchanges) = site.finish().await;
    assert_eq!(exchanges[0].request.url, format!("{base}/chat/completions?key=REDACTED&a=%2F"));
}
