//! Chat answers, streamed and whole: no bytes break the decoder, and the events fold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold};
use llm_providers::Quirks;
use llm_providers::openai::chat::ChatDecoder;
use llm_providers::openai::server::{ChunkWriter, ReplyHead, chat_body};
use llm_providers::stream::decode_chunks;

fn fold(events: Vec<ChatEvent>) {
    let mut writer = ChunkWriter::new(ReplyHead::default(), true);
    let mut fold = ChatFold::default();
    for event in events {
        let _ = writer.chunk(event.clone());
        fold.push(event);
    }
    let _ = (writer.end(), chat_body(&fold.finish(), &ReplyHead::default()));
}

fuzz_target!(|data: &[u8]| {
    let decoder = || ChatDecoder::new(Quirks::default(), None);
    fold(decode_chunks(data.chunks(64), decoder(), 1 << 16).0);
    fold(decoder().whole(data).0);
    // A whole answer as one event, so that the corpus of one serves the other.
    let event = [b"data: ", data, b"\n\n"].concat();
    fold(decode_chunks([&event[..]], decoder(), 1 << 16).0);
});
