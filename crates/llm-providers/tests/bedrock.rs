//! Bedrock: recorded streams however they are cut, and the client against a real server.
#![cfg(feature = "bedrock")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use llm_core::{
    ChatEvent, ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind, FinishReason, Message,
    ModelError, Operation, Part, RerankRequest, Retry, RetryHint,
};
use llm_providers::bedrock::converse::{ConverseDecoder, decode_chunks};
use llm_providers::bedrock::event_stream::{FrameDecoder, encode_frame};
use llm_providers::bedrock::{Bedrock, BedrockBuilder, Credentials, CredentialsSource};
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, RecordedRequest, RecordedResponse, ReplayServer, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

fn recorded_streams() -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |_| true).unwrap();
    exchanges.retain(|exchange| {
        exchange.wire == "bedrock-converse" && exchange.response.framing == "aws-eventstream"
    });
    assert!(!exchanges.is_empty());
    exchanges
}

fn decode(chunks: Vec<&[u8]>) -> String {
    let (events, result) = decode_chunks(chunks, ConverseDecoder::new(None), MAX_EVENT);
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

/// A stream that is cut short anywhere before the end of its message is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for exchange in recorded_streams() {
        let bytes = exchange.response.bytes();
        let mut frames = FrameDecoder::new(MAX_EVENT);
        let mut input = &bytes[..];
        let mut end_of_message = bytes.len();
        while let Some(frame) = frames.next(&mut input).unwrap() {
            if frame.header(":event-type") == Some("messageStop") {
                break;
            }
            end_of_message = bytes.len() - input.len();
        }
        for cut in [0, end_of_message / 3, end_of_message / 2, end_of_message] {
            let decoder = ConverseDecoder::new(None);
            let (_, result) = decode_chunks([&bytes[..cut]], decoder, MAX_EVENT);
            let error = result.unwrap_err();
            let is_exception = error.code().is_some();
            assert!(is_exception || error.kind() == ErrorKind::Malformed, "{}", exchange.id);
        }
    }
}

fn event(name: &str, payload: Value) -> Vec<u8> {
    let headers = [(":message-type", "event"), (":event-type", name)];
    encode_frame(&headers, payload.to_string().as_bytes())
}

fn text(text: &str) -> Vec<u8> {
    event("contentBlockDelta", json!({ "contentBlockIndex": 0, "delta": { "text": text } }))
}

fn answer(texts: &[&str]) -> Vec<u8> {
    let mut body = event("messageStart", json!({ "role": "assistant" }));
    texts.iter().for_each(|piece| body.extend(text(piece)));
    body.extend(event("messageStop", json!({ "stopReason": "end_turn" })));
    let usage = json!({ "inputTokens": 5, "outputTokens": 2, "totalTokens": 7 });
    body.extend(event("metadata", json!({ "usage": usage, "metrics": { "latencyMs": 1 } })));
    body
}

/// A server that answers everything with this.
async fn serve(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> (ReplayServer, BedrockBuilder) {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(body.into());
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let exchange = Exchange {
        id: "it".into(),
        provider: "bedrock".into(),
        dialect: "bedrock-converse".into(),
        wire: "bedrock-converse".into(),
        op: "chat".into(),
        kind: "chat".into(),
        model: None,
        features: Vec::new(),
        fidelity: Vec::new(),
        request: RecordedRequest { method: "POST".into(), ..RecordedRequest::default() },
        response: RecordedResponse {
            status,
            headers: headers.collect(),
            framing: "aws-eventstream".into(),
            body_base64: Some(body),
            ..Default::default()
        },
        expect: None,
    };
    let server = ReplayServer::start().await.unwrap();
    let origin = server.add(exchange, Chunking::Random { longest: 20, seed: 5 });
    let builder = Bedrock::builder("aws", "us-east-1").runtime_url(&origin).agent_url(&origin);
    (server, builder)
}

const STREAM: (&str, &str) = ("content-type", "application/vnd.amazon.eventstream");

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("why is the sky blue")])
}

fn keys() -> Credentials {
    Credentials::new("AKIDTEST", "very-secret").with_session_token("a-session")
}

