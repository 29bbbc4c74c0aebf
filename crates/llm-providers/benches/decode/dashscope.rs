//! DashScope's generation.

use std::fmt::Write as _;

use llm_providers::dashscope::{ChatDecoder, Increments};

use crate::measure::{EVENTS, measure};

/// Generation with increments.
pub(crate) fn generation() {
    for (name, field) in [("text", "content"), ("reasoning", "reasoning_content")] {
        let body = stream_of(field);
        measure("dashscope", name, &body, || ChatDecoder::new(Increments::Deltas));
    }
}

fn stream_of(field: &str) -> String {
    let mut body = String::new();
    for number in 1..=EVENTS {
        let finish = if number == EVENTS { "stop" } else { "null" };
        let _ = write!(
            body,
            "id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{{\"output\":{{\"choices\":[{{\"message\":{{\"{field}\":\" word\",\"role\":\"assistant\"}},\"finish_reason\":\"{finish}\"}}]}},\"usage\":{{\"total_tokens\":{number},\"input_tokens\":1,\"output_tokens\":{number}}},\"request_id\":\"0123\"}}\n\n"
        );
    }
    body
}
