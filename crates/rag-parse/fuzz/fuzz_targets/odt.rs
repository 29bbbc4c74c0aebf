//! The content of an ODT: any bytes in that part of the file end in a sound document or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rag_parse_fuzz::{Package, check};

fuzz_target!(|data: &[u8]| check("a.odt", &Package::Odt.with(data)));
