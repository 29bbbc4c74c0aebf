//! Cohere's own API: the real client against recorded and written answers, and recorded streams cut anywhere.
#![cfg(feature = "cohere")]

use std::path::Path;

use futures::StreamExt;
use llm_core::{
    Annotation, ChatEvent, ChatFold, ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind,
    FinishReason, Message, ModelError, Part, RerankRequest, Retry, RetryHint, Role, ToolResult,
    TranscriptionRequest,
};
use llm_providers::cohere::{ChatDecoder, CohereVersion, v1};
use llm_providers::stream::{decode_chunks, decode_lines};
use llm_providers::{Cohere, RawRequest};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

/// An exchange with this answer.
fn exchange(status: u16, headers: Value, body: &str) -> Exchange {
    serde_json::from_value(json!({
        "id": "own", "provider": "cohere", "dialect": "own", "wire": "cohere-v2-chat",
        "kind": "chat",
        "request": { "method": "POST", "url": "https://api.cohere.com/v2/chat" },
        "response": { "status": status, "headers": headers, "framing": "json", "body": body },
    }))
    .unwrap()
}

fn json_exchange(status: u16, body: &Value) -> Exchange {
    let headers = json!({ "content-type": "application/json", "x-debug-trace-id": "t-1" });
    exchange(status, headers, &body.to_string())
}

fn sse_exchange(events: &[Value]) -> Exchange {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    exchange(200, json!({ "content-type": "text/event-stream" }), &body)
}

fn lines_exchange(lines: &[Value]) -> Exchange {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    exchange(200, json!({ "content-type": "application/stream+json" }), &body)
}

fn provider(server: &ReplayServer, exchange: Exchange, version: CohereVersion) -> Cohere {
    let origin = server.add(exchange, Chunking::Random { longest: 9, seed: 4 });
    Cohere::builder("cohere")
        .base_url(origin)
        .version(version)
        .api_key("co-test".into())
        .build()
        .unwrap()
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("why is the sky blue")])
}

async fn collect(
    server: &ReplayServer,
    exchange: Exchange,
    version: CohereVersion,
    request: ChatRequest,
) -> Result<ChatResponse, ModelError> {
    let model = provider(server, exchange, version).chat("command-a-03-2025");
    ChatResponse::collect(model.chat(request).await?).await
}

/// The parts of the first answer, in short.
fn told(response: &ChatResponse) -> Vec<String> {
    let parts = &response.choices[0].message.parts;
    let one = |part: &Part| match part {
        Part::Text(text) => format!("text {} [{}]", text.text, text.annotations.len()),
        Part::Reasoning(block) if block.extra.is_empty() => format!("thinking {}", block.text),
        Part::Reasoning(block) => format!("plan {}", block.text),
        Part::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.arguments),
        other => format!("{other:?}"),
    };
    parts.iter().map(one).collect()
}

#[tokio::test]
async fn an_answer_is_read_whole() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({
        "id": "a-1",
        "message": {
            "role": "assistant",
            "content": [
                { "type": "thinking", "thinking": "hm" },
                { "type": "text", "text": "Rayleigh." },
            ],
            "citations": [
                { "start": 0, "end": 8, "text": "Rayleigh", "sources": [], "content_index": 1 },
                { "start": 0, "end": 2, "text": "hm", "sources": [], "type": "THINKING_CONTENT" },
            ],
        },
        "finish_reason": "COMPLETE",
        "usage": { "billed_units": { "input_tokens": 2 },
            "tokens": { "input_tokens": 70, "output_tokens": 9, "reasoning_tokens": 4 } },
        "logprobs": [{ "token_ids": [1, 2], "text": "Rayleigh", "logprobs": [-0.5, -0.25] }],
    });
    let mut exchange = json_exchange(200, &body);
    exchange.response.headers.insert("x-api-warning".into(), "it is about to go".into());
    let mut request = question();
    request.user = Some("u".into());
    request.extra_headers.insert("x-client-name".into(), "c".into());
    request.extra_body.insert("safety_mode".into(), "STRICT".into());
    let response = collect(&server, exchange, CohereVersion::V2, request).await.unwrap();

    assert_eq!(told(&response), ["thinking hm", "text Rayleigh. [1]"]);
    assert_eq!(response.choices[0].finish, FinishReason::Stop);
    assert_eq!(response.choices[0].logprobs[0]["content"][0]["logprob"], -0.75);
    assert_eq!(response.usage.total_tokens(), Some(79));
    assert_eq!(response.started.id.as_deref(), Some("a-1"));
    assert_eq!(response.started.request_id.as_deref(), Some("t-1"));
    assert_eq!(response.extra["citations"][0]["text"], "hm");
    let warnings: Vec<&str> =
        response.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(warnings, ["dropped_parameter", "provider_warning"]);

    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/v2/chat");
    assert_eq!(seen.headers["authorization"], "Bearer co-test");
    assert_eq!(seen.headers["x-client-name"], "c");
    assert_eq!(seen.json()["safety_mode"], "STRICT");
}