#[tokio::test]
async fn a_stream_is_signed_and_decoded() {
    let headers = [STREAM, ("x-amzn-requestid", "r-7")];
    let (server, builder) = serve(200, &headers, answer(&["because ", "of the air"])).await;
    let bedrock = builder.credentials(keys()).header("x-amzn-bedrock-trace", "ENABLED").build();
    let model = bedrock.unwrap().chat("us.amazon.nova-lite-v1:0");
    let reply = model.chat(question().streamed()).await.unwrap();
    let response = ChatResponse::collect(reply).await.unwrap();
    assert_eq!(response.text(), "because of the air");
    assert_eq!(response.choices[0].finish, FinishReason::Stop);
    assert_eq!(response.usage.total_tokens(), Some(7));
    assert_eq!(response.started.request_id.as_deref(), Some("r-7"));
    assert_eq!(response.extra["metrics"]["latencyMs"], 1);

    let [seen] = &server.taken("it")[..] else { panic!("one request") };
    assert_eq!(seen.path, "/model/us.amazon.nova-lite-v1%3A0/converse-stream");
    assert_eq!(seen.headers["x-amz-security-token"], "a-session");
    let authorization = seen.headers["authorization"].to_str().unwrap();
    let signed = "accept;content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace";
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDTEST/"), "{authorization}");
    assert!(authorization.contains("/us-east-1/bedrock/aws4_request"), "{authorization}");
    assert!(authorization.contains(&format!("SignedHeaders={signed},")), "{authorization}");
}

/// The signature that arrived is the one that the service would compute from what arrived.
#[tokio::test]
async fn signatures_fit_what_arrives() {
    use llm_providers::bedrock::sigv4::{Scope, sign};
    let (server, builder) = serve(200, &[STREAM], answer(&["x"])).await;
    let model = builder.credentials(keys()).build().unwrap().chat("arn:aws:bedrock:x:1:p/m-v1:0");
    // Large enough to be signed off the runtime's workers.
    let request = ChatRequest::new(vec![Message::user("x".repeat(300_000))]);
    model.chat(request.streamed()).await.unwrap();
    let [seen] = &server.taken("it")[..] else { panic!("one request") };

    // The replay server takes the exchange's own prefix off the path.
    let url = format!("http://{}/it{}", seen.headers["host"].to_str().unwrap(), seen.path);
    let url = url::Url::parse(&url).unwrap();
    let mut headers = http::HeaderMap::new();
    let authorization = seen.headers["authorization"].to_str().unwrap().to_owned();
    let names = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    for name in names.split(';').filter(|name| *name != "host") {
        let name = http::HeaderName::try_from(name).unwrap();
        headers.insert(name.clone(), seen.headers[&name].clone());
    }
    let date = seen.headers["x-amz-date"].to_str().unwrap();
    let date: jiff::Timestamp = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp();
    let scope = Scope { region: "us-east-1", service: "bedrock" };
    sign(&seen.method, &url, &mut headers, &seen.body, &keys(), scope, SystemTime::from(date))
        .unwrap();
    assert_eq!(headers["authorization"].to_str().unwrap(), authorization);
}

#[tokio::test]
async fn a_bearer_token_takes_the_place_of_a_signature() {
    let (server, builder) = serve(200, &[STREAM], answer(&["x"])).await;
    let bedrock = builder.credentials(keys()).bearer_token("bedrock-key".into()).build().unwrap();
    bedrock.chat("m").chat(question().streamed()).await.unwrap();
    let [seen] = &server.taken("it")[..] else { panic!("one request") };
    assert_eq!(seen.headers["authorization"], "Bearer bedrock-key");
    assert!(!seen.headers.contains_key("x-amz-date"));
}

struct Counted(AtomicUsize);

impl CredentialsSource for Counted {
    fn credentials(&self) -> BoxFuture<'static, Result<Credentials, ModelError>> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        async move {
            match number {
                0 => Ok(Credentials::new("AKIDFIRST", "s")),
                _ => Err(ModelError::new(ErrorKind::Authentication, Operation::Chat, "no role")),
            }
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_source_of_keys_is_asked_for_every_request() {
    let (server, builder) = serve(200, &[STREAM], answer(&["x"])).await;
    let source = Arc::new(Counted(AtomicUsize::new(0)));
    let model = builder.credentials_source(source).build().unwrap().chat("m");
    model.chat(question().streamed()).await.unwrap();
    let [seen] = &server.taken("it")[..] else { panic!("one request") };
    assert!(seen.headers["authorization"].to_str().unwrap().contains("AKIDFIRST"));
    let error = model.chat(question().streamed()).await.err().unwrap();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Authentication, "aws"));
}

