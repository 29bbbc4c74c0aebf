//! Requests of Gemini's dialect: no body breaks the parser, and what is written for the provider can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::gemini::{Service, parse_request, parse_request_value, render_request};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(request) = parse_request("gemini-3-pro", false, data) else {
        return;
    };
    let Ok(rendered) = render_request(request, Service::GeminiApi) else {
        return;
    };
    parse_request_value("gemini-3-pro", false, Value::Object(rendered.body))
        .expect("what we write, we can read");
});
