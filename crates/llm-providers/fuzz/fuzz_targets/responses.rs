//! Answers of the Responses API, streamed and whole: no bytes break the decoder, the events fold, and what our server
//! writes of them can be read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold};
use llm_providers::openai::responses::ResponsesDecoder;
use llm_providers::openai::responses::server::{EventWriter, ResponseHead, response_body};
use llm_providers::stream::decode_chunks;

fn serve(events: Vec<ChatEvent>) {
    let mut writer = EventWriter::new(ResponseHead::default());
    let mut fold = ChatFold::default();
    let mut text = String::new();
    for event in events {
        for written in writer.push(event.clone()) {
            text.push_str(&format!("data: {}\n\n", written.data));
        }
        fold.push(event);
    }
    for written in writer.end() {
        text.push_str(&format!("data: {}\n\n", written.data));
    }
    let _ = decode_chunks([text.as_bytes()], ResponsesDecoder::new(None), 1 << 22);
    let body = response_body(&fold.finish(), &ResponseHead::default()).to_string();
    let _ = ResponsesDecoder::new(None).whole(body.as_bytes());
}

fuzz_target!(|data: &[u8]| {
    let decoder = || ResponsesDecoder::new(None);
    serve(decode_chunks(data.chunks(64), decoder(), 1 << 16).0);
    serve(decoder().whole(data).0);
    // A whole answer as one event, so that the corpus of one serves the other.
    let event = [b"data: ", data, b"\n\n"].concat();
    serve(decode_chunks([&event[..]], decoder(), 1 << 16).0);
});
