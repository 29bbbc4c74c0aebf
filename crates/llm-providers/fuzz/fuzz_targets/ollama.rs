//! Answers and requests of Ollama: no bytes break the decoder, the events fold into something that can be given back,
//! and what is written for the server can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold, ChatRequest};
use llm_providers::AnswerDecoder;
use llm_providers::ollama::{ChatDecoder, parse_request, parse_request_value, render_request};
use llm_providers::stream::decode_lines;
use serde_json::Value;

fn fold(events: Vec<ChatEvent>) {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let answers = fold.finish().choices.into_iter().map(|choice| choice.message).collect();
    let _ = render_request(ChatRequest::new(answers));
}

fuzz_target!(|data: &[u8]| {
    let decoder = || ChatDecoder::new(None);
    let (events, result) = decode_lines(data.chunks(64), decoder(), 1 << 16);
    let (whole, whole_result) = decode_lines([data], decoder(), 1 << 16);
    assert_eq!((&events, result.is_ok()), (&whole, whole_result.is_ok()));
    fold(events);
    fold(decoder().whole(data).0);
    if let Ok(request) = parse_request(data)
        && let Ok(rendered) = render_request(request)
    {
        parse_request_value(Value::Object(rendered.body)).expect("what we write, we can read");
    }
});
