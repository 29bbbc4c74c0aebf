//! Claude's dialect: the real client against recorded and written answers, and recorded streams cut anywhere.
#![cfg(feature = "anthropic")]

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use llm_core::{
    ChatEvent, ChatFold, ChatRequest, ChatResponse, ErrorKind, FinishReason, Message, Part, Retry,
    RetryHint,
};
use llm_providers::Anthropic;
use llm_providers::anthropic::server::{EventWriter, ReplyHead, message_body};
use llm_providers::anthropic::{MessageDecoder, VertexProject};
use llm_providers::credentials::{AccessToken, TokenError, TokenSource};
use llm_providers::stream::decode_chunks;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

/// An exchange with this answer.
fn exchange(status: u16, headers: Value, framing: &str, body: &str) -> Exchange {
    serde_json::from_value(json!({
        "id": "own", "provider": "anthropic", "dialect": "own", "wire": "anthropic-messages",
        "kind": "chat",
        "request": { "method": "POST", "url": "https://api.anthropic.com/v1/messages" },
        "response": { "status": status, "headers": headers, "framing": framing, "body": body },
    }))
    .unwrap()
}

fn json_exchange(status: u16, body: &Value) -> Exchange {
    let headers = json!({ "content-type": "application/json", "request-id": "req_1" });
    exchange(status, headers, "json", &body.to_string())
}

fn stream_exchange(events: &[Value]) -> Exchange {
    let body: String = events.iter().map(wire_event).collect();
    exchange(200, json!({ "content-type": "text/event-stream" }), "sse", &body)
}

fn wire_event(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
}

fn message_start() -> Value {
    json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [], "stop_reason": null,
        "usage": { "input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1 },
    } })
}

fn text_delta(text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": 0,
        "delta": { "type": "text_delta", "text": text } })
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("why is the sky blue")])
}

fn provider(server: &ReplayServer, exchange: Exchange) -> Anthropic {
    let origin = server.add(exchange, Chunking::Random { longest: 9, seed: 4 });
    Anthropic::builder("anthropic")
        .base_url(format!("{origin}/v1"))
        .api_key("sk-test".into())
        .build()
        .unwrap()
}

#[tokio::test]
async fn says_who_calls_and_what_it_speaks() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({
        "id": "msg_1", "type": "message", "model": "claude-haiku-4-5",
        "content": [{ "type": "text", "text": "air" }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 3, "output_tokens": 1 },
    });
    let mut request = question();
    request.extra_headers.insert("anthropic-beta".into(), "one".into());
    request.sampling.seed = Some(1);
    let model = provider(&server, json_exchange(200, &body)).chat("claude-haiku-4-5");
    let response = ChatResponse::collect(model.chat(request).await.unwrap()).await.unwrap();
    assert_eq!(response.text(), "air");
    assert_eq!(response.choices[0].finish, FinishReason::Stop);
    assert_eq!(response.usage.total_tokens(), Some(4));
    assert_eq!(response.started.request_id.as_deref(), Some("req_1"));
    assert_eq!(response.warnings[0].param.as_deref(), Some("seed"));

    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/v1/messages");
    assert_eq!(seen.headers["x-api-key"], "sk-test");
    assert_eq!(seen.headers["anthropic-version"], "2023-06-01");
    assert_eq!(seen.headers["anthropic-beta"], "one");
    assert!(seen.json()["max_tokens"].is_u64());
}

#[tokio::test]
async fn a_failure_in_the_stream_comes_after_what_was_said() {
    let server = ReplayServer::start().await.unwrap();
    let error = json!({ "type": "error",
        "error": { "type": "overloaded_error", "message": "Overloaded" } });
    for (last, kind) in [(Some(error), ErrorKind::Overloaded), (None, ErrorKind::Malformed)] {
        let mut events = vec![message_start(), json!({ "type": "ping" }), text_delta("so ")];
        events.extend(last);
        let model = provider(&server, stream_exchange(&events)).chat("claude-haiku-4-5");
        let reply = model.chat(question().streamed()).await.unwrap();
        let items: Vec<_> = reply.collect().await;
        assert!(items.iter().any(|item| matches!(item, Ok(ChatEvent::Text { .. }))));
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.provider()), (kind, "anthropic"));
    }
}

