//! Ollama's own API: recorded streams, and the real client against a replay server.
#![cfg(feature = "ollama")]

use std::path::Path;

use llm_core::{
    ChatFold, ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind, FinishReason, Limits,
    Message, ModelError, ModelInfo, ModelKind, ModelName, Part, Role, ToolResult,
};
use llm_providers::ollama::{ChatDecoder, OllamaBuilder, render_request};
use llm_providers::stream::decode_lines;
use llm_providers::{Ollama, TransportOptions};
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_LINE: usize = 8 << 20;

fn recorded_streams() -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |folder| folder == "ollama").unwrap();
    exchanges.retain(|exchange| exchange.response.framing == "ndjson");
    assert!(!exchanges.is_empty());
    exchanges
}

fn decode(chunks: Vec<&[u8]>) -> String {
    let (events, result) = decode_lines(chunks, ChatDecoder::new(None), MAX_LINE);
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
        let crlf = String::from_utf8(bytes).unwrap().replace('\n', "\r\n");
        assert_eq!(decode(split(crlf.as_bytes(), 50, 3)), whole, "{}", exchange.id);
    }
}

/// A stream that is cut short anywhere before its last line is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for exchange in recorded_streams() {
        let bytes = exchange.response.bytes();
        let done = String::from_utf8_lossy(&bytes).find("\"done\":true").unwrap();
        for cut in [0, done / 3, done / 2, done] {
            let (_, result) = decode_lines([&bytes[..cut]], ChatDecoder::new(None), MAX_LINE);
            assert!(result.is_err(), "{} cut at {cut}", exchange.id);
        }
    }
}

/// Something to replay that was written for a test.
fn exchange(id: &str, status: u16, framing: &str, body: &str) -> Exchange {
    serde_json::from_value(json!({
        "id": id, "provider": "ollama", "dialect": "ollama", "wire": "ollama-chat", "kind": "chat",
        "request": { "method": "POST", "url": "https://a.example/" },
        "response": { "status": status, "framing": framing, "body": body },
    }))
    .unwrap()
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn said(message: Value) -> Value {
    json!({ "model": "m1", "created_at": "2026-01-02T03:04:05.6Z", "message": message, "done": false })
}

fn last(reason: &str) -> Value {
    json!({
        "model": "m1", "message": { "role": "assistant", "content": "" }, "done": true,
        "done_reason": reason, "prompt_eval_count": 2, "eval_count": 3, "total_duration": 7,
    })
}

fn question() -> ChatRequest {
    ChatRequest::new(vec![Message::user("why is the sky blue")])
}

struct Asked {
    result: Result<ChatResponse, (ModelError, String)>,
    sent: Value,
}

/// What a client makes of a body: the answer, or the failure with the text before it; and what it sent.
async fn ask(
    set_up: impl FnOnce(OllamaBuilder) -> OllamaBuilder,
    request: ChatRequest,
    status: u16,
    body: &str,
) -> Asked {
    let server = ReplayServer::start().await.unwrap();
    let origin = server.add(exchange("x", status, "ndjson", body), Chunking::Whole);
    let provider = set_up(Ollama::builder("ollama", origin)).build().unwrap();
    let limits = Limits { context_tokens: Some(16_384), ..Limits::default() };
    let info = ModelInfo::new(ModelName::new("ollama", "m"), ModelKind::Chat);
    let model = provider.chat_with(ModelInfo { limits, ..info });
    let mut fold = ChatFold::default();
    let mut error = None;
    match model.chat(request).await {
        Err(failure) => error = Some(failure),
        Ok(mut reply) => {
            while let Some(event) = futures::StreamExt::next(&mut reply).await {
                match event {
                    Ok(event) => fold.push(event),
                    Err(failure) => error = Some(failure),
                }
            }
        }
    }
    let sent = server.taken("x").first().map(|sent| sent.json()).unwrap_or_default();
    let result = match error {
        Some(error) => Err((error, fold.text())),
        None => Ok(fold.finish()),
    };
    Asked { result, sent }
}

#[tokio::test]
async fn streams_and_whole_answers_say_the_same() {
    let body = lines(&[
        said(json!({ "thinking": "h" })),
        said(json!({ "thinking": "m" })),
        said(json!({ "content": "to " })),
        said(json!({ "content": "be" })),
        last("stop"),
    ]);
    let streamed = ask(|b| b, question().streamed(), 200, &body).await;
    let mut whole = last("stop");
    whole["message"] = json!({ "content": "to be", "thinking": "hm" });
    whole["created_at"] = "2026-01-02T03:04:05.6Z".into();
    let whole = ask(|b| b, question(), 200, &whole.to_string()).await;
    assert_eq!((&streamed.sent["stream"], &whole.sent["stream"]), (&true.into(), &false.into()));
    for response in [streamed.result.unwrap(), whole.result.unwrap()] {
        assert_eq!(response.text(), "to be");
        assert_eq!(response.choices[0].finish, FinishReason::Stop);
        assert!(
            matches!(&response.choices[0].message.parts[0], Part::Reasoning(hm) if hm.text == "hm")
        );
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (Some(2), Some(3)));
        assert_eq!(response.started.created, Some(1_767_323_045));
        assert_eq!(response.extra["total_duration"], 7);
    }
}

