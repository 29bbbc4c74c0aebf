//! Bedrock's Converse, framing and checksums included.

use llm_providers::bedrock::converse::{ConverseDecoder, decode_chunks};
use llm_providers::bedrock::event_stream::encode_frame;

use crate::measure::{EVENTS, LIMIT, measure_by, pieces};

/// Converse.
pub(crate) fn converse() {
    let text = r#"{"text":" word"}"#;
    let tool = r#"{"toolUse":{"input":"{\"a\""}}"#;
    let reasoning = r#"{"reasoningContent":{"text":" hm"}}"#;
    for (name, delta) in [("text", text), ("tool call", tool), ("reasoning", reasoning)] {
        let body = stream_of(delta);
        measure_by("bedrock-converse", name, || {
            decode_chunks(pieces(&body), ConverseDecoder::new(None), LIMIT)
        });
    }
}

/// A stream as Bedrock sends it, padding and all.
fn stream_of(delta: &str) -> Vec<u8> {
    let frame = |name: &str, payload: &str| {
        let headers = [
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        encode_frame(&headers, payload.as_bytes())
    };
    let start = r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"#;
    let delta = format!(
        r#"{{"contentBlockIndex":0,"delta":{delta},"p":"abcdefghijklmnopqrstuvwxyzABCD"}}"#
    );
    let mut body = frame("contentBlockStart", start);
    (0..EVENTS).for_each(|_| body.extend(frame("contentBlockDelta", &delta)));
    body.extend(frame("messageStop", r#"{"stopReason":"end_turn"}"#));
    body
}