#[tokio::test]
async fn refusals_tell_kind_hint_and_request_id() {
    let server = ReplayServer::start().await.unwrap();
    for (status, word, kind, retry) in [
        (401, "authentication_error", ErrorKind::Authentication, Retry::Exhausted),
        (429, "rate_limit_error", ErrorKind::RateLimit, Retry::Now),
        (529, "overloaded_error", ErrorKind::Overloaded, Retry::Now),
    ] {
        let body = json!({ "type": "error", "error": { "type": word, "message": "no" } });
        let model = provider(&server, json_exchange(status, &body)).chat("claude-haiku-4-5");
        let error = model.chat(question().streamed()).await.err().unwrap();
        assert_eq!((error.kind(), error.retry()), (kind, retry));
        assert_eq!(error.request_id(), Some("req_1"));
        assert_eq!((error.provider(), error.model()), ("anthropic", "claude-haiku-4-5"));
        assert!(!format!("{error:?}").contains("sk-test"));
    }
}

struct Tokens(Result<&'static str, ErrorKind>);

impl TokenSource for Tokens {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let token = self
            .0
            .map(|secret| AccessToken { secret: secret.into(), lasts: None })
            .map_err(|kind| TokenError::new(kind, "nobody there"));
        Box::pin(async { token })
    }
}

#[tokio::test]
async fn vertex_is_asked_with_a_token_in_its_own_envelope() {
    let server = ReplayServer::start().await.unwrap();
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
        "usage": { "output_tokens": 9 } });
    let events = [message_start(), text_delta("air"), end, json!({ "type": "message_stop" })];
    let origin = server.add(stream_exchange(&events), Chunking::Whole);
    let project = VertexProject { project: "p".into(), location: "global".into() };
    let on_vertex = |tokens| {
        Anthropic::on_vertex("vertex", &project, Arc::new(tokens))
            .base_url(format!("{origin}/models"))
            .build()
            .unwrap()
    };
    let model = on_vertex(Tokens(Ok("t1"))).chat("claude-haiku-4-5@20251001");
    let reply = model.chat(question().streamed()).await.unwrap();
    let response = ChatResponse::collect(reply).await.unwrap();
    // The end repeats only a part of the usage.
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (Some(7), Some(9)));
    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/models/claude-haiku-4-5@20251001:streamRawPredict");
    assert_eq!(seen.headers["authorization"], "Bearer t1");
    let body = seen.json();
    assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
    assert_eq!((body.get("model"), &body["stream"]), (None, &json!(true)));

    let model = on_vertex(Tokens(Err(ErrorKind::Authentication))).chat("m");
    let error = model.chat(question()).await.err().unwrap();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Authentication, "vertex"));
    assert!(server.taken("own").is_empty(), "nothing was sent");
}

#[tokio::test]
async fn tokens_are_counted() {
    let server = ReplayServer::start().await.unwrap();
    let provider = provider(&server, json_exchange(200, &json!({ "input_tokens": 14 })));
    let mut request = ChatRequest { model: "claude-haiku-4-5".into(), ..question() };
    request.sampling.temperature = Some(0.0);
    assert_eq!(provider.count_tokens(request).await.unwrap(), 14);
    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/v1/messages/count_tokens");
    let expected = json!({ "model": "claude-haiku-4-5",
        "messages": [{ "role": "user", "content": "why is the sky blue" }] });
    assert_eq!(seen.json(), expected);
}

fn recordings(framing: &str) -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |_| true).unwrap();
    exchanges.retain(|exchange| {
        exchange.wire == "anthropic-messages"
            && exchange.response.framing == framing
            && exchange.response.status < 400
    });
    assert!(!exchanges.is_empty());
    exchanges
}

fn decode(chunks: Vec<&[u8]>) -> String {
    let (events, result) = decode_chunks(chunks, MessageDecoder::new(None), MAX_EVENT);
    format!("{events:?} {result:?}")
}

#[test]
fn any_split_gives_the_same_events() {
    for (at, exchange) in recordings("sse").iter().enumerate() {
        let bytes = exchange.response.bytes();
        let whole = decode(vec![&bytes]);
        for longest in [1, 2, 7, 100, 2000] {
            let chunks = split(&bytes, longest, at as u64);
            assert_eq!(decode(chunks), whole, "{} in chunks of {longest}", exchange.id);
        }
        let text = String::from_utf8(bytes).unwrap().replace('\n', "\r\n");
        assert_eq!(decode(split(text.as_bytes(), 50, 3)), whole, "{}", exchange.id);
    }
}

/// A stream that is cut short anywhere before its last event is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for exchange in recordings("sse") {
        let bytes = exchange.response.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let Some(end) = text.rfind("event: message_stop") else {
            continue;
        };
        for cut in [0, end / 3, end / 2, end] {
            let decoder = MessageDecoder::new(None);
            let (_, result) = decode_chunks([&bytes[..cut]], decoder, MAX_EVENT);
            assert!(result.is_err(), "{} cut at {cut}", exchange.id);
        }
    }
}

