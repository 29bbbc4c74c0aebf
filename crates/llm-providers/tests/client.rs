//! The real client against a real server: faults, limits, cancellation, and the one pool of connections.

use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use llm_core::{
    ChatEvent, ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind, FinishReason, Message,
    ModelError, Retry, RetryHint, Sampling, Unsupported,
};
use llm_providers::{OpenAi, TransportOptions, catalogue};
use serde_json::json;
use testkit::{Behaviour, FakeUpstream};

fn provider(upstream: &FakeUpstream) -> OpenAi {
    OpenAi::builder("fake", upstream.base_url()).api_key("sk-test".into()).build().unwrap()
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("why is the sky blue")])
}

async fn ask(upstream: &FakeUpstream, request: ChatRequest) -> Result<ChatResponse, ModelError> {
    ChatResponse::collect(provider(upstream).chat("m").chat(request).await?).await
}

#[tokio::test]
async fn answers_streamed_and_whole_are_the_same() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::text("because of the air"));
    let whole = ask(&upstream, question()).await.unwrap();
    let streamed = ask(&upstream, question().streamed()).await.unwrap();
    assert_eq!(whole, streamed);
    assert_eq!(whole.text(), "because of the air");
    assert_eq!(whole.choices[0].finish, FinishReason::Stop);
    assert_eq!((whole.usage.input_tokens, whole.usage.output_tokens), (Some(5), Some(4)));
    assert_eq!(whole.started.request_id.as_deref(), Some("req-fake"));

    let seen = &upstream.requests()[1];
    assert_eq!(seen.headers["authorization"], "Bearer sk-test");
    assert_eq!(seen.json()["stream_options"], json!({ "include_usage": true }));
    assert_eq!(seen.json()["model"], "m");
}

#[tokio::test]
async fn tool_calls_come_whole() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::tool_call("look", r#"{"at": "the sky"}"#));
    for request in [question(), question().streamed()] {
        let response = ask(&upstream, request).await.unwrap();
        let calls: Vec<_> = response.choices[0].message.tool_calls().collect();
        assert_eq!(calls[0].parsed_arguments().unwrap(), json!({ "at": "the sky" }));
        assert_eq!((calls.len(), calls[0].id.as_str()), (1, "call_fake"));
        assert_eq!(response.choices[0].finish, FinishReason::ToolCalls);
    }
}

#[tokio::test]
async fn refusals_tell_kind_hint_and_request_id() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::status(429).header("retry-after", "7"));
    upstream.next(Behaviour::status(401));
    upstream.next(Behaviour::status(503).body("<html>busy</html>"));
    for (kind, retry) in [
        (ErrorKind::RateLimit, Retry::After(Duration::from_secs(7))),
        (ErrorKind::Authentication, Retry::Exhausted),
        (ErrorKind::Overloaded, Retry::Now),
    ] {
        let error = ask(&upstream, question().streamed()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry));
        assert_eq!((error.provider(), error.model()), ("fake", "m"));
        assert_eq!(error.request_id(), Some("req-fake"));
        assert!(!format!("{error:?}").contains("sk-test"));
    }
}

#[tokio::test]
async fn a_key_that_comes_back_is_struck_out() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::status(401).body(r#"{"error":{"message":"no such key: sk-test"}}"#));
    let error = ask(&upstream, question()).await.unwrap_err();
    assert_eq!(error.message(), "no such key: [redacted]");
}

#[tokio::test]
async fn faults_in_a_stream_come_after_what_was_said() {
    let upstream = FakeUpstream::start().await.unwrap();
    let overloaded = json!({ "message": "busy", "code": 503 });
    for (behaviour, kind) in [
        (Behaviour::tokens(9).cut_after(3), ErrorKind::Connection),
        (Behaviour::tokens(9).malformed_after(3), ErrorKind::Malformed),
        (Behaviour::tokens(9).error_after(3, overloaded), ErrorKind::Overloaded),
    ] {
        upstream.next(behaviour);
        let reply = provider(&upstream).chat("m").chat(question().streamed()).await.unwrap();
        let items: Vec<_> = reply.collect().await;
        let texts = items.iter().filter(|item| matches!(item, Ok(ChatEvent::Text { .. }))).count();
        assert_eq!(texts, 3);
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.provider()), (kind, "fake"));
    }
}

#[tokio::test]
async fn a_web_page_is_shown_whatever_was_asked_for() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::page("\n<html>sign in</html>"));
    for request in [question(), question().streamed()] {
        let error = ask(&upstream, request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains("<html>sign in"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_done_is_complete() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::text("as you say").without_done());
    assert_eq!(ask(&upstream, question().streamed()).await.unwrap().text(), "as you say");
}

#[tokio::test]
async fn dropping_the_reply_closes_the_connection() {
    let upstream = FakeUpstream::start().await.unwrap();
    for behaviour in [
        Behaviour::tokens(10_000).every(Duration::from_millis(2)),
        Behaviour::tokens(9).silent_after(2),
    ] {
        // A busy machine may be late once, not every time.
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            upstream.next(behaviour.clone());
            fastest = fastest.min(time_to_close(&upstream).await);
        }
        assert!(fastest < Duration::from_millis(50), "closed after {fastest:?}");
    }
}

