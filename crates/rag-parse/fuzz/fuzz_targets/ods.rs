//! The content of an ODS: any bytes in that part of the file end in a sound document or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rag_parse_fuzz::{Package, check};

fuzz_target!(|data: &[u8]| check("a.ods", &Package::Ods.with(data)));