fn start() -> Value {
    json!({ "type": "message-start", "id": "a-1", "delta": { "message": {
        "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] } } })
}

fn end(reason: &str) -> Value {
    json!({ "type": "message-end", "delta": { "finish_reason": reason, "usage": {} } })
}

fn piece(kind: &str, message: Value) -> Value {
    json!({ "type": kind, "index": 0, "delta": { "message": message } })
}

/// The plan and the calls of a streamed answer go back as they came, and the result after them.
#[tokio::test]
async fn tools_go_there_and_back() {
    let server = ReplayServer::start().await.unwrap();
    let call = json!({ "id": "look_1", "type": "function",
        "function": { "name": "look", "arguments": "" } });
    let events = [
        start(),
        piece("tool-plan-delta", json!({ "tool_plan": "I will " })),
        piece("tool-plan-delta", json!({ "tool_plan": "look." })),
        piece("tool-call-start", json!({ "tool_calls": call })),
        piece(
            "tool-call-delta",
            json!({ "tool_calls": { "function": { "arguments": "{\"a\"" } } }),
        ),
        piece("tool-call-delta", json!({ "tool_calls": { "function": { "arguments": ":1}" } } })),
        piece("tool-call-end", json!({})),
        end("TOOL_CALL"),
    ];
    let exchange = sse_exchange(&events);
    let request = question().streamed();
    let response = collect(&server, exchange, CohereVersion::V2, request).await.unwrap();
    assert_eq!(told(&response), ["plan I will look.", "call look_1 look {\"a\":1}"]);
    assert_eq!(response.choices[0].finish, FinishReason::ToolCalls);
    assert_eq!(server.taken("own")[0].json()["stream"], true);

    let mut request = question();
    request.messages.push(response.choices[0].message.clone());
    let result = Part::ToolResult(ToolResult::text("look_1", "blue"));
    request.messages.push(Message::new(Role::Tool, vec![result]));
    let done = sse_exchange(&[
        start(),
        piece("content-start", json!({ "content": { "type": "text", "text": "" } })),
        piece("content-delta", json!({ "content": { "text": "Blue" } })),
        piece(
            "citation-start",
            json!({ "citations": { "start": 0, "end": 4, "text": "Blue",
            "sources": [{ "type": "tool", "id": "look_1:0" }], "type": "TEXT_CONTENT" } }),
        ),
        piece("citation-end", json!({})),
        piece("content-end", json!({})),
        end("COMPLETE"),
    ]);
    let response = collect(&server, done, CohereVersion::V2, request.streamed()).await.unwrap();
    assert_eq!(told(&response), ["text Blue [1]"]);
    let Part::Text(text) = &response.choices[0].message.parts[0] else { panic!() };
    assert!(matches!(&text.annotations[0],
        Annotation::Other { value } if value["sources"][0]["id"] == "look_1:0"));
    let seen = server.taken("own")[0].json();
    assert_eq!(
        seen["messages"][1],
        json!({ "role": "assistant", "tool_plan": "I will look.", "tool_calls": [{
            "id": "look_1", "type": "function",
            "function": { "name": "look", "arguments": "{\"a\":1}" } }] }),
    );
    let result = json!({ "role": "tool", "tool_call_id": "look_1", "content": "blue" });
    assert_eq!(seen["messages"][2], result);
}

#[tokio::test]
async fn a_failure_in_the_stream_comes_after_what_was_said() {
    let server = ReplayServer::start().await.unwrap();
    let invalid = json!({ "type": "message-end", "delta": { "finish_reason": "ERROR", "usage": {},
        "error": "an invalid tool generation", "error_type": "INVALID_TOOL_GENERATION" } });
    for (last, kind, retry) in [
        (Some(invalid), ErrorKind::Malformed, Retry::Now),
        (Some(end("ERROR")), ErrorKind::Upstream, Retry::No),
        (Some(end("TIMEOUT")), ErrorKind::Timeout, Retry::No),
        (None, ErrorKind::Malformed, Retry::No),
    ] {
        let mut events =
            vec![start(), piece("content-delta", json!({ "content": { "text": "so" } }))];
        events.extend(last);
        let model = provider(&server, sse_exchange(&events), CohereVersion::V2).chat("m");
        let items: Vec<_> = model.chat(question().streamed()).await.unwrap().collect().await;
        assert!(items.iter().any(|item| matches!(item, Ok(ChatEvent::Text { .. }))));
        let error = items.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry));
        assert_eq!((error.provider(), error.model()), ("cohere", "m"));
    }
}

#[tokio::test]
async fn refusals_tell_kind_and_request_id_and_no_key() {
    let server = ReplayServer::start().await.unwrap();
    for version in [CohereVersion::V2, CohereVersion::V1] {
        let body = json!({ "message": "invalid api token: co-test" });
        let request = question().streamed();
        let error =
            collect(&server, json_exchange(401, &body), version, request).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Authentication, Retry::Exhausted));
        assert_eq!((error.request_id(), error.provider()), (Some("t-1"), "cohere"));
        assert!(!format!("{error:?}").contains("co-test"));

        // The same body under a success is the same failure.
        let body = json!({ "id": "i", "message": "too many tokens" });
        let error = collect(&server, json_exchange(200, &body), version, question().streamed())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextLength, "{version:?}");
    }
}