fn fold(events: Vec<ChatEvent>) -> ChatResponse {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

/// What our server writes of a recorded answer, our client reads as the same answer.
#[test]
fn the_servers_events_say_the_same() {
    for exchange in recordings("sse") {
        let bytes = exchange.response.bytes();
        let (events, result) = decode_chunks([&bytes[..]], MessageDecoder::new(None), MAX_EVENT);
        if result.is_err() {
            continue;
        }
        let expected = fold(events.clone());
        let head = ReplyHead {
            id: expected.started.id.clone().unwrap_or_default(),
            model: expected.started.model.clone().unwrap_or_default(),
        };
        let mut writer = EventWriter::new(head.clone());
        let mut written: Vec<_> =
            events.into_iter().flat_map(|event| writer.events(event)).collect();
        written.extend(writer.end());
        let text: String = written
            .into_iter()
            .map(|event| format!("event: {}\ndata: {}\n\n", event.name, event.data))
            .collect();
        let (events, result) =
            decode_chunks([text.as_bytes()], MessageDecoder::new(None), MAX_EVENT);
        result.unwrap();
        let found = fold(events);
        assert_same(&found, &expected, &exchange.id);

        let body = message_body(&expected, &head).to_string();
        let (events, result) = MessageDecoder::new(None).whole(body.as_bytes());
        result.unwrap();
        assert_same(&fold(events), &expected, &exchange.id);
    }
}

/// Blocks that say nothing (empty text, unsigned empty thinking) may be left out on the way.
fn assert_same(found: &ChatResponse, expected: &ChatResponse, id: &str) {
    let parts = |response: &ChatResponse| -> Vec<Part> {
        let choice = response.choices.first();
        let mut parts = choice.map(|choice| choice.message.parts.clone()).unwrap_or_default();
        parts.retain(|part| part.as_text() != Some(""));
        for part in &mut parts {
            if let Part::ToolCall(call) = part
                && let Ok(arguments) = call.parsed_arguments()
            {
                call.arguments = arguments.to_string();
            }
        }
        parts
    };
    let unparsed =
        |part: &Part| matches!(part, Part::ToolCall(call) if call.parsed_arguments().is_err());
    if !parts(expected).iter().any(unparsed) {
        assert_eq!(parts(found), parts(expected), "{id}");
    }
    let finish = |response: &ChatResponse| {
        response.choices.first().map(|choice| (choice.finish, choice.raw_finish.clone()))
    };
    assert_eq!(finish(found), finish(expected), "{id}");
    assert_eq!(found.usage, expected.usage, "{id}");
}

/// Pieces of streams in any order, most of them out of place.
const PIECES: [&str; 14] = [
    r#"{"type":"message_start","message":{"id":"m","content":[{"type":"text","text":"a"}],"usage":{"input_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    r#"{"type":"content_block_start","content_block":{"type":"compaction","content":null}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"é"}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
    r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"s"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","content":"c","more":[1]}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"x_location"}}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","container":{"id":"c"}},"usage":{"output_tokens":2}}"#,
    r#"{"type":"new_event","field":true}"#,
    r#"{"type":"message_stop"}"#,
];

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_decoder(
        order in proptest::collection::vec(0..PIECES.len(), 0..20),
        longest in 1_usize..40,
    ) {
        let text: String = order.iter().map(|at| format!("data: {}\n\n", PIECES[*at])).collect();
        let whole = decode(vec![text.as_bytes()]);
        prop_assert_eq!(decode(split(text.as_bytes(), longest, 1)), whole);
        // Whatever came out of it, the server's side can write, and what it writes can be read.
        let decoder = MessageDecoder::new(None);
        let (events, _) = decode_chunks([text.as_bytes()], decoder, MAX_EVENT);
        let mut writer = EventWriter::new(ReplyHead::default());
        let mut written: Vec<_> =
            events.into_iter().flat_map(|event| writer.events(event)).collect();
        written.extend(writer.end());
        let text: String =
            written.into_iter().map(|event| format!("data: {}\n\n", event.data)).collect();
        let decoder = MessageDecoder::new(None);
        let (_, result) = decode_chunks([text.as_bytes()], decoder, MAX_EVENT);
        prop_assert!(result.is_ok(), "{:?} of {}", result, text);
    }

    #[test]
    fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = MessageDecoder::new(None).whole(&bytes);
        let event = [b"data: ", &bytes[..], b"\n\n"].concat();
        let _ = decode_chunks([&event[..]], MessageDecoder::new(None), MAX_EVENT);
    }
}
