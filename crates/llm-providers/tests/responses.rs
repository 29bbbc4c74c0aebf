//! A conversation over the Responses API: what comes from a provider goes back to it in the next turn, and what our
//! server gives to its clients comes back from them.
#![cfg(feature = "openai-responses")]

use expect_test::{Expect, expect};
use llm_core::{
    Annotation, ChatEvent, ChatFold, ChatRequest, ChatResponse, ErrorKind, FinishReason, Message,
    ModelError, Part, ReasoningDelta, Retry, RetryHint, Role, ToolCallDelta, ToolResult, Usage,
};
use llm_providers::Quirks;
use llm_providers::openai::responses::server::{EventWriter, ResponseHead, response_body};
use llm_providers::openai::responses::{
    ResponsesDecoder, parse_request, parse_request_value, render_request,
};
use llm_providers::stream::decode_chunks;
use llm_providers::{OpenAi, catalogue};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer};

fn fold(events: Vec<ChatEvent>) -> ChatResponse {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

fn whole(body: Value) -> (ChatResponse, Result<(), ModelError>) {
    let (events, result) = ResponsesDecoder::new(None).whole(body.to_string().as_bytes());
    (fold(events), result)
}

fn stream(events: &[Value]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    decode_chunks([text.as_bytes()], ResponsesDecoder::new(Some("req-1".into())), 1 << 20)
}

/// The input that we would send for a conversation, one item a line, and the codes of the warnings.
fn rendered(messages: Vec<Message>, extra: Value) -> String {
    let mut request = ChatRequest::new(messages);
    request.extra_body = serde_json::from_value(extra).unwrap();
    let rendered = render_request(request, &Quirks::default()).unwrap();
    let items = rendered.body["input"].as_array().unwrap();
    let mut lines: Vec<String> = items.iter().map(Value::to_string).collect();
    lines.extend(rendered.warnings.into_iter().map(|warning| warning.message));
    lines.join("\n")
}

fn answer() -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 7, "model": "m", "status": "completed",
        "output": [
            { "type": "reasoning", "id": "rs_1", "encrypted_content": "xyz", "summary": [
                { "type": "summary_text", "text": "first" }, { "type": "summary_text", "text": "then" },
            ] },
            { "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
              "phase": "commentary",
              "content": [{ "type": "output_text", "text": "let me look", "annotations": [] }] },
            { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": {} },
            { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look",
              "arguments": "{\"at\":1}", "status": "completed", "namespace": "n" },
            { "type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "say",
              "input": "free text", "status": "completed" },
        ],
        "usage": { "input_tokens": 5, "input_tokens_details": { "cached_tokens": 2 },
            "output_tokens": 4, "output_tokens_details": { "reasoning_tokens": 3 },
            "total_tokens": 9 },
        "service_tier": "default",
    })
}

#[test]
fn what_the_model_said_goes_back_as_it_came() {
    let (response, result) = whole(answer());
    result.unwrap();
    let choice = &response.choices[0];
    assert_eq!(choice.finish, FinishReason::ToolCalls);
    assert_eq!(choice.raw_finish.as_deref(), Some("completed"));
    let usage = &response.usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens), (Some(5), Some(2)));
    assert_eq!((usage.output_tokens, usage.reasoning_tokens), (Some(4), Some(3)));
    assert_eq!(response.extra["service_tier"], "default");

    let results = ["c1", "c2"]
        .map(|id| Message::new(Role::Tool, vec![Part::ToolResult(ToolResult::text(id, "42"))]));
    let mut messages = vec![Message::user("look"), choice.message.clone()];
    messages.extend(results);
    expect![[r#"
        {"role":"user","content":"look"}
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"first"},{"type":"summary_text","text":"then"}],"encrypted_content":"xyz"}
        {"role":"assistant","content":[{"type":"output_text","text":"let me look"}],"status":"completed","type":"message","id":"msg_1","phase":"commentary"}
        {"type":"web_search_call","id":"ws_1","status":"completed","action":{}}
        {"type":"function_call","call_id":"c1","name":"look","arguments":"{\"at\":1}","id":"fc_1","namespace":"n"}
        {"type":"custom_tool_call","call_id":"c2","name":"say","input":"free text","id":"ct_1"}
        {"type":"function_call_output","call_id":"c1","output":"42"}
        {"type":"custom_tool_call_output","call_id":"c2","output":"42"}"#]]
    .assert_eq(&rendered(messages, json!({})));
}