#[tokio::test]
async fn exceptions_in_a_stream_come_after_what_was_said() {
    for (name, kind, retry) in [
        ("throttlingException", ErrorKind::RateLimit, Retry::Now),
        ("validationException", ErrorKind::InvalidRequest, Retry::No),
        ("modelStreamErrorException", ErrorKind::Upstream, Retry::Now),
        ("internalServerException", ErrorKind::Upstream, Retry::Now),
        ("serviceUnavailableException", ErrorKind::Overloaded, Retry::Now),
    ] {
        let mut body = event("messageStart", json!({ "role": "assistant" }));
        body.extend(text("Partial"));
        let headers = [(":message-type", "exception"), (":exception-type", name)];
        body.extend(encode_frame(&headers, br#"{"message":"so it ended"}"#));
        let (_server, builder) = serve(200, &[STREAM, ("x-amzn-requestid", "r-1")], body).await;
        let model = builder.build().unwrap().chat("m");
        let reply = model.chat(question().streamed()).await.unwrap();
        let mut items: Vec<_> = reply.collect().await;
        let error = items.pop().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.retry(), error.code()), (kind, retry, Some(name)));
        assert_eq!((error.message(), error.provider()), ("so it ended", "aws"));
        assert_eq!(error.request_id(), Some("r-1"));
        assert!(items.iter().any(|item| *item.as_ref().unwrap() == ChatEvent::text("Partial")));
    }
}

#[tokio::test]
async fn broken_streams_are_errors() {
    let whole = answer(&["a", "b"]);
    let mut flipped = whole.clone();
    let last = flipped.len() - 30;
    flipped[last] ^= 1;
    let error_frame = encode_frame(
        &[(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "m")],
        b"",
    );
    for (body, kind) in [
        (whole[..whole.len() / 2].to_vec(), ErrorKind::Malformed),
        (flipped, ErrorKind::Malformed),
        (Vec::new(), ErrorKind::Malformed),
        (b"<html>no stream at all, but long enough</html>".to_vec(), ErrorKind::Malformed),
        (event("contentBlockDelta", json!({ "delta": 1 })), ErrorKind::Malformed),
        (error_frame, ErrorKind::Upstream),
    ] {
        let (_server, builder) = serve(200, &[STREAM], body).await;
        let model = builder.build().unwrap().chat("m");
        let reply = model.chat(question().streamed()).await.unwrap();
        let error = ChatResponse::collect(reply).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn frames_are_bounded() {
    let body = text(&"x".repeat(5000));
    let (_, result) = decode_chunks([&body[..]], ConverseDecoder::new(None), 4096);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Malformed);
    // A stream that never ends keeps nothing.
    let piece = text("more");
    let mut events = 0;
    let mut frames = FrameDecoder::new(4096);
    for mut chunk in std::iter::repeat_n(&piece[..], 10_000) {
        while frames.next(&mut chunk).unwrap().is_some() {
            events += 1;
        }
    }
    assert_eq!(events, 10_000);
}

#[tokio::test]
async fn refusals_tell_kind_code_and_request_id() {
    let headers = [
        ("content-type", "application/json"),
        ("x-amzn-requestid", "r-9"),
        ("x-amzn-errortype", "ThrottlingException:http://internal.amazon.com/"),
        ("retry-after", "2"),
    ];
    let (_server, builder) = serve(429, &headers, r#"{"message":"slow down"}"#).await;
    let model = builder.credentials(keys()).build().unwrap().chat("m");
    let error = model.chat(question()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(2)));
    assert_eq!((error.code(), error.status()), (Some("ThrottlingException"), Some(429)));
    assert_eq!((error.request_id(), error.message()), (Some("r-9"), "slow down"));
    assert_eq!((error.provider(), error.model()), ("aws", "m"));
    assert!(!format!("{error:?}").contains("very-secret"));
}

/// Only a clock that is off makes a refused signature worth another try.
#[tokio::test]
async fn a_refused_signature_is_final_when_the_clocks_agree() {
    // The recorded `date` is not replayed (it describes the transfer), so the real server's own date stands for it.
    let headers = [("x-amzn-errortype", "InvalidSignatureException:http://x/")];
    let (_server, builder) = serve(403, &headers, r#"{"message":"Signature expired"}"#).await;
    let model = builder.credentials(keys()).build().unwrap().chat("m");
    let error = model.chat(question()).await.err().unwrap();
    // Both clocks agree here, so trying again would not help.
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Authentication, Retry::Exhausted));
}