/// How long after the reply was dropped the server noticed.
async fn time_to_close(upstream: &FakeUpstream) -> Duration {
    let mut reply = provider(upstream).chat("m").chat(question().streamed()).await.unwrap();
    while !matches!(reply.try_next().await.unwrap(), Some(ChatEvent::Text { .. })) {}
    let left = Instant::now();
    drop(reply);
    let end = tokio::time::timeout(Duration::from_secs(5), upstream.closed()).await.unwrap();
    assert!(end.by_client);
    end.at.saturating_duration_since(left)
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::text("late").after(Duration::from_secs(3600)));
    let model = provider(&upstream).chat("m");
    let call = model.chat(question());
    tokio::select! {
        _ = call => panic!("answered"),
        () = upstream.requested(1) => {}
    }
    // The dropped call does not keep the pool from serving the next one.
    upstream.next(Behaviour::text("at once"));
    let reply = model.chat(question()).await.unwrap();
    assert_eq!(ChatResponse::collect(reply).await.unwrap().text(), "at once");
}

#[tokio::test]
async fn calls_share_connections() {
    let upstream = FakeUpstream::start().await.unwrap();
    let provider = provider(&upstream);
    for at in 0..40 {
        let model = provider.chat(format!("m{}", at % 4));
        let request = if at % 2 == 0 { question() } else { question().streamed() };
        ChatResponse::collect(model.chat(request).await.unwrap()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once_lose_nothing() {
    const STREAMS: usize = 300;
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::tokens(50).every(Duration::from_millis(1)));
    let model = provider(&upstream).chat("m");
    let expected: String = (0..50).map(|at| format!("t{at} ")).collect();
    let calls = (0..STREAMS).map(|_| async {
        let reply = model.chat(question().streamed()).await?;
        ChatResponse::collect(reply).await
    });
    for response in join_all(calls).await {
        let response = response.unwrap();
        assert_eq!(response.text(), expected);
        assert_eq!(response.usage.output_tokens, Some(50));
    }
    assert_eq!(upstream.live_streams(), 0);
}

#[tokio::test]
async fn endless_and_oversized_answers_are_refused() {
    let upstream = FakeUpstream::start().await.unwrap();
    let options = TransportOptions {
        max_event_bytes: 1000,
        max_body_bytes: 1000,
        max_error_bytes: 100,
        ..TransportOptions::default()
    };
    let provider = OpenAi::builder("fake", upstream.base_url()).transport(options).build().unwrap();
    let long = "x".repeat(5000);

    upstream.next(Behaviour::text(&long));
    let reply = provider.chat("m").chat(question().streamed()).await.unwrap();
    let error = ChatResponse::collect(reply).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);

    upstream.next(Behaviour::text(&long));
    let error = provider.chat("m").chat(question()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);

    upstream.next(Behaviour::status(500).body(&long));
    let error = provider.chat("m").chat(question()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(error.message().len() <= 100);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_connection_error() {
    let upstream = FakeUpstream::start().await.unwrap();
    let model = provider(&upstream).chat("m");
    drop(upstream);
    let error = model.chat(question()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Connection, Retry::Now));
}

#[tokio::test]
async fn what_is_left_out_is_told() {
    let upstream = FakeUpstream::start().await.unwrap();
    let openai = catalogue::find("openai").unwrap();
    let provider = OpenAi::from_entry(openai).base_url(upstream.base_url()).build().unwrap();
    let request = ChatRequest {
        sampling: Sampling { temperature: Some(0.1), ..Sampling::default() },
        max_output_tokens: Some(5),
        ..question()
    };
    for request in [request.clone(), request.clone().streamed()] {
        let reply = provider.chat("o3-mini").chat(request).await.unwrap();
        let response = ChatResponse::collect(reply).await.unwrap();
        assert_eq!(response.warnings[0].param.as_deref(), Some("temperature"));
    }
    let sent = upstream.requests()[0].json();
    assert_eq!((&sent["temperature"], &sent["max_completion_tokens"]), (&json!(null), &json!(5)));

    let request = ChatRequest { unsupported: Unsupported::Refuse, ..request };
    let error = provider.chat("o3-mini").chat(request).await.unwrap_err();
    assert_eq!((error.kind(), error.param()), (ErrorKind::Unsupported, Some("temperature")));
    assert_eq!(upstream.requests().len(), 2, "nothing was sent");
}

#[tokio::test]
async fn embeddings_come_in_order() {
    let upstream = FakeUpstream::start().await.unwrap();
    let model = provider(&upstream).embedding("e");
    let texts = ["red fish", "blue", "red"];
    let response = model.embed(EmbeddingRequest::documents(texts)).await.unwrap();
    let expected: Vec<_> = texts.iter().map(|text| testkit::scripted::vector_of(text, 8)).collect();
    assert_eq!(response.vectors, expected);
    assert_eq!(response.usage.input_tokens, Some(4));
    let none = model.embed(EmbeddingRequest::default()).await.unwrap();
    assert!(none.vectors.is_empty());
    assert_eq!(upstream.requests().len(), 1, "nothing was sent for nothing");
}

#[tokio::test]
async fn models_are_listed() {
    let upstream = FakeUpstream::start().await.unwrap();
    let models = provider(&upstream).list_models().await.unwrap();
    assert_eq!(models[0].id, "fake-chat");
}

#[tokio::test]
async fn headers_of_a_request_are_sent_or_refused() {
    let upstream = FakeUpstream::start().await.unwrap();
    let mut request = question();
    request.extra_headers.insert("x-trace".into(), "7".into());
    ask(&upstream, request.clone()).await.unwrap();
    assert_eq!(upstream.requests()[0].headers["x-trace"], "7");

    request.extra_headers.insert("Host".into(), "elsewhere".into());
    let error = ask(&upstream, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}
