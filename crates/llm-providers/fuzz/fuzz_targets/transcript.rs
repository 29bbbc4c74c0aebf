//! Transcripts, streamed and whole: no bytes break the decoder, and cuts change nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::Quirks;
use llm_providers::openai::audio::{TranscriptDecoder, TranscriptEvent, parse_transcript};

fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<TranscriptEvent> {
    let mut decoder = TranscriptDecoder::new(Quirks::default(), 1 << 16);
    let mut events = Vec::new();
    for chunk in chunks {
        if decoder.push(chunk, &mut events).is_err() {
            return events;
        }
    }
    let _ = decoder.end(&mut events);
    events
}

fuzz_target!(|data: &[u8]| {
    assert_eq!(decode(data.chunks(1)), decode(data.chunks(64)));
    let _ = parse_transcript(data, &Quirks::default());
});
