//! Forms over HTTP.

use http::HeaderMap;
use llm_core::{ErrorKind, Operation};
use llm_providers::TransportOptions;
use llm_providers::form::{File, Form};
use llm_providers::transport::Transport;
use testkit::FakeUpstream;

fn form() -> Form {
    let data = vec![7; 100_000].into();
    Form::new()
        .text("model", "m")
        .file("file", File { name: "a.wav".into(), media_type: None, data })
}

#[tokio::test]
async fn a_form_arrives_whole_and_says_how_long_it_is() {
    let upstream = FakeUpstream::start().await.unwrap();
    let options = TransportOptions::default();
    let transport = Transport::new(&upstream.base_url(), HeaderMap::new(), options).unwrap();
    let sent = transport
        .post_form(Operation::Transcribe, "chat/completions", HeaderMap::new(), form())
        .await;
    drop(sent.unwrap());
    let seen = &upstream.requests()[0];
    assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
    assert!(!seen.headers.contains_key("transfer-encoding"));
    let content_type = seen.headers["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert!(seen.body.starts_with(format!("--{boundary}\r\n").as_bytes()));
    assert!(seen.body.ends_with(format!("--{boundary}--\r\n").as_bytes()));
    assert!(seen.body.len() > 100_000);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_not_sent() {
    let upstream = FakeUpstream::start().await.unwrap();
    let options = TransportOptions { max_form_bytes: 1000, ..TransportOptions::default() };
    let transport = Transport::new(&upstream.base_url(), HeaderMap::new(), options).unwrap();
    let sent = transport
        .post_form(Operation::Transcribe, "chat/completions", HeaderMap::new(), form())
        .await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(upstream.requests().is_empty());
}
