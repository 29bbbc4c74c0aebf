//! Requests of the Responses API: no body breaks the parser, and what is read can be written for a provider.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::Quirks;
use llm_providers::openai::responses::{parse_request, render_request};

fuzz_target!(|data: &[u8]| {
    if let Ok(incoming) = parse_request(data) {
        let _ = render_request(incoming.request, &Quirks::default());
    }
});
