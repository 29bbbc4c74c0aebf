//! OpenAI's two dialects.

use std::fmt::Write as _;

use llm_providers::Quirks;
use llm_providers::openai::chat::ChatDecoder;
use llm_providers::openai::responses::ResponsesDecoder;

use crate::measure::{EVENTS, measure};

/// Chat completions.
pub(crate) fn chat() {
    let text = r#""delta":{"content":" word"}"#;
    let tool = r#""delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}"#;
    let reasoning = r#""delta":{"reasoning_content":" hm","content":null}"#;
    for (name, delta) in [("text", text), ("tool call", tool), ("reasoning", reasoning)] {
        let decoder = || ChatDecoder::new(Quirks::default(), None);
        measure("openai-chat", name, &stream_of(delta), decoder);
    }
}

/// Responses.
pub(crate) fn responses() {
    let text =
        r#""type":"response.output_text.delta","content_index":0,"delta":" word","logprobs":[]"#;
    let call = r#""type":"response.function_call_arguments.delta","delta":"{\"a\"""#;
    let summary =
        r#""type":"response.reasoning_summary_text.delta","summary_index":0,"delta":" hm""#;
    for (name, kind, fields) in [
        ("text", "message", text),
        ("tool call", "function_call", call),
        ("reasoning", "reasoning", summary),
    ] {
        let decoder = || ResponsesDecoder::new(None);
        measure("openai-responses", name, &responses_stream_of(kind, fields), decoder);
    }
}

/// A stream of one item.
fn responses_stream_of(kind: &str, fields: &str) -> String {
    let mut body = format!(
        "data: {{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{{\"type\":\"{kind}\",\"id\":\"x\",\"call_id\":\"c\",\"name\":\"n\"}}}}\n\n"
    );
    for number in 0..EVENTS {
        let _ = write!(
            body,
            "event: response.delta\ndata: {{{fields},\"item_id\":\"msg_0123456789abcdef0123456789abcdef\",\"output_index\":0,\"sequence_number\":{number},\"obfuscation\":\"aB3dE\"}}\n\n"
        );
    }
    body.push_str(
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[]}}\n\n",
    );
    body
}

/// A stream as OpenAI sends it, padding and all.
fn stream_of(delta: &str) -> String {
    let head = r#"{"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_0123456789""#;
    let mut body = String::new();
    for _ in 0..EVENTS {
        let _ = write!(
            body,
            "data: {head},\"choices\":[{{\"index\":0,{delta},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null,\"obfuscation\":\"aB3dE\"}}\n\n"
        );
    }
    let _ = write!(
        body,
        "data: {head},\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
    );
    body
}
