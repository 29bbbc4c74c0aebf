//! Server-sent events: no bytes break the decoder, and it gives the same events however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::sse::SseDecoder;

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<(String, String)>> {
    let mut decoder = SseDecoder::new(4096);
    let mut events = Vec::new();
    for mut chunk in chunks {
        while let Some(event) = decoder.next(&mut chunk).ok()? {
            events.push((event.name.into_owned(), event.data.into_owned()));
        }
    }
    events.extend(decoder.finish().map(|event| (event.name.into_owned(), event.data.into_owned())));
    Some(events)
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let whole = decode([bytes]);
    // The bound is checked when a line ends or the input does, so a cut may only refuse earlier.
    if let (Some(whole), Some(cut)) = (whole, decode(bytes.chunks(1 + usize::from(*cut)))) {
        assert_eq!(whole, cut);
    }
});
