//! Recorded streams of the Responses API: however their bytes are cut, the events are the same, and what our server makes
//! of them says the same again.
#![cfg(feature = "openai-responses")]

use std::path::Path;

use llm_core::{ChatEvent, ChatFold, ChatResponse, ModelError, Part};
use llm_providers::openai::responses::ResponsesDecoder;
use llm_providers::openai::responses::server::{EventWriter, ResponseHead, response_body};
use llm_providers::stream::decode_chunks;
use serde_json::Value;
use testkit::{Exchange, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

fn recorded(framing: &str) -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |_| true).unwrap();
    exchanges.retain(|exchange| {
        exchange.wire == "openai-responses"
            && exchange.op == "chat"
            && exchange.response.framing == framing
            && exchange.response.status == 200
            && exchange.request.method == "POST"
    });
    assert!(!exchanges.is_empty());
    exchanges
}

fn decode(chunks: Vec<&[u8]>) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    decode_chunks(chunks, ResponsesDecoder::new(None), MAX_EVENT)
}

fn described(chunks: Vec<&[u8]>) -> String {
    let (events, result) = decode(chunks);
    format!("{events:?} {result:?}")
}

fn fold(events: Vec<ChatEvent>) -> ChatResponse {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

#[test]
fn any_split_gives_the_same_events() {
    for (at, exchange) in recorded("sse").iter().enumerate() {
        let bytes = exchange.response.bytes();
        let whole = described(vec![&bytes]);
        for longest in [1, 2, 7, 100, 2000] {
            let chunks = split(&bytes, longest, at as u64);
            assert_eq!(described(chunks), whole, "{} in chunks of {longest}", exchange.id);
        }
    }
}

#[test]
fn any_line_end_gives_the_same_events() {
    for exchange in recorded("sse") {
        let text = String::from_utf8(exchange.response.bytes()).unwrap().replace("\r\n", "\n");
        let whole = described(vec![text.as_bytes()]);
        for line_end in ["\r\n", "\r"] {
            let other = text.replace('\n', line_end);
            assert_eq!(described(split(other.as_bytes(), 50, 3)), whole, "{}", exchange.id);
        }
    }
}

/// A stream that is cut short anywhere before its last event is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for exchange in recorded("sse") {
        let bytes = exchange.response.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let ends = ["response.completed", "response.incomplete", "response.failed"];
        let Some(end) = ends.iter().filter_map(|end| text.find(end)).min() else {
            continue;
        };
        for cut in [0, end / 3, end / 2, end] {
            let (_, result) = decode(vec![&bytes[..cut]]);
            assert!(result.is_err(), "{} cut at {cut}", exchange.id);
        }
    }
}

/// The last event repeats the whole response: decoding that alone says the same as the stream.
#[test]
fn streams_and_whole_answers_say_the_same() {
    for exchange in recorded("sse") {
        let bytes = exchange.response.bytes();
        let Some(whole) = whole_response(&String::from_utf8_lossy(&bytes)) else {
            continue;
        };
        let (events, result) = ResponsesDecoder::new(None).whole(whole.to_string().as_bytes());
        let (streamed, streamed_result) = decode(vec![&bytes]);
        assert_eq!(result.is_ok(), streamed_result.is_ok(), "{}", exchange.id);
        let (whole, streamed) = (fold(events), fold(streamed));
        if !has_output(&whole) {
            // Some providers leave the output out of the last event, since it has been told.
            continue;
        }
        assert_eq!(said(&streamed), said(&whole), "{}", exchange.id);
        assert_eq!(streamed.usage, whole.usage, "{}", exchange.id);
    }
}

/// The response of the only last event; some recordings hold several streams.
fn whole_response(body: &str) -> Option<Value> {
    let mut ends = body
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok())
        .filter(|event| {
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
            matches!(kind, "response.completed" | "response.incomplete")
        });
    let end = ends.next()?;
    ends.next().is_none().then(|| end.get("response").cloned())?
}

fn has_output(response: &ChatResponse) -> bool {
    response.choices.first().is_some_and(|choice| !choice.message.parts.is_empty())
}

/// What an answer says, without ids that some providers change with every event.
fn said(response: &ChatResponse) -> Vec<String> {
    let parts = response.choices.iter().flat_map(|choice| &choice.message.parts);
    parts
        .filter_map(|part| match part {
            Part::Text(part) => Some(format!("{} {:?}", part.text, part.annotations)),
            Part::Refusal(part) => Some(format!("refusal {}", part.text)),
            Part::Reasoning(block) => Some(format!("reasoning {}", block.text)),
            Part::ToolCall(call) => Some(format!("{} {} {}", call.id, call.name, call.arguments)),
            _ => None,
        })
        .collect()
}

/// What we serve, our own client reads back as what it was, streamed and whole.
#[test]
fn what_the_server_writes_says_the_same() {
    let head = ResponseHead { id: "resp_1".into(), model: "m".into(), ..ResponseHead::default() };
    let streamed = recorded("sse").into_iter().map(|exchange| {
        let (events, result) = decode(vec![&exchange.response.bytes()]);
        (exchange, events, result)
    });
    let whole = recorded("json").into_iter().map(|exchange| {
        let (events, result) = ResponsesDecoder::new(None).whole(&exchange.response.bytes());
        (exchange, events, result)
    });
    for (exchange, events, result) in streamed.chain(whole) {
        if result.is_err() {
            continue;
        }
        let direct = fold(events.clone());

        let mut writer = EventWriter::new(head.clone());
        let mut written: Vec<_> = events.into_iter().flat_map(|event| writer.push(event)).collect();
        written.extend(writer.end());
        let text: String = written
            .iter()
            .map(|event| format!("event: {}\ndata: {}\n\n", event.name, event.data))
            .collect();
        let (again, result) = decode(vec![text.as_bytes()]);
        assert!(result.is_ok(), "{}: {result:?}", exchange.id);
        assert_same(&fold(again), &direct, &exchange.id);

        let body = response_body(&direct, &head).to_string();
        let (again, result) = ResponsesDecoder::new(None).whole(body.as_bytes());
        assert!(result.is_ok(), "{}: {result:?}", exchange.id);
        assert_same(&fold(again), &direct, &exchange.id);
    }
}

#[track_caller]
fn assert_same(again: &ChatResponse, direct: &ChatResponse, id: &str) {
    assert_eq!(said(again), said(direct), "{id}");
    let finish = |response: &ChatResponse| response.choices.first().map(|choice| choice.finish);
    let is_pending = finish(direct) == Some(llm_core::FinishReason::Other);
    assert!(is_pending || finish(again) == finish(direct), "{id}: {:?}", finish(direct));
    let counts = |response: &ChatResponse| {
        let usage = &response.usage;
        (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0))
    };
    assert_eq!(counts(again), counts(direct), "{id}");
}
