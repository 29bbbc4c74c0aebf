//! Clients that keep the server waiting, and those that take more than their share.

use std::time::Duration;

use accounts::KeyRequest;
use api_server::config::{AuthMode, Config};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Behaviour;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::accounts::{holder, tenant};
use crate::site::Site;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NO_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Longer than any limit of these tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that waits a second for anything.
async fn impatient(change: impl FnOnce(&mut Config)) -> Site {
    Site::start_with(&[], |config| {
        let second = 1.try_into().unwrap();
        config.server.header_seconds = second;
        config.server.body_seconds = second;
        config.server.stall_seconds = second;
        change(config);
    })
    .await
}

fn streamed() -> Value {
    json!({ "model": "fake/m", "stream": true, "messages": [{ "role": "user", "content": "Hi" }] })
}

/// All that comes until the server ends the connection.
async fn until_the_end(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    read.expect("the server ends the connection").ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_no_request_is_cut() {
    let site = impatient(|_| {}).await;
    for (sent, expected) in [
        (&b""[..], ""),
        (b"PRI * HT", ""),
        (b"GET /healthz HT", ""),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", "HTTP/1.1 200 OK"),
    ] {
        let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let said = until_the_end(&mut stream).await;
        assert!(said.starts_with(expected), "{said}");
    }
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    stream.write_all(&[PREFACE, NO_SETTINGS].concat()).await.unwrap();
    until_the_end(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_has_a_bound() {
    let site = impatient(|config| config.server.max_header_bytes = 8192).await;
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    let head =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(9000));
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = until_the_end(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_is_refused_in_the_dialect_of_its_address() {
    let site = impatient(|_| {}).await;
    for (path, expected) in [
        ("/v1/chat/completions", "\"type\":\"invalid_request_error\""),
        ("/v1/messages", "{\"type\":\"error\""),
        ("/api/v2/search", "\"status\":408"),
        ("/api/v1/datasets", "\"code\":408"),
    ] {
        let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let drip = async {
            let mut drops = tokio::time::interval(Duration::from_millis(20));
            while writer.write_all(b" ").await.is_ok() {
                drops.tick().await;
            }
        };
        let mut said = vec![0; 4096];
        let read = tokio::time::timeout(PATIENCE, reader.read(&mut said));
        let length = tokio::select! {
            read = read => read.expect("it is answered").unwrap(),
            () = drip => panic!("{path}: the connection ended without an answer"),
        };
        let said = String::from_utf8_lossy(&said[..length]);
        assert!(said.starts_with("HTTP/1.1 408 "), "{path}: {said}");
        assert!(said.contains(expected), "{path}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_reading_is_cut() {
    let site = impatient(|_| {}).await;
    site.upstream.always(Behaviour::tokens(1_000_000));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(site.server.address()).await.unwrap();
    let body = streamed().to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let end = tokio::time::timeout(PATIENCE, site.upstream.closed()).await;
    assert!(end.expect("the answer is given up").by_client);
    site.until("colloquy_connections_cut_total{reason=\"stalled\"} 1").await;
    site.until("colloquy_live_streams 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_only_the_stream_is_cut_that_is_not_read() {
    let site = impatient(|_| {}).await;
    site.upstream.for_model("endless", Behaviour::tokens(1_000_000));
    site.upstream.for_model("slow", Behaviour::tokens(10).silent_after(1));
    let http = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(16_384)
        .build()
        .unwrap();
    let ask = |model: &str| {
        let mut request = streamed();
        request["model"] = json!(format!("fake/{model}"));
        let url = format!("{}/v1/chat/completions", site.client.base);
        http.post(url).header("content-type", "application/json").body(request.to_string()).send()
    };
    // One whose model takes its time is not one that nobody reads.
    let mut slow = ask("slow").await.unwrap().bytes_stream();
    slow.next().await.unwrap().unwrap();
    let unread = ask("endless").await.unwrap();
    let end = tokio::time::timeout(PATIENCE, site.upstream.closed()).await;
    assert!(end.expect("the answer is given up").by_client);
    site.until("colloquy_connections_cut_total{reason=\"stalled\"} 1").await;
    site.until("colloquy_live_streams 1").await;
    assert!(unread.bytes().await.is_err(), "it does not look as if it were whole");
    assert!(ask("slow").await.unwrap().bytes_stream().next().await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_most_wait_for_a_place() {
    let site = Site::start_with(&[], |config| {
        config.server.max_connections = 1.try_into().unwrap();
        config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let metrics = crate::client::Client::new(site.server.metrics_address().unwrap());
    // The client of ingestion talks to nobody here, so these two are all there are.
    let first = TcpStream::connect(site.server.address()).await.unwrap();
    let mut second = TcpStream::connect(site.server.address()).await.unwrap();
    second.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    // The connection that asks, and the first.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !metrics.get("/metrics").await.text.contains("colloquy_connections 2\n") {
        assert!(tokio::time::Instant::now() < deadline);
    }
    let mut one = [0];
    assert!(futures::FutureExt::now_or_never(second.read(&mut one)).is_none());
    drop(first);
    assert!(until_the_end(&mut second).await.ends_with("ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_is_shed_in_the_dialect_of_each_address() {
    let site = Site::start_with(&[], |config| config.server.max_requests = 1).await;
    site.upstream.always(Behaviour::tokens(10).silent_after(1));
    let _live = site.client.open("/v1/chat/completions", &streamed()).await;
    let (get, post) = (Method::GET, Method::POST);
    for (method, path, expected) in [
        (&get, "/v1/models", "\"code\":\"overloaded\""),
        (&post, "/v1/chat/completions", "\"code\":\"overloaded\""),
        (&post, "/v1/responses", "\"code\":\"overloaded\""),
        (&post, "/v1/embeddings", "\"code\":\"overloaded\""),
        (&post, "/v1/rerank", "\"code\":\"overloaded\""),
        (&post, "/v1/messages", "\"type\":\"overloaded_error\""),
        (&post, "/v1/messages/count_tokens", "\"type\":\"overloaded_error\""),
        (&post, "/api/v2/search", "\"status\":503"),
        (&post, "/api/v2/ask", "\"status\":503"),
        (&post, "/api/v2/dialogs/default/turns", "\"status\":503"),
        (&get, "/api/v2/datasets", "\"status\":503"),
        (&get, "/api/v2/usage", "\"status\":503"),
        (&get, "/api/v1/datasets", "\"code\":503"),
        (&post, "/api/v1/retrieval", "\"code\":503"),
    ] {
        let shed = site.client.send(method.clone(), path, &json!({})).await;
        assert_eq!((shed.status, shed.header("retry-after")), (503, "1"), "{path}");
        assert!(shed.text.contains(expected), "{path}: {}", shed.text);
    }
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(site.client.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_leaves_room_for_the_others() {
    let site = Site::start_with(&[], |config| {
        config.auth.mode = AuthMode::Keys;
        config.server.max_requests = 4;
        config.server.max_tenant_share = 0.5;
    })
    .await;
    site.upstream.always(Behaviour::tokens(10).silent_after(1));
    let greedy = KeyRequest::new(tenant("greedy"), "test");
    let modest = KeyRequest::new(tenant("modest"), "test");
    let key = |request| {
        let (_, secret) = crate::accounts::store(&site).create_key(request).unwrap();
        format!("Bearer {}", secret.expose())
    };
    let bearer = key(&greedy);
    let mut live = Vec::new();
    for _ in 0..2 {
        let url = format!("{}/v1/chat/completions", site.client.base);
        let request = site.client.http.post(url).header("authorization", &bearer);
        let request = request.header("content-type", "application/json");
        live.push(request.body(streamed().to_string()).send().await.unwrap());
    }
    assert_eq!(holder(&site, &greedy).get("/v1/models").await.status, 503);
    assert_eq!(holder(&site, &modest).get("/v1/models").await.status, 200);
    live.pop();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while holder(&site, &greedy).get("/v1/models").await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "the place is given back");
    }
}
