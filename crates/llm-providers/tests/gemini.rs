//! Gemini's dialect: recorded streams, and the real client against a replay server.
#![cfg(feature = "gemini")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use llm_core::{
    ChatEvent, ChatFold, ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind, FinishReason,
    Message, ModelError, Part, Retry, RetryHint, Role, ToolResult,
};
use llm_providers::credentials::CachedTokens;
use llm_providers::credentials::google::{MetadataServer, ServiceAccount};
use llm_providers::gemini::{ChatDecoder, Service, render_request};
use llm_providers::stream::decode_chunks;
use llm_providers::{Gemini, TransportOptions};
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

fn recorded_answers() -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |_| true).unwrap();
    exchanges
        .retain(|exchange| exchange.wire == "gemini-generate" && exchange.response.status == 200);
    assert!(!exchanges.is_empty());
    exchanges
}

fn recorded_streams() -> Vec<Exchange> {
    let mut exchanges = recorded_answers();
    exchanges.retain(|exchange| exchange.response.framing == "sse");
    exchanges
}

fn decode(chunks: Vec<&[u8]>) -> String {
    let (events, result) = decode_chunks(chunks, ChatDecoder::new(None), MAX_EVENT);
    format!("{events:?} {result:?}")
}

#[test]
fn any_split_gives_the_same_events() {
    for (at, exchange) in recorded_streams().iter().enumerate() {
        let bytes = exchange.response.bytes();
        let whole = decode(vec![&bytes]);
        for longest in [1, 2, 7, 100, 2000] {
            let chunks = split(&bytes, longest, at as u64);
            assert_eq!(decode(chunks), whole, "{} in chunks of {longest}", exchange.id);
        }
    }
}

#[test]
fn any_line_end_gives_the_same_events() {
    for exchange in recorded_streams() {
        let text = String::from_utf8(exchange.response.bytes()).unwrap().replace("\r\n", "\n");
        let whole = decode(vec![text.as_bytes()]);
        for line_end in ["\r\n", "\r"] {
            let other = text.replace('\n', line_end);
            assert_eq!(decode(split(other.as_bytes(), 50, 3)), whole, "{}", exchange.id);
        }
    }
}

/// A stream that is cut short anywhere before its finish reason is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for exchange in recorded_streams() {
        let bytes = exchange.response.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let Some(finish) = text.find("\"finishReason\"") else {
            panic!("{} has no finish reason", exchange.id);
        };
        for cut in [0, finish / 3, finish / 2, finish] {
            let (_, result) = decode_chunks([&bytes[..cut]], ChatDecoder::new(None), MAX_EVENT);
            assert!(result.is_err(), "{} cut at {cut}", exchange.id);
        }
    }
}

/// Whatever was signed goes back with its signature, on the kind of part that it came on.
#[test]
fn every_signature_goes_back() {
    let mut checked = 0;
    for exchange in recorded_answers() {
        let bytes = exchange.response.bytes();
        let (events, result) = match exchange.response.framing.as_str() {
            "sse" => decode_chunks([&bytes[..]], ChatDecoder::new(None), MAX_EVENT),
            _ => ChatDecoder::new(None).whole(&bytes),
        };
        result.unwrap();
        let response = fold(events);
        let came = signatures(&String::from_utf8_lossy(&bytes).replace("\": \"", "\":\""));
        let next = ChatRequest::new(vec![response.choices[0].message.clone()]);
        let next = ChatRequest { model: "gemini-2.5-flash".into(), ..next };
        let body = render_request(next, Service::GeminiApi).unwrap();
        assert_eq!(body.warnings, [], "{}", exchange.id);
        let sent = signatures(&Value::Object(body.body).to_string());
        assert_eq!(sent, came, "{}", exchange.id);
        checked += came.len();
    }
    eprintln!("{checked} signatures");
}

