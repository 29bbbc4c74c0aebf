//! DashScope's own API: answers written after its documentation, and the real client against a replay server.
#![cfg(feature = "dashscope")]

use llm_core::{
    ChatEvent, ChatFold, ChatRequest, ChatResponse, ErrorKind, FinishReason, Media, MediaSource,
    Message, Part, ReasoningOptions, Role, Tool, ToolCall, ToolResult,
};
use llm_providers::DashScope;
use llm_providers::dashscope::{ChatDecoder, Increments, parse_request_value, render_request};
use llm_providers::stream::decode_chunks;
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer, split};

fn event(choice: Value, output_tokens: u64) -> Value {
    json!({
        "output": { "choices": [choice] },
        "usage": { "input_tokens": 5, "output_tokens": output_tokens, "total_tokens": 5 + output_tokens },
        "request_id": "r-1",
    })
}

fn said(message: Value, finish: &str) -> Value {
    json!({ "message": message, "finish_reason": finish })
}

/// As the service frames events: an id, a name, its status in a comment.
fn sse(events: &[Value]) -> String {
    let frame = |(at, event): (usize, &Value)| {
        format!("id:{}\nevent:result\n:HTTP_STATUS/200\ndata:{event}\n\n", at + 1)
    };
    events.iter().enumerate().map(frame).collect()
}

fn deltas() -> Vec<Value> {
    vec![
        event(said(json!({ "reasoning_content": "h", "content": "" }), "null"), 1),
        event(said(json!({ "reasoning_content": "m", "content": "" }), "null"), 2),
        event(said(json!({ "reasoning_content": "", "content": "to " }), "null"), 3),
        event(said(json!({ "content": "be" }), "null"), 4),
        event(said(json!({ "content": "" }), "stop"), 4),
    ]
}

fn repeated() -> Vec<Value> {
    vec![
        event(said(json!({ "reasoning_content": "h", "content": "" }), "null"), 1),
        event(said(json!({ "reasoning_content": "hm", "content": "" }), "null"), 2),
        event(said(json!({ "reasoning_content": "hm", "content": "to " }), "null"), 3),
        event(said(json!({ "reasoning_content": "hm", "content": "to be" }), "null"), 4),
        event(said(json!({ "reasoning_content": "hm", "content": "to be" }), "stop"), 4),
    ]
}

fn decode(chunks: Vec<&[u8]>, increments: Increments) -> (Vec<ChatEvent>, Result<(), ErrorKind>) {
    let (events, result) = decode_chunks(chunks, ChatDecoder::new(increments), 1 << 20);
    (events, result.map_err(|error| error.kind()))
}

fn fold(events: Vec<ChatEvent>) -> ChatResponse {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

#[test]
fn deltas_and_repetitions_say_the_same() {
    let read = |events: &[Value], increments| {
        let (events, result) = decode(vec![sse(events).as_bytes()], increments);
        assert_eq!(result, Ok(()));
        fold(events)
    };
    let response = read(&deltas(), Increments::Deltas);
    assert_eq!(response, read(&repeated(), Increments::Whole));
    assert_eq!(response.text(), "to be");
    assert!(
        matches!(&response.choices[0].message.parts[0], Part::Reasoning(hm) if hm.text == "hm")
    );
    assert_eq!(response.choices[0].raw_finish.as_deref(), Some("stop"));
    assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (Some(5), Some(4)));
    assert_eq!(response.started.request_id.as_deref(), Some("r-1"));
}

#[test]
fn calls_come_together_either_way() {
    let call = |id: &str, name: &str, arguments: &str| {
        let function = json!({ "name": name, "arguments": arguments });
        said(
            json!({ "content": "", "tool_calls": [{ "index": 0, "id": id, "function": function }] }),
            "null",
        )
    };
    let done = || event(said(json!({ "content": "" }), "tool_calls"), 2);
    let pieces = [event(call("c1", "f", "{\"x\""), 1), event(call("", "", ":1}"), 2), done()];
    let wholes =
        [event(call("c1", "f", "{\"x\""), 1), event(call("c1", "f", "{\"x\":1}"), 2), done()];
    for (events, increments) in [(pieces, Increments::Deltas), (wholes, Increments::Whole)] {
        let (events, result) = decode(vec![sse(&events).as_bytes()], increments);
        assert_eq!(result, Ok(()));
        let response = fold(events);
        let choice = &response.choices[0];
        let calls: Vec<_> = choice
            .message
            .tool_calls()
            .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
            .collect();
        assert_eq!(calls, [("c1", "f", "{\"x\":1}")]);
        assert_eq!(choice.finish, FinishReason::ToolCalls);
    }
}

