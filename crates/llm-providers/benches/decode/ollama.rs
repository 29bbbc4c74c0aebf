//! Ollama's chat.

use std::fmt::Write as _;

use llm_providers::ollama::ChatDecoder;
use llm_providers::stream::decode_lines;

use crate::measure::{EVENTS, LIMIT, measure_by, pieces};

/// Chat.
pub(crate) fn chat() {
    let text = r#""content":" word""#;
    let reasoning = r#""content":"","thinking":" hm""#;
    for (name, fields) in [("text", text), ("reasoning", reasoning)] {
        let body = stream_of(fields);
        measure_by("ollama-chat", name, || {
            decode_lines(pieces(body.as_bytes()), ChatDecoder::new(None), LIMIT)
        });
    }
}

fn stream_of(fields: &str) -> String {
    let head = r#"{"model":"qwen3:8b","created_at":"2026-11-22T10:00:00.123456789Z""#;
    let mut body = String::new();
    for _ in 0..EVENTS {
        let _ = writeln!(
            body,
            "{head},\"message\":{{\"role\":\"assistant\",{fields}}},\"done\":false}}"
        );
    }
    let _ = writeln!(
        body,
        "{head},\"message\":{{\"role\":\"assistant\",\"content\":\"\"}},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":500}}"
    );
    body
}
