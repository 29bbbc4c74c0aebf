//! Requests of Anthropic's dialect: no body breaks the parser, and what is read can be written for a provider.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::anthropic::{Target, parse_request, parse_request_value, render_request};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(request) = parse_request(data) else {
        return;
    };
    // What the caller puts beside the named fields may be anything.
    let mut named = request;
    named.extra_body.clear();
    let Ok(rendered) = render_request(named, &Target::default()) else {
        return;
    };
    let is_empty = rendered.body["messages"].as_array().is_some_and(Vec::is_empty);
    if !is_empty {
        parse_request_value(Value::Object(rendered.body)).expect("what we write, we can read");
    }
});
