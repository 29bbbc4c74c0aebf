//! Cohere's chat, version 2.

use std::fmt::Write as _;

use llm_providers::cohere::ChatDecoder;

use crate::measure::{EVENTS, measure};

/// Chat.
pub(crate) fn chat() {
    let text =
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" word"}}}}"#;
    let tool = r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\""}}}}}"#;
    let reasoning =
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":" hm"}}}}"#;
    for (name, event) in [("text", text), ("tool call", tool), ("reasoning", reasoning)] {
        let body = stream_of(event);
        measure("cohere-v2-chat", name, &body, || ChatDecoder::new(None));
    }
}

fn stream_of(event: &str) -> String {
    let mut body = String::from(
        "event: message-start\ndata: {\"id\":\"0123\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\"}}}\n\n",
    );
    if event.contains("tool-call") {
        body.push_str("event: tool-call-start\ndata: {\"type\":\"tool-call-start\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"\"}}}}}\n\n");
    }
    for _ in 0..EVENTS {
        let _ = write!(body, "event: delta\ndata: {event}\n\n");
    }
    body.push_str("event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}\n\ndata: [DONE]\n\n");
    body
}
