//! Requests: no body breaks the parser, and what is read can be written for a provider.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::Quirks;
use llm_providers::openai::chat::{parse_request, parse_request_value, render_request};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(incoming) = parse_request(data) else {
        return;
    };
    let Ok(rendered) = render_request(incoming.request, &Quirks::default()) else {
        return;
    };
    parse_request_value(Value::Object(rendered.body)).expect("what we write, we can read");
});