#[tokio::test]
async fn version_1_is_asked_with_a_message_and_its_history() {
    let server = ReplayServer::start().await.unwrap();
    let lines = [
        json!({ "event_type": "stream-start", "is_finished": false, "generation_id": "g-1" }),
        json!({ "event_type": "tool-calls-chunk", "tool_call_delta": { "text": "I will look." } }),
        json!({ "event_type": "tool-calls-chunk", "tool_call_delta": { "index": 0, "name": "look" } }),
        json!({ "event_type": "tool-calls-chunk",
            "tool_call_delta": { "index": 0, "parameters": "{\"a\":1}" } }),
        json!({ "event_type": "tool-calls-generation", "text": "I will look.",
            "tool_calls": [{ "name": "look", "parameters": { "a": 1 } }] }),
        json!({ "event_type": "stream-end", "is_finished": true, "finish_reason": "COMPLETE",
            "response": { "generation_id": "g-1", "text": "I will look.",
                "tool_calls": [{ "name": "look", "parameters": { "a": 1 } }],
                "meta": { "api_version": { "version": "1" },
                    "tokens": { "input_tokens": 5, "output_tokens": 2 } } } }),
    ];
    let exchange = lines_exchange(&lines);
    let mut request = question().streamed();
    request.messages.insert(0, Message::system("be brief"));
    let response = collect(&server, exchange, CohereVersion::V1, request.clone()).await.unwrap();
    let id = &response.choices[0].message.tool_calls().next().unwrap().id.clone();
    let expected = ["text I will look. [0]".to_owned(), format!("call {id} look {{\"a\":1}}")];
    assert_eq!(told(&response), expected);
    assert_eq!(response.choices[0].finish, FinishReason::ToolCalls);
    assert_eq!(response.usage.total_tokens(), Some(7));
    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/v1/chat");
    let body = json!({ "model": "command-a-03-2025", "message": "why is the sky blue",
        "preamble": "be brief", "stream": true });
    assert_eq!(seen.json(), body);

    // Results repeat their calls, since those have no ids.
    request.stream = false;
    request.messages.push(response.choices[0].message.clone());
    let result = ToolResult::text(id.as_str(), "blue");
    request.messages.push(Message::new(Role::Tool, vec![Part::ToolResult(result)]));
    let body = json!({ "text": "Blue.", "generation_id": "g-2", "finish_reason": "COMPLETE",
        "citations": [{ "start": 0, "end": 4, "text": "Blue", "document_ids": ["d"] }],
        "documents": [{ "id": "d" }], "chat_history": [{ "role": "USER", "message": "?" }] });
    let answer = json_exchange(200, &body);
    let response = collect(&server, answer, CohereVersion::V1, request).await.unwrap();
    assert_eq!(told(&response), ["text Blue. [1]"]);
    assert_eq!(response.extra["documents"][0]["id"], "d");
    assert!(!response.extra.contains_key("chat_history"));
    let seen = server.taken("own")[0].json();
    let call = json!({ "name": "look", "parameters": { "a": 1 } });
    assert_eq!(seen["message"], "");
    assert_eq!(seen["tool_results"], json!([{ "call": call, "outputs": [{ "output": "blue" }] }]));
    assert_eq!(seen["chat_history"][1]["tool_calls"], json!([call]));
}

