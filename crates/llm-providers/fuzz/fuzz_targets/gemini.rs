//! Answers of Gemini, streamed and whole: no bytes break the decoder, and the events fold into something that can be
//! given back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold, ChatRequest};
use llm_providers::gemini::{ChatDecoder, Service, render_request};
use llm_providers::stream::decode_chunks;

fn fold(events: Vec<ChatEvent>) {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let answers = fold.finish().choices.into_iter().map(|choice| choice.message).collect();
    let _ = render_request(ChatRequest::new(answers), Service::GeminiApi);
}

fuzz_target!(|data: &[u8]| {
    let decoder = || ChatDecoder::new(None);
    fold(decode_chunks(data.chunks(64), decoder(), 1 << 16).0);
    fold(decoder().whole(data).0);
    // A whole answer as one event, so that the corpus of one serves the other.
    let event = [b"data: ", data, b"\n\n"].concat();
    fold(decode_chunks([&event[..]], decoder(), 1 << 16).0);
});
