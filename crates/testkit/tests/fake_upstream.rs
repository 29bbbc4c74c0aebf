//! The fake upstream and the replay server, seen over a plain TCP connection.

use std::time::Duration;

use testkit::{Behaviour, FakeUpstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(upstream: &FakeUpstream, body: &str) -> TcpStream {
    let authority = upstream.base_url();
    let authority = authority.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let mut socket = TcpStream::connect(&authority).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    socket
}

async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !String::from_utf8_lossy(&seen).contains(end) {
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => seen.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn streams_an_answer_and_keeps_the_request() {
    let upstream = FakeUpstream::start().await.unwrap();
    let mut socket = ask(&upstream, STREAM).await;
    let text = read_until(&mut socket, "[DONE]").await;
    assert!(text.contains("text/event-stream") && text.contains(r#""finish_reason":"stop""#));
    assert_eq!(upstream.requests()[0].json()["model"], "m");
    assert!(!upstream.closed().await.by_client);
    assert_eq!((upstream.live_streams(), upstream.most_live_streams()), (0, 1));
}

#[tokio::test]
async fn notices_a_client_that_leaves() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::tokens(5).silent_after(2));
    let mut socket = ask(&upstream, STREAM).await;
    read_until(&mut socket, "t1").await;
    assert_eq!(upstream.live_streams(), 1);
    drop(socket);
    let end = tokio::time::timeout(Duration::from_secs(5), upstream.closed()).await.unwrap();
    assert!(end.by_client);
    assert_eq!(end.tokens, 2);
}

#[tokio::test]
async fn breaks_in_every_way_it_is_told() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::status(429).header("retry-after", "3"));
    upstream.next(Behaviour::tokens(5).cut_after(1));
    upstream.next(Behaviour::tokens(5).malformed_after(1));
    upstream.for_model("m", Behaviour::text("by model").without_done());

    let text = read_until(&mut ask(&upstream, STREAM).await, "}}").await;
    assert!(text.starts_with("HTTP/1.1 429") && text.contains("retry-after: 3"), "{text}");
    let text = read_until(&mut ask(&upstream, STREAM).await, "never").await;
    assert!(text.contains("t0") && !text.contains("t1") && !text.ends_with("0\r\n\r\n"));
    let text = read_until(&mut ask(&upstream, STREAM).await, "0\r\n\r\n").await;
    assert!(text.contains(r#"data: {"choices":[{"#), "{text}");
    let text = read_until(&mut ask(&upstream, STREAM).await, "\r\n0\r\n\r\n").await;
    assert!(text.contains("model") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn answers_with_the_headers_it_is_told() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::page("<html>sign in</html>"));
    upstream.next(Behaviour::tokens(1).header("content-type", "text/plain"));
    let text = read_until(&mut ask(&upstream, STREAM).await, "</html>").await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("text/html"), "{text}");
    let text = read_until(&mut ask(&upstream, STREAM).await, "[DONE]").await;
    assert!(text.contains("text/plain") && text.contains("t0"), "{text}");
}

#[tokio::test]
async fn holds_calls_until_it_releases_them() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.always(Behaviour::tokens(1).held());
    let (mut first, mut second) = (ask(&upstream, STREAM).await, ask(&upstream, STREAM).await);
    upstream.requested(2).await;
    assert_eq!((upstream.calls(), upstream.live_streams()), (2, 0));
    upstream.release();
    for socket in [&mut first, &mut second] {
        assert!(read_until(socket, "[DONE]").await.contains("t0"));
    }
}

#[tokio::test]
async fn stops_with_its_handle() {
    let upstream = FakeUpstream::start().await.unwrap();
    upstream.next(Behaviour::tokens(1).silent_after(0));
    let mut socket = ask(&upstream, STREAM).await;
    upstream.requested(1).await;
    drop(upstream);
    let rest = tokio::time::timeout(Duration::from_secs(5), read_until(&mut socket, "never"));
    assert!(rest.await.is_ok(), "the connection was closed");
}
