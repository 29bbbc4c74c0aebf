//! Anthropic's Messages.

use std::fmt::Write as _;

use crate::measure::{EVENTS, measure};

/// Messages.
pub(crate) fn messages() {
    let text = r#"{"type":"text_delta","text":" word"}"#;
    let tool = r#"{"type":"input_json_delta","partial_json":"{\"a\""}"#;
    let thinking = r#"{"type":"thinking_delta","thinking":" hm"}"#;
    let tool_block = r#"{"type":"tool_use","id":"toolu_0123456789","name":"look","input":{}}"#;
    for (name, block, delta) in [
        ("text", r#"{"type":"text","text":""}"#, text),
        ("tool call", tool_block, tool),
        ("reasoning", r#"{"type":"thinking","thinking":"","signature":""}"#, thinking),
    ] {
        let body = messages_stream_of(block, delta);
        measure("anthropic-messages", name, &body, || {
            llm_providers::anthropic::MessageDecoder::new(None)
        });
    }
}

/// A stream as Anthropic sends it, padding and all.
fn messages_stream_of(block: &str, delta: &str) -> String {
    let mut body = String::new();
    let mut event = |name: &str, fields: &str| {
        let _ = write!(body, "event: {name}\ndata: {{\"type\":\"{name}\"{fields}      }}\n\n");
    };
    event("message_start", r#","message":{"id":"msg_0","model":"claude-haiku-4-5","content":[]}"#);
    event("content_block_start", &format!(",\"index\":0,\"content_block\":{block}"));
    for _ in 0..EVENTS {
        event("content_block_delta", &format!(",\"index\":0,\"delta\":{delta}"));
    }
    event("content_block_stop", r#","index":0"#);
    event("message_delta", r#","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":500}"#);
    event("message_stop", "");
    body
}
