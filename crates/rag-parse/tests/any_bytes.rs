//! Whatever the bytes are: text with sound spans, or a reason.

use proptest::prelude::*;
use rag_core::{DocumentParser, ParseErrorKind, ParseRequest};
use rag_parse::FileParser;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    const STARTS: [&[u8]; 12] = [
        b"",
        b"%PDF-1.7\n",
        b"<html>",
        b"\xff\xfe",
        b"\0\0\xfe\xff",
        b"---\ntitle: x\n---\n",
        b"{\"a\": [",
        b"a,b\n",
        b"<?xml version='1.0'?><a>",
        b"WEBVTT\n\n00:01.000 --> 00:02.000\n",
        b"PK\x03\x04xl/worksheets/",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1W\0o\0r\0k\0b\0o\0o\0k\0\0\0",
    ];
    let start = proptest::sample::select(&STARTS[..]);
    (start, proptest::collection::vec(any::<u8>(), 0..400))
        .prop_map(|(start, rest)| [start, rest.as_slice()].concat())
}

proptest! {
    #[test]
    fn end_in_text_or_a_reason(bytes in bytes(), ending in "(md|txt|html|pdf|rst|x|csv|json|jsonl|xml|vtt|rs|xlsx|xls|ods)") {
        match FileParser::default().parse(&ParseRequest::new(&format!("file.{ending}"), &bytes)) {
            Ok(parsed) => {
                let mut end = 0;
                for block in &parsed.blocks {
                    prop_assert!(block.span.start >= end && !block.span.is_empty());
                    prop_assert!(parsed.text.get(block.span.clone()).is_some());
                    end = block.span.end;
                }
            }
            Err(error) => {
                prop_assert!(error.kind != ParseErrorKind::Crashed, "{}", error.reason);
                prop_assert!(!error.reason.is_empty() && !error.reason.contains('\n'));
            }
        }
    }
}
