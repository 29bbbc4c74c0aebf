//! JSON and notebooks: any bytes end in a sound document or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| rag_parse_fuzz::check("a.json", data));
