//! Answers and requests of DashScope: no bytes break the decoder, the events fold into something that can be given back,
//! and what is written for the service can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold, ChatRequest};
use llm_providers::AnswerDecoder;
use llm_providers::dashscope::{ChatDecoder, Increments, parse_request_value, render_request};
use llm_providers::stream::decode_chunks;
use serde_json::Value;

fn fold(events: Vec<ChatEvent>) {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let answers = fold.finish().choices.into_iter().map(|choice| choice.message).collect();
    let _ = render_request(ChatRequest::new(answers));
}

fuzz_target!(|data: &[u8]| {
    for increments in [Increments::Deltas, Increments::Whole] {
        fold(decode_chunks(data.chunks(64), ChatDecoder::new(increments), 1 << 16).0);
        fold(ChatDecoder::new(increments).whole(data).0);
    }
    if let Ok(body) = serde_json::from_slice(data)
        && let Ok(request) = parse_request_value(false, body)
        && let Ok(rendered) = render_request(request)
    {
        parse_request_value(false, Value::Object(rendered.body)).expect("what we write, we can read");
    }
});
