//! Bedrock: no bytes break the framing, the decoder of Converse or the parser of its requests, and however a stream is
//! cut its events are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold};
use llm_providers::bedrock::converse::{
    ConverseDecoder, decode_chunks, parse_request, render_request,
};
use llm_providers::bedrock::event_stream::encode_frame;

const EVENTS: [&str; 6] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
];

fn fold(events: Vec<ChatEvent>) {
    let mut fold = ChatFold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let _ = fold.finish();
}

/// Lines become frames with right checksums; the first byte of a line picks the event.
fn framed(data: &[u8]) -> Vec<u8> {
    data.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let (pick, payload) = line.split_first()?;
            let name = EVENTS[usize::from(*pick) % EVENTS.len()];
            let headers = [(":message-type", "event"), (":event-type", name)];
            Some(encode_frame(&headers, payload))
        })
        .flatten()
        .collect()
}

fuzz_target!(|data: &[u8]| {
    fold(decode_chunks(data.chunks(7), ConverseDecoder::new(None), 1 << 16).0);
    fold(ConverseDecoder::new(None).whole(data).0);

    let bytes = framed(data);
    let (whole, one) = decode_chunks([&bytes[..]], ConverseDecoder::new(None), 1 << 16);
    let (cut, other) = decode_chunks(bytes.chunks(5), ConverseDecoder::new(None), 1 << 16);
    assert_eq!((&whole, one.is_ok()), (&cut, other.is_ok()));
    fold(whole);

    if let Ok(body) = serde_json::from_slice(data)
        && let Ok(request) = parse_request("us.anthropic.claude-sonnet-5", false, body)
    {
        let rendered = render_request(request).expect("warnings, not refusals");
        let body = rendered.body.into();
        parse_request("us.anthropic.claude-sonnet-5", false, body).expect("what we write, we read");
    }
});