/// A conversation that moves on to chat completions leaves behind what means nothing there.
#[test]
fn the_next_turn_may_be_of_another_dialect() {
    let said = whole(answer()).0.choices[0].message.clone();
    let request = ChatRequest::new(vec![Message::user("look"), said]);
    let openai = &catalogue::find("openai").unwrap().quirks;
    let rendered = llm_providers::openai::chat::render_request(request, openai).unwrap();
    expect![[
        r#"{"role":"assistant","content":"let me look","tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"at\":1}"}},{"id":"c2","type":"function","function":{"name":"say","arguments":"free text"}}]}"#
    ]]
    .assert_eq(&rendered.body["messages"][1].to_string());
    assert_eq!(rendered.warnings[0].code, "dropped_content");
}

#[test]
fn reasoning_that_nobody_kept_is_left_out() {
    let mut answer = answer();
    answer["output"] = json!([{ "type": "reasoning", "id": "rs_1", "summary": [] }]);
    let messages = vec![Message::user("go on"), whole(answer).0.choices[0].message.clone()];
    expect![[r#"
        {"role":"user","content":"go on"}
        the provider does not take reasoning that was not kept"#]]
    .assert_eq(&rendered(messages.clone(), json!({ "store": false })));
    assert!(rendered(messages, json!({})).contains("rs_1"));
}

#[test]
fn pictures_go_back_into_their_call() {
    let mut answer = answer();
    let call = json!({ "type": "image_generation_call", "id": "ig_1", "status": "completed",
        "output_format": "png", "result": "AAAA" });
    answer["output"] = json!([call]);
    let (response, _) = whole(answer);
    let message = &response.choices[0].message;
    assert!(matches!(&message.parts[..], [Part::Other { .. }, Part::Image(picture)]
        if picture.media_type.as_deref() == Some("image/png")));
    let back = rendered(vec![message.clone()], json!({}));
    assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), call);
    let served = response_body(&response, &ResponseHead::default());
    assert_eq!(served["output"], json!([call]));
}

/// Whole items without a single delta, deltas without the end of the item, and events of servers that leave out fields.
#[test]
fn each_text_is_told_once() {
    let created = json!({ "type": "response.created", "response": { "id": "r", "model": "m" } });
    let item = |text: &str| {
        json!({ "type": "message", "id": "m", "role": "assistant",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }] })
    };
    let added = json!({ "type": "response.output_item.added", "output_index": 0,
        "item": { "type": "message", "id": "m", "content": [] } });
    let delta = |text: &str| {
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0,
            "delta": text })
    };
    let done =
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item("ab") });
    let completed = json!({ "type": "response.completed",
        "response": { "id": "r", "status": "completed", "output": [item("ab")] } });
    for events in [
        vec![&created, &added, &delta("a"), &delta("b"), &done, &completed],
        vec![&created, &added, &delta("a"), &done, &completed],
        vec![&created, &done, &completed],
        vec![&created, &completed],
        vec![&completed],
        vec![&created, &delta("a"), &delta("b"), &completed],
    ] {
        let events: Vec<Value> = events.into_iter().cloned().collect();
        let (events, result) = stream(&events);
        result.unwrap();
        let response = fold(events);
        assert_eq!(response.text(), "ab");
        assert_eq!(response.choices[0].finish, FinishReason::Stop);
        assert_eq!(response.started.request_id.as_deref(), Some("req-1"));
    }
}