fn signatures(text: &str) -> Vec<String> {
    let mut rest = text.split("\"thoughtSignature\":\"");
    rest.next();
    rest.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

fn fold(events: Vec<ChatEvent>) -> ChatResponse {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

/// Something to replay that was written for a test.
fn exchange(id: &str, status: u16, framing: &str, body: &str) -> Exchange {
    serde_json::from_value(json!({
        "id": id, "provider": "gemini", "dialect": "gemini", "wire": "gemini-generate", "kind": "chat",
        "request": { "method": "POST", "url": "https://a.example/" },
        "response": { "status": status, "framing": framing, "body": body },
    }))
    .unwrap()
}

fn sse(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn text_chunk(text: &str, finish: Option<&str>) -> Value {
    json!({
        "candidates": [{
            "content": { "role": "model", "parts": [{ "text": text }] }, "finishReason": finish,
        }],
        "usageMetadata": { "promptTokenCount": 2, "candidatesTokenCount": 3 },
        "responseId": "r1", "modelVersion": "m1",
    })
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("why is the sky blue")])
}

/// What a client makes of a body: the answer, or the failure with the text before it.
async fn ask(
    request: ChatRequest,
    status: u16,
    framing: &str,
    body: &str,
) -> Result<ChatResponse, (ModelError, String)> {
    let server = ReplayServer::start().await.unwrap();
    let origin = server.add(exchange("x", status, framing, body), Chunking::Whole);
    let provider =
        Gemini::builder("gemini").base_url(origin).api_key("key".into()).build().unwrap();
    let before = |error: ModelError| (error, String::new());
    let mut reply = provider.chat("gemini-2.5-flash").chat(request).await.map_err(before)?;
    let mut fold = ChatFold::default();
    while let Some(event) = futures::StreamExt::next(&mut reply).await {
        match event {
            Ok(event) => fold.push(event),
            Err(error) => return Err((error, fold.text())),
        }
    }
    Ok(fold.finish())
}

#[tokio::test]
async fn streams_and_whole_answers_say_the_same() {
    let whole = ask(question(), 200, "json", &text_chunk("to be", Some("STOP")).to_string()).await;
    let chunks = [text_chunk("to ", None), text_chunk("be", Some("STOP"))];
    let streamed = ask(question().streamed(), 200, "sse", &sse(&chunks)).await;
    // A server that does not know `alt=sse` answers with an array.
    let array = ask(question().streamed(), 200, "json", &json!(chunks).to_string()).await;
    for response in [whole.unwrap(), streamed.unwrap(), array.unwrap()] {
        assert_eq!(response.text(), "to be");
        assert_eq!(response.choices[0].finish, FinishReason::Stop);
        assert_eq!(response.choices[0].raw_finish.as_deref(), Some("STOP"));
        assert_eq!(response.usage.total_tokens(), Some(5));
        assert_eq!(response.started.id.as_deref(), Some("r1"));
    }
}

#[tokio::test]
async fn blocked_prompts_are_errors_and_blocked_answers_are_not() {
    let blocked = json!({
        "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" },
        "usageMetadata": { "promptTokenCount": 2 },
    });
    for (request, framing, body) in [
        (question(), "json", blocked.to_string()),
        (question().streamed(), "sse", sse(std::slice::from_ref(&blocked))),
    ] {
        let (error, _) = ask(request, 200, framing, &body).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::ContentFilter, Some("PROHIBITED_CONTENT"))
        );
        assert_eq!(error.retry(), Retry::No);
        assert_eq!(error.provider(), "gemini");
    }
    let answer = text_chunk("half", Some("SAFETY")).to_string();
    let response = ask(question(), 200, "json", &answer).await.unwrap();
    assert_eq!(response.choices[0].finish, FinishReason::ContentFilter);
}

