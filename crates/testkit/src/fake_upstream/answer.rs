//! The responses of a fake upstream.

use std::io;
use std::sync::Arc;

use async_stream::stream;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::behaviour::{Answer, Behaviour, Fault};
use super::{LiveStream, Shared};
use crate::scripted::vector_of;

const REQUEST_ID: &str = "req-fake";

/// Adds to a response what its behaviour says of its headers.
pub(super) fn with_headers(mut response: Response, headers: &[(String, String)]) -> Response {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Answers `chat/completions`.
pub(super) async fn chat(
    state: Arc<Shared>,
    mut behaviour: Behaviour,
    request: &Value,
) -> Response {
    let last = request.get("messages").and_then(|messages| messages.as_array()?.last());
    let has_result = last.is_some_and(|message| message["role"] == "tool");
    if let (true, Some(text)) = (has_result, &behaviour.after_tools) {
        behaviour.answer = Answer::words(text);
    }
    if let Answer::Status { status, body } = behaviour.answer {
        return refusal(status, body);
    }
    let model = request.get("model").cloned().unwrap_or_default();
    let usage = usage(request, &behaviour.answer);
    if request.get("stream") == Some(&Value::Bool(true)) {
        let wants_usage = request.pointer("/stream_options/include_usage").is_some();
        let usage = wants_usage.then_some(usage);
        return event_stream(Body::from_stream(chunks(state, behaviour, model, usage)));
    }
    whole(behaviour, model, usage).await
}

/// Answers `embeddings`, with vectors that depend on the texts alone.
pub(super) fn embeddings(behaviour: Behaviour, request: &Value) -> Response {
    if let Answer::Status { status, body } = behaviour.answer {
        return refusal(status, body);
    }
    let texts: Vec<&str> = match request.get("input") {
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    let dimensions = request.get("dimensions").and_then(Value::as_u64);
    let dimensions = dimensions.map_or(behaviour.dimensions, |dimensions| dimensions as usize);
    let in_base64 = request.get("encoding_format").is_some_and(|format| format == "base64");
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector_of(text, dimensions);
            let embedding = if in_base64 { base64_of(&vector) } else { json!(vector) };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    let tokens: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    json_response(json!({
        "object": "list",
        "data": data,
        "model": request.get("model"),
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    }))
}

/// Answers `models`.
pub(super) fn models(behaviour: Behaviour) -> Response {
    if let Answer::Status { status, body } = behaviour.answer {
        return refusal(status, body);
    }
    let model = |id| json!({ "id": id, "object": "model", "created": 1, "owned_by": "testkit" });
    json_response(
        json!({ "object": "list", "data": [model("fake-chat"), model("fake-embedding")] }),
    )
}

pub(super) fn broken_request() -> Response {
    refusal(400, r#"{"error":{"message":"the request broke off"}}"#.into())
}

/// The events of a streamed answer. Dropped by the server when the client leaves.
fn chunks(
    state: Arc<Shared>,
    behaviour: Behaviour,
    model: Value,
    usage: Option<Value>,
) -> impl futures::Stream<Item = io::Result<Bytes>> {
    stream! {
        let mut live = LiveStream::begin(state);
        let chunk = |choices: Value, usage: Option<&Value>| {
            let mut chunk = json!({
                "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1,
                "model": model, "choices": choices,
            });
            if let Some(usage) = usage {
                chunk["usage"] = usage.clone();
            }
            event(&chunk.to_string())
        };
        let choice = |delta: Value, finish: Value| {
            json!([{ "index": 0, "delta": delta, "finish_reason": finish }])
        };
        let (deltas, finish) = deltas(&behaviour.answer);
        for (at, delta) in deltas.into_iter().enumerate() {
            if let Some(fault) = fault_at(&behaviour, at) {
                match fault {
                    Fault::Silence(_) => std::future::pending::<()>().await,
                    Fault::Cut(_) => {
                        // Lets the server write what it has before it learns of the failure.
                        tokio::task::yield_now().await;
                        live.is_over = true;
                        yield Err(io::ErrorKind::ConnectionReset.into());
                    }
                    Fault::Malformed(_) => yield Ok(event("{\"choices\":[{")),
                    Fault::Error(_, error) => {
                        yield Ok(event(&json!({ "error": error }).to_string()));
                    }
                    Fault::NoDone => {}
                }
                live.is_over = true;
                return;
            }
            if !behaviour.token_delay.is_zero() {
                pause(behaviour.token_delay).await;
            }
            live.tokens += 1;
            yield Ok(chunk(choice(delta, Value::Null), None));
        }
        yield Ok(chunk(choice(json!({}), finish.into()), None));
        if let Some(usage) = &usage {
            yield Ok(chunk(json!([]), Some(usage)));
        }
        live.is_over = true;
        if behaviour.fault != Some(Fault::NoDone) {
            yield Ok(event("[DONE]"));
        }
    }
}

fn fault_at(behaviour: &Behaviour, at: usize) -> Option<Fault> {
    let fault = behaviour.fault.clone()?;
    let place = match fault {
        Fault::Cut(place)
        | Fault::Silence(place)
        | Fault::Malformed(place)
        | Fault::Error(place, _) => place,
        Fault::NoDone => return None,
    };
    (place == at).then_some(fault)
}

/// The deltas of an answer, one a token, and its finish reason.
fn deltas(answer: &Answer) -> (Vec<Value>, &'static str) {
    let mut deltas = Vec::new();
    let finish = match answer {
        Answer::Tokens(tokens) => {
            deltas.extend(tokens.iter().map(|token| json!({ "content": token })));
            "stop"
        }
        Answer::ToolCall { name, arguments } => {
            let function = json!({ "name": name, "arguments": "" });
            let first = json!({
                "index": 0, "id": "call_fake", "type": "function", "function": function,
            });
            deltas.push(json!({ "tool_calls": [first] }));
            deltas.extend(arguments.split_inclusive(' ').map(|piece| {
                json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] })
            }));
            "tool_calls"
        }
        Answer::Status { .. } => "stop",
    };
    if let Some(Value::Object(first)) = deltas.first_mut() {
        first.insert("role".into(), "assistant".into());
    }
    (deltas, finish)
}