#[tokio::test]
async fn a_prompt_goes_on_without_roles() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({ "id": "g", "prompt": "p", "generations": [
        { "id": "1", "text": "one", "finish_reason": "COMPLETE" },
        { "id": "2", "text": "two", "finish_reason": "MAX_TOKENS" },
    ], "meta": { "billed_units": { "input_tokens": 1, "output_tokens": 2 } } });
    let exchange = json_exchange(200, &body);
    let mut request = question();
    request.n = Some(2);
    let model = provider(&server, exchange, CohereVersion::V2).generate("command-light");
    let response = ChatResponse::collect(model.chat(request).await.unwrap()).await.unwrap();
    let texts: Vec<String> = response.choices.iter().map(|choice| choice.message.text()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(response.choices[1].finish, FinishReason::Length);
    assert_eq!(response.usage.total_tokens(), Some(3));
    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/v1/generate");
    assert_eq!(seen.json()["num_generations"], 2);
}

#[tokio::test]
async fn many_texts_are_embedded_in_several_calls() {
    let server = ReplayServer::start().await.unwrap();
    // The server gives every call the same answer, so that three equal batches must come.
    let vectors: Vec<[f32; 2]> = (0..96).map(|at| [at as f32, 1.0]).collect();
    let body = json!({ "embeddings": { "float": vectors },
        "meta": { "billed_units": { "input_tokens": 100 } } });
    let client = provider(&server, json_exchange(200, &body), CohereVersion::V2);
    let request = EmbeddingRequest::documents(vec!["text"; 288]);
    let response = client.embedding("embed-v4.0").embed(request).await.unwrap();
    assert_eq!(response.vectors.len(), 288);
    assert_eq!(response.vectors[95], response.vectors[287]);
    assert_eq!(response.usage.input_tokens, Some(300));
    let seen = server.taken("own");
    assert!(seen.iter().all(|seen| seen.json()["texts"].as_array().unwrap().len() == 96));
    assert_eq!(seen.len(), 3);

    let none = client.embedding("m").embed(EmbeddingRequest::default()).await.unwrap();
    assert!(none.vectors.is_empty() && server.taken("own").is_empty());
    let mut both = EmbeddingRequest::query("hi");
    both.extra_body.insert("images".into(), json!(["data:image/png;base64,AA=="]));
    let error = client.embedding("m").embed(both).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn rerank_is_asked_in_the_instances_version() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({ "results": [{ "index": 1, "relevance_score": 0.9 }],
        "meta": { "billed_units": { "search_units": 1 } } });
    for (version, path) in [(CohereVersion::V2, "/v2/rerank"), (CohereVersion::V1, "/v1/rerank")] {
        let client = provider(&server, json_exchange(200, &body), version);
        let request = RerankRequest {
            query: "q".into(),
            documents: vec!["a".into(), "b".into()],
            top: Some(1),
            ..RerankRequest::default()
        };
        let response = client.rerank("rerank-v3.5").rerank(request).await.unwrap();
        assert_eq!(response.results[0].index, 1);
        assert_eq!(response.usage.search_units, Some(1));
        let seen = &server.taken("own")[0];
        assert_eq!((seen.path.as_str(), &seen.json()["top_n"]), (path, &json!(1)));
    }
}