#[test]
fn a_cut_stream_is_an_error() {
    let text = sse(&deltas());
    let finish = text.find("\"stop\"").unwrap();
    for cut in [0, finish / 3, finish / 2, finish] {
        let (_, result) = decode(vec![&text.as_bytes()[..cut]], Increments::Deltas);
        assert_eq!(result, Err(ErrorKind::Malformed), "cut at {cut}");
    }
    // What is not repeated is lost.
    let (_, result) = decode(vec![sse(&deltas()).as_bytes()], Increments::Whole);
    assert_eq!(result, Err(ErrorKind::Malformed));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(longest in 1_usize..80, seed in any::<u64>()) {
        for (events, increments) in [(deltas(), Increments::Deltas), (repeated(), Increments::Whole)] {
            let text = sse(&events);
            let whole = decode(vec![text.as_bytes()], increments);
            prop_assert_eq!(decode(split(text.as_bytes(), longest, seed), increments), whole);
        }
    }
}

/// Something to replay that was written for a test.
fn exchange(status: u16, framing: &str, body: &str) -> Exchange {
    let content_type = if framing == "sse" { "text/event-stream" } else { "application/json" };
    serde_json::from_value(json!({
        "id": "x", "provider": "dashscope", "dialect": "dashscope", "wire": "d", "kind": "chat",
        "request": { "method": "POST", "url": "https://a.example/" },
        "response": {
            "status": status, "framing": framing, "body": body, "headers": { "content-type": content_type },
        },
    }))
    .unwrap()
}

#[tokio::test]
async fn streams_are_asked_for_by_a_header() {
    let server = ReplayServer::start().await.unwrap();
    let ask = async |request: ChatRequest, framing: &str, body: String| {
        let origin = server.add(exchange(200, framing, &body), Chunking::Whole);
        let provider = DashScope::builder("dashscope").base_url(origin).build().unwrap();
        let reply = provider.chat("qwen-plus").chat(request).await.unwrap();
        (ChatResponse::collect(reply).await.unwrap().text(), server.taken("x").remove(0))
    };
    let question = || ChatRequest::new(vec![Message::user("?")]);
    let (text, sent) = ask(question().streamed(), "sse", sse(&deltas())).await;
    assert_eq!((&*text, &*sent.path), ("to be", "/services/aigc/text-generation/generation"));
    assert_eq!(sent.headers["x-dashscope-sse"], "enable");
    assert_eq!(sent.json()["parameters"]["incremental_output"], true);

    let mut whole = question().streamed();
    let parameters = json!({ "incremental_output": false });
    whole.extra_body.insert("parameters".into(), parameters);
    let (text, sent) = ask(whole, "sse", sse(&repeated())).await;
    assert_eq!(
        (&*text, &sent.json()["parameters"]["incremental_output"]),
        ("to be", &json!(false))
    );

    let answer =
        event(said(json!({ "content": [{ "text": "to " }, { "text": "be" }] }), "stop"), 4);
    let (text, sent) = ask(question(), "json", answer.to_string()).await;
    assert!(!sent.headers.contains_key("x-dashscope-sse"));
    assert_eq!((&*text, sent.json()["parameters"].get("incremental_output")), ("to be", None));
}

#[tokio::test]
async fn failures_come_before_and_in_the_middle() {
    let server = ReplayServer::start().await.unwrap();
    let failure =
        json!({ "code": "Throttling.RateQuota", "message": "slow down", "request_id": "r" });
    let origin = server.add(exchange(429, "json", &failure.to_string()), Chunking::Whole);
    let provider = DashScope::builder("d").base_url(origin).build().unwrap();
    let question = || ChatRequest::new(vec![Message::user("?")]).streamed();
    let error = provider.chat("m").chat(question()).await.err().unwrap();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::RateLimit, Some("r")));
    assert_eq!((error.provider(), error.model(), error.status()), ("d", "m", Some(429)));

    let half = sse(&deltas()[..3]);
    let body = format!(
        "{half}id:4\nevent:error\n:HTTP_STATUS/400\ndata:{}\n\n",
        json!({
            "code": "DataInspectionFailed", "message": "refused", "request_id": "r",
        })
    );
    let (events, result) = decode(vec![body.as_bytes()], Increments::Deltas);
    assert_eq!((fold(events).text(), result), ("to ".to_owned(), Err(ErrorKind::ContentFilter)));
}

#[test]
fn what_is_written_can_be_read() {
    let image = Part::Image(Media::new(MediaSource::Url("https://a.example/x.png".into())));
    let call = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: "{}".into(),
        ..ToolCall::default()
    };
    let request = ChatRequest {
        model: "qwen3-vl-plus".into(),
        max_output_tokens: Some(9),
        stop: vec!["x".into()],
        tools: vec![Tool::function("f", "d", json!({ "type": "object" }))],
        reasoning: Some(ReasoningOptions { budget_tokens: Some(50), ..Default::default() }),
        extra_body: json!({ "parameters": { "vl_high_resolution_images": true } })
            .as_object()
            .cloned()
            .unwrap(),
        ..ChatRequest::new(vec![
            Message::system("be brief"),
            Message::new(Role::User, vec![Part::text("what?"), image]),
            Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
            Message::new(Role::Tool, vec![Part::ToolResult(ToolResult::text("c", "ok"))]),
        ])
        .streamed()
    };
    let body = Value::Object(render_request(request.clone()).unwrap().body);
    assert_eq!(parse_request_value(true, body).unwrap(), request);
}
