//! Cohere: no bytes break the decoders of either version, however a stream is cut its events are the same, and what is
//! read of a request can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold};
use llm_providers::Quirks;
use llm_providers::cohere::v1;
use llm_providers::cohere::{ChatDecoder, embeddings, parse_request, render_request, rerank};
use llm_providers::stream::{decode_chunks, decode_lines};
use serde_json::Value;

const BOUND: usize = 1 << 16;

fn fold(events: Vec<ChatEvent>) {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let _ = fold.finish();
}

fuzz_target!(|data: &[u8]| {
    let (whole, one) = decode_chunks([data], ChatDecoder::new(None), BOUND);
    let (cut, other) = decode_chunks(data.chunks(5), ChatDecoder::new(None), BOUND);
    assert_eq!((&whole, one.is_ok()), (&cut, other.is_ok()));
    fold(whole);
    fold(ChatDecoder::new(None).whole(data).0);

    let (whole, one) = decode_lines([data], v1::ChatDecoder::new(None), BOUND);
    let (cut, other) = decode_lines(data.chunks(5), v1::ChatDecoder::new(None), BOUND);
    assert_eq!((&whole, one.is_ok()), (&cut, other.is_ok()));
    fold(whole);
    fold(v1::ChatDecoder::new(None).whole(data).0);

    let _ = embeddings::parse_embedding_response(data, 2, Some(3));
    let _ = rerank::parse_rerank_response(data, 2);

    let Ok(body) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let quirks = Quirks::default();
    if let Ok(request) = parse_request(body.clone()) {
        let rendered = render_request(request, &quirks).expect("warnings, not refusals");
        parse_request(rendered.body.into()).expect("what we write, we read");
    }
    if let Ok(request) = v1::parse_request(body) {
        let rendered = v1::render_request(request, &quirks).expect("warnings, not refusals");
        v1::parse_request(rendered.body.into()).expect("what we write, we read");
    }
});
