//! Answers of Anthropic's dialect, streamed and whole: no bytes break the decoder, the events fold, and the server's side
//! can write them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold};
use llm_providers::anthropic::MessageDecoder;
use llm_providers::anthropic::server::{EventWriter, ReplyHead, message_body};
use llm_providers::stream::decode_chunks;

fn fold(events: Vec<ChatEvent>) {
    let mut writer = EventWriter::new(ReplyHead::default());
    let mut fold = ChatFold::default();
    for event in events {
        let _ = writer.events(event.clone());
        fold.push(event);
    }
    let _ = (writer.end(), message_body(&fold.finish(), &ReplyHead::default()));
}

fuzz_target!(|data: &[u8]| {
    let decoder = || MessageDecoder::new(None);
    fold(decode_chunks(data.chunks(64), decoder(), 1 << 16).0);
    fold(decoder().whole(data).0);
    // A whole answer as the beginning of a stream, so that the corpus of one serves the other.
    let start = [b"data: {\"type\":\"message_start\",\"message\":", data, b"}\n\n"].concat();
    let stop = b"data: {\"type\":\"message_stop\"}\n\n";
    fold(decode_chunks([&start[..], &stop[..]], decoder(), 1 << 16).0);
});
