//! Bedrock: no bytes break the framing, the decoders of Converse and InvokeModel or the parsers of their requests, and
//! however a stream is cut its events are the same.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use llm_core::{ChatEvent, ChatFold};
use llm_providers::bedrock::converse::{
    ConverseDecoder, decode_chunks, parse_request, render_request,
};
use llm_providers::bedrock::event_stream::encode_frame;
use llm_providers::bedrock::{InvokeFamily, invoke};

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

const FAMILIES: [InvokeFamily; 7] = [
    InvokeFamily::Claude,
    InvokeFamily::Nova,
    InvokeFamily::CommandR,
    InvokeFamily::Command,
    InvokeFamily::ChatCompletions,
    InvokeFamily::Llama,
    InvokeFamily::Titan,
];

/// The same through InvokeModel: the first byte picks the family, lines are native events.
fn invoke(data: &[u8]) {
    let Some((pick, rest)) = data.split_first() else {
        return;
    };
    let family = FAMILIES[usize::from(*pick) % FAMILIES.len()];
    let headers = [(":message-type", "event"), (":event-type", "chunk")];
    let frame = |line: &[u8]| {
        let payload = format!("{{\"bytes\":\"{}\"}}", STANDARD.encode(line));
        encode_frame(&headers, payload.as_bytes())
    };
    let bytes: Vec<u8> = rest.split(|byte| *byte == b'\n').flat_map(frame).collect();
    let (whole, one) = invoke::decode_chunks([&bytes[..]], family, 1 << 16);
    let (cut, other) = invoke::decode_chunks(bytes.chunks(5), family, 1 << 16);
    assert_eq!((&whole, one.is_ok()), (&cut, other.is_ok()));
    fold(whole);
    if let Ok(body) = serde_json::from_slice(rest)
        && let Ok(request) = invoke::parse_request(family, "m", false, body)
    {
        let _ = invoke::render_request(request, family, None).expect("warnings, not refusals");
    }
}

fuzz_target!(|data: &[u8]| {
    invoke(data);
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