async fn whole(behaviour: Behaviour, model: Value, usage: Value) -> Response {
    let (deltas, finish) = deltas(&behaviour.answer);
    let tokens = u32::try_from(deltas.len()).unwrap_or(u32::MAX);
    pause(behaviour.token_delay.saturating_mul(tokens)).await;
    match &behaviour.fault {
        Some(Fault::Silence(_)) => std::future::pending::<()>().await,
        Some(Fault::Cut(_)) => {
            let cut = futures::stream::iter([
                Ok(Bytes::from_static(b"{\"id\":")),
                Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            ]);
            return with_type(Response::new(Body::from_stream(cut)), "application/json");
        }
        Some(Fault::Malformed(_)) => {
            return with_type(Response::new(Body::from("{\"choices\":[{")), "application/json");
        }
        Some(Fault::Error(_, error)) => return json_response(json!({ "error": error })),
        Some(Fault::NoDone) | None => {}
    }
    let message = match behaviour.answer {
        Answer::Tokens(tokens) => json!({ "role": "assistant", "content": tokens.concat() }),
        Answer::ToolCall { name, arguments } => json!({
            "role": "assistant",
            "content": null,
            "tool_calls": [{
                "id": "call_fake",
                "type": "function",
                "function": { "name": name, "arguments": arguments },
            }],
        }),
        Answer::Status { .. } => Value::Null,
    };
    json_response(json!({
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": usage,
    }))
}

/// Words of the question and tokens of the answer.
fn usage(request: &Value, answer: &Answer) -> Value {
    let messages = request.get("messages").and_then(Value::as_array);
    let prompt: usize = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("content")?.as_str())
        .map(|text| text.split_whitespace().count())
        .sum();
    let completion = deltas(answer).0.len();
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    })
}

fn base64_of(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes).into()
}

fn event(data: &str) -> Bytes {
    format!("data: {data}\n\n").into()
}

fn event_stream(body: Body) -> Response {
    with_type(Response::new(body), "text/event-stream")
}

pub(super) fn json_response(body: Value) -> Response {
    with_type(Response::new(Body::from(body.to_string())), "application/json")
}

pub(super) fn refusal(status: u16, body: String) -> Response {
    let mut response = with_type(Response::new(Body::from(body)), "application/json");
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

pub(super) fn with_type(mut response: Response, content_type: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-request-id", HeaderValue::from_static(REQUEST_ID));
    response
}

/// Waits; no time at all is not even a turn of the timer, which is a millisecond.
pub(super) async fn pause(delay: std::time::Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
