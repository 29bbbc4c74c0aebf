//! Files in ZIP archives: any bytes end in a sound document or a reason, whatever the name hints at.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for ending in ["docx", "pptx", "xlsx", "xlsb", "odt", "ods", "epub"] {
        rag_parse_fuzz::check(&format!("a.{ending}"), data);
    }
});
