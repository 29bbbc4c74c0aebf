//! Detection of formats: any name (the first line) with any bytes ends in a sound document or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, bytes) = data.split_at(cut);
    rag_parse_fuzz::check(&String::from_utf8_lossy(name), bytes);
});
