//! The text of a DOCX: any bytes in that part of the file end in a sound document or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rag_parse_fuzz::{Package, check};

fuzz_target!(|data: &[u8]| check("a.docx", &Package::Docx.with(data)));