#[test]
fn ends_and_failures_are_told_apart() {
    let created = json!({ "type": "response.created", "response": { "id": "r", "model": "m" } });
    let end = |kind: &str, fields: Value| {
        let mut response = json!({ "id": "r", "status": kind, "output": [] });
        response.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ "type": format!("response.{kind}"), "response": response })
    };
    let finish = |event: Value| {
        let (events, result) = stream(&[created.clone(), event]);
        (fold(events).choices.first().map(|choice| choice.finish), result.err())
    };
    for (reason, expected) in [
        ("max_output_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        let event = end("incomplete", json!({ "incomplete_details": { "reason": reason } }));
        let (finish, error) = finish(event);
        assert!(error.is_none());
        assert_eq!(finish, Some(expected));
    }
    for (event, kind) in [
        (
            end("failed", json!({ "error": { "code": "server_error", "message": "x" } })),
            ErrorKind::Upstream,
        ),
        (
            end("failed", json!({ "error": { "code": "rate_limit_exceeded" } })),
            ErrorKind::RateLimit,
        ),
        (end("failed", json!({ "error": null })), ErrorKind::Unknown),
        (end("cancelled", json!({})), ErrorKind::Cancelled),
        (
            json!({ "type": "error", "code": "insufficient_quota", "message": "x", "param": null }),
            ErrorKind::Quota,
        ),
        (
            json!({ "type": "error", "error": { "type": "server_error", "message": "x" } }),
            ErrorKind::Upstream,
        ),
        (json!({ "error": { "message": "x", "code": 503 } }), ErrorKind::Overloaded),
        (json!({ "type": "response.output_text.delta", "delta": "x" }), ErrorKind::Malformed),
        (end("completed", json!({ "status": "what" })), ErrorKind::Malformed),
    ] {
        let shown = event.to_string();
        let (finish, error) = finish(event);
        let error = error.unwrap_or_else(|| panic!("{shown}"));
        assert_eq!(error.kind(), kind, "{shown}");
        let is_told = kind != ErrorKind::Malformed;
        assert!(!is_told || finish == Some(FinishReason::Error), "{shown}");
        assert!(!is_told || error.request_id() == Some("req-1"), "{shown}");
    }
    let (_, result) = whole(json!({ "error": { "message": "x", "code": "model_not_found" } }));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_answer_in_the_background_says_so() {
    let (response, result) =
        whole(json!({ "id": "r", "model": "m", "status": "queued", "output": [] }));
    result.unwrap();
    assert_eq!(response.choices[0].finish, FinishReason::Other);
    assert_eq!(response.warnings[0].code, "not_finished");
}

/// What comes in from a client goes out to a provider unchanged.
#[test]
fn requests_survive_both_ways() {
    let body = json!({
        "model": "m", "instructions": "be brief",
        "input": [
            { "role": "developer", "content": "more" },
            { "role": "user", "content": [
                { "type": "input_text", "text": "what is it?" },
                { "type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low" },
                { "type": "input_image", "file_id": "file-1" },
                { "type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf" },
                { "type": "input_file", "file_url": "https://example.org/a.pdf" },
                { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } },
                { "type": "input_video", "video": "v" },
            ] },
            { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz" },
            { "type": "function_call", "call_id": "c1", "name": "look", "arguments": "{", "id": "fc_1" },
            { "type": "function_call_output", "call_id": "c1",
              "output": [{ "type": "input_file", "file_id": "file-2" }] },
            { "type": "item_reference", "id": "msg_0" },
            { "role": "assistant", "content": [
                { "type": "output_text", "text": "see", "annotations": [
                    { "type": "url_citation", "url": "https://example.org", "start_index": 0, "end_index": 3 },
                ] },
                { "type": "refusal", "refusal": "no" },
            ] },
        ],
        "tools": [
            { "type": "function", "name": "look", "parameters": { "b": 1, "a": 2 }, "strict": true, "defer_loading": true },
            { "type": "web_search" },
        ],
        "tool_choice": { "type": "function", "name": "look" },
        "text": { "format": { "type": "json_object" }, "verbosity": "low" },
        "reasoning": { "effort": "low", "summary": "auto", "mode": "pro" },
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 9, "top_logprobs": 2, "store": false, "truncation": "auto",
        "previous_response_id": "resp_0", "stream": true,
    });
    let incoming = parse_request_value(body.clone()).unwrap();
    assert_eq!(incoming.echo["truncation"], "auto");
    let rendered = render_request(incoming.request, &Quirks::default()).unwrap();
    assert_eq!(rendered.warnings, []);
    assert_eq!(Value::Object(rendered.body), body);
}

#[test]
fn broken_requests_name_the_field() {
    for (body, param) in [
        ("[]", None),
        (r#"{"model":"m"}"#, Some("input")),
        (r#"{"model":"m","input":[]}"#, Some("input")),
        (r#"{"input":"a"}"#, Some("model")),
        (r#"{"model":"m","input":["a"]}"#, Some("input[0]")),
        (r#"{"model":"m","input":[{"role":"tool","content":"a"}]}"#, Some("input[0]")),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}]}"#,
            Some("input[0].content[0].text"),
        ),
        (
            r#"{"model":"m","input":[{"type":"function_call","name":"a"}]}"#,
            Some("input[0].call_id"),
        ),
        (r#"{"model":"m","input":"a","tools":[{"type":"function"}]}"#, Some("tools[0].name")),
        (r#"{"model":"m","input":"a","tool_choice":"any"}"#, Some("tool_choice")),
        (r#"{"model":"m","input":"a","text":{"format":{}}}"#, Some("text.format.type")),
    ] {
        let error = parse_request(body.as_bytes()).unwrap_err();
        assert_eq!(error.param.as_deref(), param, "{body}: {error}");
    }
}

#[test]
fn fields_of_this_dialect_can_be_taken_out() {
    let body = json!({ "model": "m", "input": "a", "store": true, "prompt_cache_key": "k" });
    let mut incoming = parse_request_value(body).unwrap();
    assert_eq!(incoming.take_own_fields().keys().collect::<Vec<_>>(), ["store"]);
    assert_eq!(incoming.request.extra_body.keys().collect::<Vec<_>>(), ["prompt_cache_key"]);
}

fn check_server(events: Vec<ChatEvent>, expect: Expect) {
    let echo = serde_json::from_value(json!({ "temperature": 0.5 })).unwrap();
    let head = ResponseHead { id: "resp_1".into(), model: "m".into(), created: 7, echo };
    let mut writer = EventWriter::new(head);
    let mut written: Vec<_> = events.into_iter().flat_map(|event| writer.push(event)).collect();
    written.extend(writer.end());
    let lines: Vec<String> = written
        .iter()
        .map(|event| {
            let mut data: Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(data["type"], event.name);
            data.as_object_mut().unwrap().shift_remove("type");
            if let Some(response) = data.get_mut("response") {
                let fields = ["status", "output", "usage", "temperature", "incomplete_details"];
                response
                    .as_object_mut()
                    .unwrap()
                    .retain(|name, value| fields.contains(&name.as_str()) && !value.is_null());
            }
            format!("{} {data}", event.name.trim_start_matches("response."))
        })
        .collect();
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn the_server_writes_text_reasoning_and_calls() {
    let usage = Usage { input_tokens: Some(3), output_tokens: Some(2), ..Usage::default() };
    let call = |id: Option<&str>, arguments: &str| {
        ChatEvent::ToolCall(ToolCallDelta {
            id: id.map(Into::into),
            name: id.map(|_| "look".into()),
            arguments: arguments.into(),
            ..ToolCallDelta::default()
        })
    };
    let annotation = Annotation::UrlCitation {
        url: "https://example.org".into(),
        title: None,
        start: Some(0),
        end: Some(1),
    };
    check_server(
        vec![
            ChatEvent::Reasoning(ReasoningDelta::text("hm")),
            ChatEvent::text("a"),
            ChatEvent::Annotation { choice: 0, annotation },
            call(Some("c1"), ""),
            call(None, "{}"),
            ChatEvent::Usage(usage),
            ChatEvent::finished(FinishReason::ToolCalls),
        ],
        expect![[r#"
            created {"sequence_number":0,"response":{"status":"in_progress","output":[],"temperature":0.5}}
            in_progress {"sequence_number":1,"response":{"status":"in_progress","output":[],"temperature":0.5}}
            output_item.added {"sequence_number":2,"output_index":0,"item":{"id":"rs_1_0","type":"reasoning","summary":[]}}
            reasoning_summary_part.added {"sequence_number":3,"item_id":"rs_1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}
            reasoning_summary_text.delta {"sequence_number":4,"item_id":"rs_1_0","output_index":0,"summary_index":0,"delta":"hm"}
            reasoning_summary_text.done {"sequence_number":5,"item_id":"rs_1_0","output_index":0,"summary_index":0,"text":"hm"}
            reasoning_summary_part.done {"sequence_number":6,"item_id":"rs_1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"hm"}}
            output_item.done {"sequence_number":7,"output_index":0,"item":{"id":"rs_1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"colloquy.v1.eyJzaWduYXR1cmUiOm51bGwsInJlZGFjdGVkIjpudWxsLCJpZCI6bnVsbCwiZXh0cmEiOnt9fQ"}}
            output_item.added {"sequence_number":8,"output_index":1,"item":{"id":"msg_1_1","type":"message","status":"in_progress","role":"assistant","content":[]}}
            content_part.added {"sequence_number":9,"item_id":"msg_1_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}
            output_text.delta {"sequence_number":10,"item_id":"msg_1_1","output_index":1,"content_index":0,"delta":"a","logprobs":[]}
            output_text.annotation.added {"sequence_number":11,"item_id":"msg_1_1","output_index":1,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"https://example.org","start_index":0,"end_index":1}}
            output_text.done {"sequence_number":12,"item_id":"msg_1_1","output_index":1,"content_index":0,"text":"a","logprobs":[]}
            content_part.done {"sequence_number":13,"item_id":"msg_1_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"https://example.org","start_index":0,"end_index":1}],"logprobs":[]}}
            output_item.done {"sequence_number":14,"output_index":1,"item":{"id":"msg_1_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"https://example.org","start_index":0,"end_index":1}],"logprobs":[]}]}}
            output_item.added {"sequence_number":15,"output_index":2,"item":{"id":"fc_1_2","type":"function_call","status":"in_progress","call_id":"c1","name":"look","arguments":""}}
            function_call_arguments.delta {"sequence_number":16,"item_id":"fc_1_2","output_index":2,"delta":"{}"}
            function_call_arguments.done {"sequence_number":17,"item_id":"fc_1_2","output_index":2,"name":"look","arguments":"{}"}
            output_item.done {"sequence_number":18,"output_index":2,"item":{"id":"fc_1_2","type":"function_call","status":"completed","call_id":"c1","name":"look","arguments":"{}"}}
            completed {"sequence_number":19,"response":{"status":"completed","output":[{"id":"rs_1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"colloquy.v1.eyJzaWduYXR1cmUiOm51bGwsInJlZGFjdGVkIjpudWxsLCJpZCI6bnVsbCwiZXh0cmEiOnt9fQ"},{"id":"msg_1_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"https://example.org","start_index":0,"end_index":1}],"logprobs":[]}]},{"id":"fc_1_2","type":"function_call","status":"completed","call_id":"c1","name":"look","arguments":"{}"}],"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":5},"temperature":0.5}}"#]],
    );
}

/// Signed reasoning of another dialect survives a client of ours.
#[test]
fn reasoning_of_other_dialects_comes_back_from_clients() {
    let signed = ReasoningDelta { signature: Some("sig".into()), ..ReasoningDelta::text("hm") };
    let call = ToolCallDelta {
        id: Some("c1".into()),
        name: Some("look".into()),
        arguments: "{}".into(),
        signature: Some("thought".into()),
        ..ToolCallDelta::default()
    };
    let response = fold(vec![
        ChatEvent::Reasoning(signed),
        ChatEvent::ToolCall(call),
        ChatEvent::finished(FinishReason::ToolCalls),
    ]);
    let head = ResponseHead { id: "resp_1".into(), ..ResponseHead::default() };
    let served = response_body(&response, &head);
    let next = json!({ "model": "m", "input": served["output"] });
    let request = parse_request_value(next).unwrap().request;
    assert_eq!(request.messages.len(), 1);
    let without_headers: Vec<_> = request.messages[0]
        .parts
        .iter()
        .filter(|part| !matches!(part, Part::Other { .. }))
        .cloned()
        .collect();
    assert_eq!(without_headers, response.choices[0].message.parts);
}

#[test]
fn a_stream_that_fails_ends_with_typed_events() {
    let mut writer = EventWriter::new(ResponseHead::default());
    writer.push(ChatEvent::text("half"));
    let error = ModelError::new(ErrorKind::Overloaded, llm_core::Operation::Chat, "busy");
    let events = writer.fail(&error);
    assert_eq!(
        events.iter().map(|event| event.name).collect::<Vec<_>>(),
        ["error", "response.failed"]
    );
    let text: String = events.iter().map(|event| format!("data: {}\n\n", event.data)).collect();
    let (_, result) = decode_chunks([text.as_bytes()], ResponsesDecoder::new(None), 1 << 20);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Overloaded);
}

fn exchange(status: u16, headers: Value, framing: &str, body: &str) -> Exchange {
    serde_json::from_value(json!({
        "id": format!("own-{status}-{framing}"),
        "provider": "openai", "dialect": "own", "wire": "openai-responses",
        "op": "chat", "kind": "chat", "model": "m", "features": [], "fidelity": [],
        "request": { "method": "POST", "url": "https://api.example.com/v1/responses", "headers": {} },
        "response": { "status": status, "headers": headers, "framing": framing, "body": body },
    }))
    .unwrap()
}

/// What the client makes of an answer over HTTP.
async fn over_http(exchange: Exchange, request: ChatRequest) -> Result<ChatResponse, ModelError> {
    let server = ReplayServer::start().await.unwrap();
    let id = exchange.id.clone();
    let origin = server.add(exchange, Chunking::Random { longest: 9, seed: 3 });
    let openai = catalogue::find("openai").unwrap();
    let provider = OpenAi::from_entry(openai)
        .base_url(format!("{origin}/v1"))
        .api_key("sk-test".into())
        .build()
        .unwrap();
    let reply = provider.responses("m").chat(request).await;
    let seen = server.taken(&id);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/v1/responses"));
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-test");
    assert_eq!(seen[0].json()["model"], "m");
    ChatResponse::collect(reply?).await
}

#[tokio::test]
async fn the_client_reads_whole_answers_streams_and_refusals() {
    let question = || ChatRequest::new(vec![Message::user("look")]);
    let json_type = json!({ "content-type": "application/json", "x-request-id": "req-1" });
    let sse_type = json!({ "content-type": "text/event-stream", "x-request-id": "req-1" });

    let whole = exchange(200, json_type.clone(), "json", &answer().to_string());
    let response = over_http(whole.clone(), question()).await.unwrap();
    assert_eq!(response.started.request_id.as_deref(), Some("req-1"));
    assert_eq!(response.text(), "let me look");
    // A server that does not stream, whatever it was asked.
    assert_eq!(over_http(whole, question().streamed()).await.unwrap(), response);

    let mut question_with_more = question().streamed();
    question_with_more.sampling.top_k = Some(3);
    let end = json!({ "type": "response.completed", "response": answer() });
    let stream = exchange(200, sse_type.clone(), "sse", &format!("data: {end}\n\n"));
    let streamed = over_http(stream, question_with_more).await.unwrap();
    assert_eq!(streamed.choices, response.choices);
    assert_eq!(streamed.warnings[0].param.as_deref(), Some("top_k"));

    let begun = json!({ "type": "response.created", "response": { "id": "r" } });
    let cut = exchange(200, sse_type, "sse", &format!("data: {begun}\n\n"));
    let error = over_http(cut, question().streamed()).await.unwrap_err();
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Malformed, "openai"));

    let headers = json!({ "content-type": "application/json", "retry-after": "7" });
    let body = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let error = over_http(exchange(429, headers, "json", body), question()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimit);
    assert_eq!(error.retry(), Retry::After(std::time::Duration::from_secs(7)));
}

/// Events of every kind, in any order, with fields of any type.
fn any_event() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec![
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.delta",
        "response.function_call_arguments.delta",
        "response.output_text.annotation.added",
        "response.completed",
        "error",
    ]);
    let item = (
        prop::sample::select(vec![
            "message",
            "reasoning",
            "function_call",
            "custom_tool_call",
            "image_generation_call",
            "other",
        ]),
        any_value(),
        any_value(),
    )
        .prop_map(|(kind, content, text)| {
            json!({ "type": kind, "id": text, "call_id": text, "name": text, "content": content,
                "summary": content, "arguments": text, "result": text, "encrypted_content": text })
        });
    (kinds, 0..3_u32, 0..2_u32, any_value(), item).prop_map(|(kind, index, part, delta, item)| {
        json!({ "type": kind, "output_index": index, "content_index": part, "summary_index": part,
            "delta": delta, "annotation": delta, "logprobs": delta, "item": item,
            "response": { "id": "r", "output": [item] } })
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        "[aé\u{1F600}{]{0,4}".prop_map(Value::from),
        "[aé]{0,4}".prop_map(|text| json!([
            { "type": "output_text", "text": text, "annotations": [text] },
            { "type": "refusal", "refusal": text },
            { "type": "summary_text", "text": text },
        ])),
        any::<i64>().prop_map(Value::from),
    ]
}

proptest! {
    /// Nothing breaks the decoder, and what our server makes of its events is in order.
    #[test]
    fn no_events_break_it(events in prop::collection::vec(any_event(), 0..12)) {
        let (events, result) = stream(&events);
        let mut writer = EventWriter::new(ResponseHead::default());
        let mut written: Vec<_> =
            events.iter().cloned().flat_map(|event| writer.push(event)).collect();
        written.extend(writer.end());
        for (number, event) in written.iter().enumerate() {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            prop_assert_eq!(&data["sequence_number"], &json!(number));
            prop_assert_eq!(&data["type"], &json!(event.name));
        }
        let count = |name: &str| written.iter().filter(|event| event.name == name).count();
        prop_assert_eq!(count("response.output_item.added"), count("response.output_item.done"));
        prop_assert_eq!(count("response.content_part.added"), count("response.content_part.done"));
        let begins = written.first().map(|event| event.name);
        prop_assert_eq!(begins, Some("response.created"));
        if result.is_ok() {
            let text: String =
                written.iter().map(|event| format!("data: {}\n\n", event.data)).collect();
            let (again, result) =
                decode_chunks([text.as_bytes()], ResponsesDecoder::new(None), 1 << 20);
            prop_assert!(result.is_ok(), "{:?}", result);
            prop_assert_eq!(fold(again).text(), fold(events).text());
        }
    }

    /// Whatever parses can be sent.
    #[test]
    fn no_request_breaks_it(items in prop::collection::vec(any_event(), 0..4), text in any_value()) {
        let input: Vec<Value> = items.iter().map(|event| event["item"].clone()).collect();
        let body = json!({ "model": "m", "input": input, "tools": text, "text": text,
            "tool_choice": text, "include": text, "reasoning": text });
        if let Ok(incoming) = parse_request_value(body) {
            prop_assert!(render_request(incoming.request, &Quirks::default()).is_ok());
        }
    }
}