#[tokio::test]
async fn calls_come_back_with_their_results() {
    let call = |name: &str| json!({ "function": { "name": name, "arguments": { "x": 1 } } });
    let given = json!({ "id": "call_9", "function": { "index": 0, "name": "g", "arguments": {} } });
    let body = lines(&[
        said(json!({ "content": "", "tool_calls": [call("f")] })),
        said(json!({ "content": "", "tool_calls": [given] })),
        last("stop"),
    ]);
    let response = ask(|b| b, question().streamed(), 200, &body).await.result.unwrap();
    let answer = &response.choices[0];
    assert_eq!(answer.finish, FinishReason::ToolCalls);
    let calls: Vec<_> = answer.message.tool_calls().collect();
    assert_eq!(
        (calls[0].id.as_str(), calls[1].id.as_str()),
        ("gcall_2026-01-02T0304056Z_0", "call_9")
    );
    let result = |id: &str| Part::ToolResult(ToolResult::text(id, "ok"));
    let results = vec![result(&calls[0].id), result("call_9")];
    let next = vec![answer.message.clone(), Message::new(Role::Tool, results)];
    let body = render_request(ChatRequest::new(next)).unwrap().body;
    let expected = json!([
        { "role": "assistant", "content": "", "tool_calls": [
            { "function": { "name": "f", "arguments": { "x": 1 } } },
            { "id": "call_9", "function": { "name": "g", "arguments": {} } },
        ] },
        { "role": "tool", "content": "ok", "tool_name": "f" },
        { "role": "tool", "content": "ok", "tool_name": "g", "tool_call_id": "call_9" },
    ]);
    assert_eq!(body["messages"], expected);
}

#[tokio::test]
async fn failures_in_the_middle_follow_what_was_said() {
    let half = said(json!({ "content": "half" }));
    let broken = json!({ "error": "an error was encountered while running the model" });
    let asked =
        ask(|b| b, question().streamed(), 200, &lines(&[half.clone(), broken.clone()])).await;
    let (error, text) = asked.result.unwrap_err();
    assert_eq!((error.kind(), &*text, error.provider()), (ErrorKind::Upstream, "half", "ollama"));

    let asked = ask(|b| b, question().streamed(), 200, &lines(&[half])).await;
    let (error, text) = asked.result.unwrap_err();
    assert_eq!((error.kind(), &*text), (ErrorKind::Malformed, "half"));

    let whole = ask(|b| b, question(), 200, &broken.to_string()).await;
    assert_eq!(whole.result.unwrap_err().0.kind(), ErrorKind::Upstream);
    for body in ["", "{}", "7", "<html>", "{\"message\":"] {
        for request in [question(), question().streamed()] {
            let (error, _) = ask(|b| b, request, 200, body).await.result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
        }
    }
}

/// The server would cut these prompts and say nothing.
#[tokio::test]
async fn long_prompts_ask_for_room() {
    let body = lines(&[last("stop")]);
    let long = || ChatRequest::new(vec![Message::user("word ".repeat(5000))]).streamed();
    let asked = ask(|b| b.keep_alive("10m"), long(), 200, &body).await;
    let sent =
        [&asked.sent["options"]["num_ctx"], &asked.sent["truncate"], &asked.sent["keep_alive"]];
    assert_eq!(sent, [&json!(16_384), &json!(false), &json!("10m")]);

    let refusal = json!({ "error": json!({ "error": {
        "code": 400, "type": "exceed_context_size_error", "message": "request (9000 tokens) is too long",
    } }).to_string() });
    let asked = ask(|b| b, long(), 400, &refusal.to_string()).await;
    let (error, _) = asked.result.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::ContextLength, Some(400)));
    assert_eq!(error.message(), "request (9000 tokens) is too long");
}

#[tokio::test]
async fn endless_answers_are_refused() {
    let options = || TransportOptions {
        max_event_bytes: 1000,
        max_body_bytes: 1000,
        ..TransportOptions::default()
    };
    for request in [question(), question().streamed()] {
        let body = said(json!({ "content": "a".repeat(5000) })).to_string();
        let asked = ask(|b| b.transport(options()), request, 200, &body).await;
        assert_eq!(asked.result.unwrap_err().0.kind(), ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn embeddings_go_in_batches() {
    let server = ReplayServer::start().await.unwrap();
    let body =
        json!({ "model": "e", "embeddings": [[1.0, 0.0], [0.0, 1.0]], "prompt_eval_count": 4 });
    let origin = server.add(exchange("e", 200, "json", &body.to_string()), Chunking::Whole);
    let provider = Ollama::builder("ollama", origin).build().unwrap();
    let info = ModelInfo::new(ModelName::new("ollama", "e"), ModelKind::Embedding);
    let limits = Limits { batch: Some(2), ..Limits::default() };
    let model = provider.embedding_with(ModelInfo { limits, ..info });
    let response = model.embed(EmbeddingRequest::documents(["a", "b", "c", "d"])).await.unwrap();
    assert_eq!(response.vectors.len(), 4);
    assert_eq!(response.usage.input_tokens, Some(8));
    let inputs: Vec<Value> =
        server.taken("e").iter().map(|sent| sent.json()["input"].clone()).collect();
    assert!(inputs.contains(&json!(["a", "b"])) && inputs.contains(&json!(["c", "d"])));

    // The last batch is smaller: two vectors are one too many.
    let error = model.embed(EmbeddingRequest::documents(["a", "b", "c"])).await.unwrap_err();
    assert_eq!((error.kind(), error.model()), (ErrorKind::Malformed, "e"));
}
