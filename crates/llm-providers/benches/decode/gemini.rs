//! Gemini's generateContent.

use std::fmt::Write as _;

use crate::measure::{EVENTS, measure};

/// Answers.
pub(crate) fn generate() {
    let call = r#""functionCall":{"name":"look","args":{"at":"sky"}}"#;
    for (name, part) in [
        ("text", r#""text":" word""#),
        ("tool call", call),
        ("reasoning", r#""text":" hm","thought":true"#),
    ] {
        let body = generate_stream_of(part);
        measure("gemini-generate", name, &body, || llm_providers::gemini::ChatDecoder::new(None));
    }
}

/// A stream as Gemini sends it: usage in every chunk, framed with CRLF.
fn generate_stream_of(part: &str) -> String {
    let mut body = String::new();
    for number in 0..EVENTS {
        let finish = if number + 1 == EVENTS { r#","finishReason":"STOP""# } else { "" };
        let _ = write!(
            body,
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{{part}}}],\"role\":\"model\"}}{finish},\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":10,\"candidatesTokenCount\":{number},\"totalTokenCount\":20,\"promptTokensDetails\":[{{\"modality\":\"TEXT\",\"tokenCount\":10}}]}},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"0123456789abcdef\"}}\r\n\r\n"
        );
    }
    body
}