#[tokio::test]
async fn models_and_tokens_are_told() {
    let server = ReplayServer::start().await.unwrap();
    let list = json!({ "models": [{ "name": "a", "context_length": 5 }, { "no": "name" }],
        "next_page_token": "" });
    let client = provider(&server, json_exchange(200, &list), CohereVersion::V2);
    let models = client.list_models().await.unwrap();
    assert_eq!((models.len(), models[0].id.as_str()), (1, "a"));
    assert_eq!(models[0].extra["context_length"], 5);
    assert_eq!(server.taken("own")[0].path, "/v1/models");

    let tokens = json!({ "tokens": [9707, 11], "token_strings": ["Hello", ","] });
    let client = provider(&server, json_exchange(200, &tokens), CohereVersion::V2);
    assert_eq!(client.tokenize("m", "Hello,").await.unwrap().ids, [9707, 11]);
}

#[tokio::test]
async fn sound_is_sent_in_a_form() {
    let server = ReplayServer::start().await.unwrap();
    let heard = json!({ "text": "hello" });
    let client = provider(&server, json_exchange(200, &heard), CohereVersion::V2);
    let request = TranscriptionRequest {
        audio: "RIFF".into(),
        file_name: "a.wav".into(),
        language: Some("en".into()),
        ..TranscriptionRequest::default()
    };
    let model = client.transcription("cohere-transcribe-03-2026");
    assert_eq!(model.transcribe(request).await.unwrap().text, "hello");
    let seen = &server.taken("own")[0];
    assert_eq!(seen.path, "/v2/audio/transcriptions");
    let body = String::from_utf8_lossy(&seen.body);
    for part in ["name=\"model\"\r\n\r\ncohere-transcribe-03-2026", "filename=\"a.wav\"", "RIFF"] {
        assert!(body.contains(part), "{body}");
    }

    let raw = RawRequest::post("v1/detokenize").json(json!({ "tokens": [1] }));
    assert_eq!(client.raw(raw).await.unwrap().json().unwrap(), heard);
    assert_eq!(server.taken("own")[0].path, "/v1/detokenize");
}

fn recordings(wires: &[&str]) -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |folder| folder.starts_with("cohere-")).unwrap();
    exchanges.retain(|exchange| {
        wires.contains(&exchange.wire.as_str())
            && exchange.kind.ends_with("-stream")
            && exchange.response.status < 400
    });
    assert!(!exchanges.is_empty());
    exchanges
}

type Decoded = (Vec<ChatEvent>, Result<(), ModelError>);

fn decode_v2(chunks: Vec<&[u8]>) -> Decoded {
    decode_chunks(chunks, ChatDecoder::new(None), MAX_EVENT)
}

fn decode_v1(chunks: Vec<&[u8]>) -> Decoded {
    decode_lines(chunks, v1::ChatDecoder::new(None), MAX_EVENT)
}

#[test]
fn any_split_gives_the_same_events() {
    check_splits(&["cohere-v2-chat"], decode_v2);
    check_splits(&["cohere-v1-chat", "cohere-v1-generate"], decode_v1);
}