#[tokio::test]
async fn failures_in_the_middle_follow_what_was_said() {
    let error = json!({ "error": { "code": 503, "status": "UNAVAILABLE", "message": "busy" } });
    let body = sse(&[text_chunk("half", None), error]);
    let (error, text) = ask(question().streamed(), 200, "sse", &body).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), &*text), (ErrorKind::Overloaded, Some(503), "half"));

    let body = sse(&[text_chunk("half", None)]);
    let (error, text) = ask(question().streamed(), 200, "sse", &body).await.unwrap_err();
    assert_eq!((error.kind(), &*text), (ErrorKind::Malformed, "half"));

    for body in ["", "{}", "[]", "7", "{\"candidates\":[]}", "<html>"] {
        let (error, _) = ask(question(), 200, "json", body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn limits_tell_when_to_come_back() {
    let info = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s" });
    let body = json!([{ "error": {
        "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down", "details": [info],
    } }]);
    let (error, _) = ask(question().streamed(), 429, "json", &body.to_string()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
}

#[tokio::test]
async fn candidates_calls_and_media_have_their_places() {
    let body = json!({
        "responseId": "r1",
        "candidates": [
            { "index": 0, "finishReason": "STOP", "content": { "parts": [
                { "text": "hm", "thought": true },
                { "functionCall": { "name": "f", "args": { "x": 1 } }, "thoughtSignature": "s1" },
                { "functionCall": { "name": "f", "id": "given" } },
            ] } },
            { "index": 1, "finishReason": "MAX_TOKENS", "content": { "parts": [
                { "inlineData": { "mimeType": "image/png", "data": "AA==" }, "thoughtSignature": "s2" },
                { "inlineData": { "mimeType": "audio/L16;rate=24000", "data": "AAAA" } },
                { "executableCode": { "language": "PYTHON", "code": "1" } },
            ] } },
        ],
    });
    let response = ask(question(), 200, "json", &body.to_string()).await.unwrap();
    let first = &response.choices[0];
    assert_eq!(first.finish, FinishReason::ToolCalls);
    let calls: Vec<_> = first.message.tool_calls().collect();
    assert_eq!((calls[0].id.as_str(), calls[1].id.as_str()), ("gcall_r1_0", "given"));
    assert_eq!((calls[0].arguments.as_str(), calls[1].arguments.as_str()), ("{\"x\":1}", "{}"));
    let second = &response.choices[1];
    assert_eq!(second.finish, FinishReason::Length);
    assert_eq!(second.audio.as_ref().unwrap().data, "AAAA");
    assert_eq!(response.extra["audioMimeType"], "audio/L16;rate=24000");

    // The next turn gives all of it back, with results in the order of the calls.
    let result = |id: &str| Part::ToolResult(ToolResult::text(id, "ok"));
    let messages = vec![
        first.message.clone(),
        Message::new(Role::Tool, vec![result("given"), result("gcall_r1_0")]),
        second.message.clone(),
    ];
    let next = ChatRequest { model: "gemini-3-pro".into(), ..ChatRequest::new(messages) };
    let body = render_request(next, Service::GeminiApi).unwrap().body;
    assert_eq!(
        body["contents"],
        json!([
            { "role": "model", "parts": [
                { "text": "hm", "thought": true },
                { "functionCall": { "name": "f", "args": { "x": 1 } }, "thoughtSignature": "s1" },
                { "functionCall": { "id": "given", "name": "f", "args": {} } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "f", "response": { "output": "ok" } } },
                { "functionResponse": { "id": "given", "name": "f", "response": { "output": "ok" } } },
            ] },
            { "role": "model", "parts": [
                { "inlineData": { "mimeType": "image/png", "data": "AA==" }, "thoughtSignature": "s2" },
                { "executableCode": { "language": "PYTHON", "code": "1" } },
            ] },
        ])
    );
}

#[tokio::test]
async fn arguments_in_pieces_come_together() {
    let chunk = |call: Value, finish: Option<&str>| {
        json!({ "responseId": "r", "candidates": [{
            "content": { "parts": [{ "functionCall": call }] }, "finishReason": finish,
        }] })
    };
    let piece = |text: &str| json!([{ "jsonPath": "$.city", "stringValue": text }]);
    let body = sse(&[
        chunk(json!({ "name": "f", "willContinue": true }), None),
        chunk(json!({ "partialArgs": piece("New "), "willContinue": true }), None),
        chunk(json!({ "partialArgs": piece("Delhi"), "willContinue": true }), None),
        chunk(json!({}), None),
        chunk(json!({ "name": "g", "args": { "x": 1 } }), Some("STOP")),
    ]);
    let response = ask(question().streamed(), 200, "sse", &body).await.unwrap();
    let calls: Vec<_> = response.choices[0]
        .message
        .tool_calls()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
        .collect();
    let expected =
        [("gcall_r_0", "f", "{\"city\":\"New Delhi\"}"), ("gcall_r_1", "g", "{\"x\":1}")];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn endless_answers_are_refused() {
    let options = TransportOptions {
        max_event_bytes: 1000,
        max_body_bytes: 1000,
        ..TransportOptions::default()
    };
    let long = text_chunk(&"x".repeat(5000), Some("STOP"));
    let server = ReplayServer::start().await.unwrap();
    for (id, framing, body, request) in [
        ("a", "json", long.to_string(), question()),
        ("b", "sse", sse(std::slice::from_ref(&long)), question().streamed()),
    ] {
        let origin = server.add(exchange(id, 200, framing, &body), Chunking::Whole);
        let provider =
            Gemini::builder("g").base_url(origin).transport(options.clone()).build().unwrap();
        let failed = match provider.chat("m").chat(request).await {
            Err(error) => error,
            Ok(reply) => ChatResponse::collect(reply).await.unwrap_err(),
        };
        assert_eq!(failed.kind(), ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn keys_and_tokens_go_into_headers() {
    let server = ReplayServer::start().await.unwrap();
    let answer = text_chunk("hi", Some("STOP")).to_string();
    let origin = server.add(exchange("key", 200, "json", &answer), Chunking::Whole);
    let provider = Gemini::builder("g").base_url(origin).api_key("k1".into()).build().unwrap();
    provider.chat("gemini-2.5-flash").chat(question()).await.unwrap();
    let seen = server.taken("key");
    assert_eq!(seen[0].path, "/models/gemini-2.5-flash:generateContent");
    assert_eq!(seen[0].headers["x-goog-api-key"], "k1");

    let token = json!({ "access_token": "t1", "expires_in": 3600, "token_type": "Bearer" });
    let metadata =
        server.add(exchange("metadata", 200, "json", &token.to_string()), Chunking::Whole);
    let origin = server.add(exchange("vertex", 200, "json", &answer), Chunking::Whole);
    let tokens = CachedTokens::new(Arc::new(MetadataServer::at(&metadata).unwrap()));
    let provider = Gemini::vertex("v", "p", "global")
        .base_url(format!("{origin}/v1/projects/p/locations/global"))
        .token_source(Arc::new(tokens))
        .build()
        .unwrap();
    for _ in 0..3 {
        provider.chat("gemini-2.5-flash").chat(question()).await.unwrap();
    }
    let seen = server.taken("vertex");
    let path =
        "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent";
    assert_eq!((seen.len(), seen[2].path.as_str()), (3, path));
    assert_eq!(seen[2].headers["authorization"], "Bearer t1");
    let asked = server.taken("metadata");
    assert_eq!(asked.len(), 1, "the token was kept");
    assert_eq!(asked[0].path, "/computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!(asked[0].headers["metadata-flavor"], "Google");
}

#[tokio::test]
async fn service_accounts_exchange_an_assertion() {
    let server = ReplayServer::start().await.unwrap();
    let token = json!({ "access_token": "t2", "expires_in": 3599 });
    let tokens = server.add(exchange("token", 200, "json", &token.to_string()), Chunking::Whole);
    let refused =
        json!({ "error": { "code": 401, "status": "UNAUTHENTICATED", "message": "old" } });
    let vertex = server.add(exchange("vertex", 401, "json", &refused.to_string()), Chunking::Whole);
    let file = json!({
        "type": "service_account",
        "client_email": "robot@p.iam.gserviceaccount.com",
        "private_key": include_str!("fixtures/service-account.key.pem"),
    });
    let account = ServiceAccount::from_json(&file.to_string().into()).unwrap();
    let account = account.token_server(&format!("{tokens}/token")).unwrap();
    let provider = Gemini::vertex("v", "p", "us-central1")
        .base_url(vertex)
        .token_source(Arc::new(CachedTokens::new(Arc::new(account))))
        .build()
        .unwrap();
    for _ in 0..2 {
        let error = provider.chat("m").chat(question()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Authentication, Some(401)));
    }
    assert_eq!(server.taken("vertex")[0].headers["authorization"], "Bearer t2");
    let asked = server.taken("token");
    assert_eq!(asked.len(), 2, "a refused token is not kept");
    let form = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(form.starts_with(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"
    ));
    assert_eq!(asked[0].headers["content-type"], "application/x-www-form-urlencoded");

    let refusal =
        json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." });
    let tokens = server.add(exchange("no", 400, "json", &refusal.to_string()), Chunking::Whole);
    let account = ServiceAccount::from_json(&file.to_string().into()).unwrap();
    let account = account.token_server(&tokens).unwrap();
    let provider =
        Gemini::vertex("v", "p", "global").token_source(Arc::new(account)).build().unwrap();
    let error = provider.chat("m").chat(question()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("Invalid JWT Signature."), "{error}");
}

#[tokio::test]
async fn vertex_embeds_one_at_a_time_where_it_must() {
    let server = ReplayServer::start().await.unwrap();
    let reply = json!({ "embedding": { "values": [1.0, 2.0] }, "usageMetadata": { "promptTokenCount": 4 } });
    let origin = server.add(exchange("e", 200, "json", &reply.to_string()), Chunking::Whole);
    let provider = Gemini::vertex("v", "p", "global").base_url(origin).build().unwrap();
    let model = provider.embedding("gemini-embedding-2");
    assert_eq!(model.info().limits.batch, Some(1));
    let response = model.embed(EmbeddingRequest::documents(["a", "b", "c"])).await.unwrap();
    assert_eq!((response.vectors.len(), response.usage.input_tokens), (3, Some(12)));
    let seen = server.taken("e");
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].path, "/publishers/google/models/gemini-embedding-2:embedContent");
}
