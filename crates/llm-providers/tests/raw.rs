//! Raw calls over HTTP: the client's credentials and errors, the caller's request and bytes.

use std::sync::Arc;

use llm_core::ErrorKind;
use llm_providers::credentials::FixedToken;
use llm_providers::form::{File, Form};
use llm_providers::{OpenAi, RawRequest, TransportOptions};
use serde_json::json;
use testkit::{Chunking, Exchange, ReplayServer};

async fn upstream(status: u16, body: &str) -> (ReplayServer, String) {
    let exchange = json!({
        "id": "own", "provider": "p", "dialect": "own", "wire": "own", "kind": "own",
        "request": { "method": "POST", "url": "" },
        "response": { "status": status, "framing": "own", "body": body,
            "headers": { "x-own": "1" } },
    });
    let exchange: Exchange = serde_json::from_value(exchange).unwrap();
    let server = ReplayServer::start().await.unwrap();
    let origin = server.add(exchange, Chunking::Whole);
    (server, origin)
}

#[tokio::test]
async fn every_kind_of_body_arrives() {
    let (server, origin) = upstream(201, "{\"id\":1}").await;
    let openai = OpenAi::builder("p", format!("{origin}/v1")).api_key("sk-test".into());
    let openai = openai.build().unwrap();
    let file = File { name: "a.jsonl".into(), media_type: None, data: "{}".into() };
    for (request, method, path, body) in [
        (RawRequest::get("files").query("limit", "2"), "GET", "/v1/files", ""),
        (
            RawRequest::post("moderations").json(json!({ "a": 1 })),
            "POST",
            "/v1/moderations",
            "{\"a\":1}",
        ),
        (RawRequest::post("x").bytes("text/plain", "hi"), "POST", "/v1/x", "hi"),
        (
            RawRequest::post("files").form(Form::new().file("file", file)),
            "POST",
            "/v1/files",
            "form",
        ),
    ] {
        let answer = openai.raw(request.header("openai-beta", "b")).await.unwrap();
        assert_eq!((answer.status, &answer.headers["x-own"]), (201, &"1".parse().unwrap()));
        assert_eq!(answer.json().unwrap(), json!({ "id": 1 }));
        let seen = &server.taken("own")[0];
        assert_eq!((seen.method.as_str(), seen.path.as_str()), (method, path));
        assert_eq!(seen.headers["authorization"], "Bearer sk-test");
        assert_eq!(seen.headers["openai-beta"], "b");
        match seen.form() {
            Some(parts) => assert_eq!((body, &parts[0].data[..]), ("form", &b"{}"[..])),
            None => assert_eq!(seen.body, body),
        }
    }
}

#[tokio::test]
async fn tokens_and_limits_are_the_clients() {
    let (server, origin) = upstream(200, &"x".repeat(1000)).await;
    let tokens = Arc::new(FixedToken::new("t1".into()));
    let options =
        TransportOptions { max_body_bytes: 999, max_form_bytes: 10, ..Default::default() };
    let openai = OpenAi::builder("p", &origin).token_source(tokens).transport(options);
    let openai = openai.build().unwrap();
    let error = openai.raw(RawRequest::get("files/x/content")).await.unwrap_err();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Malformed, "p"));
    assert_eq!(server.taken("own")[0].headers["authorization"], "Bearer t1");
    let error = openai.raw(RawRequest::post("x").bytes("a/b", vec![0; 11])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(server.taken("own").is_empty());
}

#[tokio::test]
async fn failures_are_the_dialects() {
    let (_server, origin) = upstream(404, r#"{"error":{"message":"no file","code":null}}"#).await;
    let openai = OpenAi::builder("p", origin).build().unwrap();
    let error = openai.raw(RawRequest::get("files/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, Some(404)));
    assert_eq!(error.to_string(), "raw request to p failed: no file");
}