fn check_splits(wires: &[&str], decode: fn(Vec<&[u8]>) -> Decoded) {
    for (at, exchange) in recordings(wires).iter().enumerate() {
        let bytes = exchange.response.bytes();
        let show = |chunks| {
            let (events, result) = decode(chunks);
            format!("{events:?} {result:?}")
        };
        let whole = show(vec![&bytes]);
        for longest in [1, 2, 7, 100, 2000] {
            let chunks = split(&bytes, longest, at as u64);
            assert_eq!(show(chunks), whole, "{} in chunks of {longest}", exchange.id);
        }
        let text = String::from_utf8_lossy(&bytes).replace('\n', "\r\n");
        assert_eq!(show(split(text.as_bytes(), 50, 3)), whole, "{}", exchange.id);
    }
}

/// A stream that is cut short anywhere before its last event is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    check_cuts(&["cohere-v2-chat"], "\"message-end\"", decode_v2);
    check_cuts(&["cohere-v1-chat", "cohere-v1-generate"], "\"stream-end\"", decode_v1);
}

fn check_cuts(wires: &[&str], last: &str, decode: fn(Vec<&[u8]>) -> Decoded) {
    for exchange in recordings(wires) {
        let bytes = exchange.response.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let end = text.rfind(last).unwrap();
        for cut in [0, end / 3, end / 2, end] {
            let (_, result) = decode(vec![&bytes[..cut]]);
            assert!(result.is_err(), "{} cut at {cut}", exchange.id);
        }
    }
}

/// Pieces of streams in any order, most of them out of place.
const PIECES: [&str; 14] = [
    r#"{"type":"message-start","id":"m","delta":{"message":{"content":[],"tool_calls":[]}}}"#,
    r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":"é"}}}}"#,
    r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"thinking":"t"}}}}"#,
    r#"{"type":"content-delta","delta":{"message":{"content":{"text":"x"}}},"logprobs":{"text":"x","logprobs":[-1]}}"#,
    r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"p"}}}"#,
    r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c","function":{"name":"n"}}}}}"#,
    r#"{"type":"tool-call-delta","delta":{"message":{"tool_calls":{"function":{"arguments":"{"}}}}}"#,
    r#"{"type":"citation-start","delta":{"message":{"citations":{"start":0,"type":"PLAN"}}}}"#,
    r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":1}}}}"#,
    r#"{"event_type":"stream-start","generation_id":"g"}"#,
    r#"{"event_type":"text-generation","text":"y","index":2}"#,
    r#"{"event_type":"tool-calls-chunk","tool_call_delta":{"name":"n","parameters":"{}"}}"#,
    r#"{"is_finished":true,"finish_reason":"ERROR_TOXIC"}"#,
    r#"{"event_type":"stream-end","response":{"text":"z","tool_calls":[{"name":"n"}],"finish_reason":"COMPLETE"}}"#,
];

fn fold(events: Vec<ChatEvent>) {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let _ = fold.finish();
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_decoders(
        order in proptest::collection::vec(0..PIECES.len(), 0..20),
        longest in 1_usize..40,
    ) {
        let events: String = order.iter().map(|at| format!("data: {}\n\n", PIECES[*at])).collect();
        let lines: String = order.iter().map(|at| format!("{}\n", PIECES[*at])).collect();
        for (text, decode) in [(&events, decode_v2 as fn(_) -> _), (&lines, decode_v1)] {
            let (whole, one) = decode(vec![text.as_bytes()]);
            let (cut, other) = decode(split(text.as_bytes(), longest, 1));
            prop_assert_eq!((&whole, one.is_ok()), (&cut, other.is_ok()));
            fold(whole);
        }
    }

    #[test]
    fn no_bytes_break_the_decoders(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ChatDecoder::new(None).whole(&bytes);
        let _ = v1::ChatDecoder::new(None).whole(&bytes);
        let event = [b"data: ", &bytes[..], b"\n\n"].concat();
        let _ = decode_v2(vec![&event]);
        let _ = decode_v1(vec![&bytes]);
    }
}