#[tokio::test]
async fn texts_are_embedded_one_by_one_or_in_batches() {
    let body = r#"{"embedding":[1.0,2.0],"inputTextTokenCount":3}"#;
    let (server, builder) = serve(200, &[("content-type", "application/json")], body).await;
    let bedrock = builder.credentials(keys()).build().unwrap();
    let titan = bedrock.embedding("amazon.titan-embed-text-v2:0");
    let request = EmbeddingRequest {
        dimensions: Some(2),
        ..EmbeddingRequest::documents((0..20).map(|number| number.to_string()))
    };
    let response = titan.embed(request).await.unwrap();
    assert_eq!((response.vectors.len(), response.usage.input_tokens), (20, Some(60)));
    let mut sent: Vec<String> = server
        .taken("it")
        .iter()
        .map(|seen| seen.json()["inputText"].as_str().unwrap().to_owned())
        .collect();
    sent.sort_by_key(|text| text.parse::<usize>().unwrap());
    assert_eq!(sent, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());

    let empty = titan.embed(EmbeddingRequest::documents(Vec::<String>::new())).await.unwrap();
    assert!(empty.vectors.is_empty() && server.taken("it").is_empty());
    let unknown = bedrock.embedding("arn:aws:bedrock:us-east-1:1:application-inference-profile/x");
    let error = unknown.embed(EmbeddingRequest::query("q")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn documents_are_reranked() {
    let body = r#"{"results":[{"index":1,"relevanceScore":0.9},{"index":0,"relevanceScore":0.1}]}"#;
    let (server, builder) = serve(200, &[("content-type", "application/json")], body).await;
    let rerank = builder.credentials(keys()).build().unwrap().rerank("cohere.rerank-v3-5:0");
    let request = RerankRequest {
        query: "q".into(),
        documents: vec!["a".into(), "b".into()],
        ..RerankRequest::default()
    };
    let response = rerank.rerank(request).await.unwrap();
    assert_eq!((response.results[0].index, response.results[0].score), (1, 0.9));
    assert_eq!(server.taken("it")[0].path, "/rerank");
}

/// What the model said comes back in the next turn as it came: sealed reasoning, calls, citations, blocks of the
/// provider.
#[test]
fn answers_go_back_unchanged() {
    use llm_providers::bedrock::converse::render_request;
    let content = json!([
        { "reasoningContent": { "reasoningText": { "text": "hm", "signature": "c2ln" } } },
        { "reasoningContent": { "redactedContent": "c2VhbGVk" } },
        { "citationsContent": { "content": [{ "text": "so it is" }], "citations": [
            { "title": "t", "location": { "documentPage": { "documentIndex": 0, "start": 1, "end": 2 } } },
        ] } },
        { "toolUse": { "toolUseId": "s1", "name": "web", "input": {}, "type": "server_tool_use" } },
        { "toolUse": { "toolUseId": "c1", "name": "look", "input": { "at": [1, 2.5] } } },
    ]);
    let body = json!({
        "output": { "message": { "role": "assistant", "content": content } },
        "stopReason": "tool_use",
    });
    let decoder = ConverseDecoder::new(None);
    let (events, result) = decoder.whole(body.to_string().as_bytes());
    result.unwrap();
    let mut fold = llm_core::ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let message = fold.finish().choices.remove(0).message;
    assert_eq!(message.tool_calls().count(), 1);
    assert!(message.parts.iter().any(|part| matches!(part, Part::Other { .. })));
    let rendered = render_request(ChatRequest::new(vec![message])).unwrap();
    assert_eq!(rendered.body["messages"], json!([{ "role": "assistant", "content": content }]));
}

const EVENTS: [&str; 6] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
];

/// Payloads in and out of order, for any event; `#` is a block's number.
const PAYLOADS: [&str; 20] = [
    r#"{"role":"assistant"}"#,
    r##"{"contentBlockIndex":#,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"##,
    r##"{"contentBlockIndex":#,"start":{"toolUse":{"name":1,"type":"server_tool_use"}}}"##,
    r##"{"contentBlockIndex":#,"start":{"toolResult":{"toolUseId":"a"}}}"##,
    r##"{"contentBlockIndex":#,"start":{"image":{"format":"png"}}}"##,
    r##"{"contentBlockIndex":#,"start":{}}"##,
    r##"{"contentBlockIndex":#,"delta":{"text":"häß"}}"##,
    r##"{"contentBlockIndex":#,"delta":{"toolUse":{"input":"{"}}}"##,
    r##"{"contentBlockIndex":#,"delta":{"toolResult":[{"text":"x"}]}}"##,
    r##"{"contentBlockIndex":#,"delta":{"reasoningContent":{"text":"r"}}}"##,
    r##"{"contentBlockIndex":#,"delta":{"reasoningContent":{"signature":"s"}}}"##,
    r##"{"contentBlockIndex":#,"delta":{"reasoningContent":{"redactedContent":"AQI="}}}"##,
    r##"{"contentBlockIndex":#,"delta":{"image":{"source":{"bytes":"AQI="}}}}"##,
    r##"{"contentBlockIndex":#,"delta":{"citation":{"location":{}}}}"##,
    r##"{"contentBlockIndex":#,"delta":{"new":1}}"##,
    r##"{"contentBlockIndex":#}"##,
    r#"{"stopReason":"tool_use","additionalModelResponseFields":{"a":1}}"#,
    r#"{"usage":{"inputTokens":18446744073709551615,"cacheReadInputTokens":9}}"#,
    r#"[]"#,
    r#"{"#,
];

proptest::proptest! {
    /// Whatever comes in whatever order: no panic, and the cuts between chunks do not matter.
    #[test]
    fn no_order_of_events_breaks_the_decoder(
        events in proptest::collection::vec((0_usize..6, 0_usize..20, 0_u32..3), 0..12),
        chunk in 1_usize..40,
    ) {
        let body: Vec<u8> = events
            .iter()
            .flat_map(|(name, payload, block)| {
                let headers = [(":message-type", "event"), (":event-type", EVENTS[*name])];
                let payload = PAYLOADS[*payload].replace('#', &block.to_string());
                encode_frame(&headers, payload.as_bytes())
            })
            .collect();
        let whole = decode(vec![&body]);
        proptest::prop_assert_eq!(decode(body.chunks(chunk).collect()), whole);
    }

    /// Recorded requests with a value put in a random place: read or refused, never a panic, and what is written can be
    /// read again.
    #[test]
    fn no_request_breaks_the_parser(
        seed in 0_usize..1000,
        at in 0_usize..60,
        odd in 0_usize..8,
    ) {
        use llm_providers::bedrock::converse::{parse_request, render_request};
        let mut body = whole_request();
        let odd = [json!(null), json!(1), json!("x"), json!([]), json!({}), json!([{}]), json!({"text": 1}), json!(-1.5)][odd].clone();
        let mut places = 0;
        put(&mut body, at, &mut places, &odd);
        let model = ["us.anthropic.claude-sonnet-5", "us.amazon.nova-2-lite-v1:0", "cohere.command-r-v1:0"][seed % 3];
        if let Ok(request) = parse_request(model, false, body) {
            let rendered = render_request(request).unwrap();
            parse_request(model, false, rendered.body.into()).unwrap();
        }
    }
}

fn whole_request() -> Value {
    json!({
        "system": [{ "text": "s" }, { "cachePoint": { "type": "default" } }],
        "messages": [
            { "role": "user", "content": [
                { "text": "t" },
                { "image": { "format": "png", "source": { "bytes": "AA==" } } },
                { "document": { "format": "pdf", "name": "d", "source": { "text": "x" } } },
                { "cachePoint": { "type": "default", "ttl": "1h" } },
            ] },
            { "role": "assistant", "content": [
                { "reasoningContent": { "reasoningText": { "text": "r", "signature": "s" } } },
                { "toolUse": { "toolUseId": "c", "name": "f", "input": { "a": 1 } } },
            ] },
            { "role": "user", "content": [
                { "toolResult": { "toolUseId": "c", "content": [{ "json": {} }], "status": "error" } },
            ] },
        ],
        "inferenceConfig": { "maxTokens": 5, "temperature": 0.1, "stopSequences": ["x"] },
        "toolConfig": { "tools": [{ "toolSpec": { "name": "f", "inputSchema": { "json": {} } } }], "toolChoice": { "any": {} } },
        "additionalModelRequestFields": {
            "thinking": { "type": "enabled", "budget_tokens": 5 }, "top_k": 3, "k": 2,
            "inferenceConfig": { "topK": 1 }, "reasoningConfig": { "type": "enabled", "maxReasoningEffort": "low" },
        },
        "outputConfig": { "textFormat": { "type": "json_schema", "structure": { "jsonSchema": { "name": "n", "schema": "{}" } } } },
        "serviceTier": { "type": "flex" },
    })
}

/// Replaces the value that comes `at`-th.
fn put(value: &mut Value, at: usize, places: &mut usize, odd: &Value) {
    if *places == at {
        *value = odd.clone();
    }
    *places += 1;
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| put(value, at, places, odd)),
        Value::Array(items) => items.iter_mut().for_each(|value| put(value, at, places, odd)),
        _ => {}
    }
}
