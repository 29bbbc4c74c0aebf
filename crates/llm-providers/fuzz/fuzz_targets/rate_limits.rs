//! Limits in heads: no header breaks the parser, and every limit told has a number.
#![no_main]

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use llm_providers::rate_limits::rate_limits;

fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n').take(32);
    let parsed = lines.filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let name = HeaderName::from_bytes(name).ok()?;
        Some((name, HeaderValue::from_bytes(value.get(1..)?).ok()?))
    });
    let headers: HeaderMap = parsed.collect();
    let limits = rate_limits(&headers, SystemTime::UNIX_EPOCH);
    for limit in [limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens] {
        assert!(limit.is_unknown() || limit.limit.is_some() || limit.remaining.is_some());
    }
});
