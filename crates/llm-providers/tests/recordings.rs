//! Recorded streams: however their bytes are cut, the events are the same.

use std::path::Path;

use llm_providers::Quirks;
use llm_providers::openai::chat::ChatDecoder;
use llm_providers::stream::decode_chunks;
use testkit::{Exchange, split};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Large enough for every recording.
const MAX_EVENT: usize = 8 << 20;

fn recorded_streams() -> Vec<Exchange> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let mut exchanges = Exchange::read_all(root, |_| true).unwrap();
    exchanges
        .retain(|exchange| exchange.wire == "openai-chat" && exchange.response.framing == "sse");
    assert!(!exchanges.is_empty());
    exchanges
}

fn decode(chunks: Vec<&[u8]>) -> String {
    let decoder = ChatDecoder::new(Quirks::default(), None);
    let (events, result) = decode_chunks(chunks, decoder, MAX_EVENT);
    format!("{events:?} {result:?}")
}

#[test]
fn any_split_gives_the_same_events() {
    for (at, exchange) in recorded_streams().iter().enumerate() {
        let bytes = exchange.response.bytes();
        let whole = decode(vec![&bytes]);
        for longest in [1, 7, 300] {
            let chunks = split(&bytes, longest, at as u64);
            assert_eq!(decode(chunks), whole, "{} in chunks of {longest}", exchange.id);
        }
    }
}

#[test]
fn any_line_end_gives_the_same_events() {
    for exchange in recorded_streams() {
        let text = String::from_utf8(exchange.response.bytes()).unwrap().replace("\r\n", "\n");
        let whole = decode(vec![text.as_bytes()]);
        for line_end in ["\r\n", "\r"] {
            let other = text.replace('\n', line_end);
            assert_eq!(decode(split(other.as_bytes(), 50, 3)), whole, "{}", exchange.id);
        }
    }
}

/// A stream that is cut short anywhere before its finish reason is an error, never a short answer.
#[test]
fn a_cut_stream_is_an_error() {
    for exchange in recorded_streams() {
        let bytes = exchange.response.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let Some(finish) = text.find("\"finish_reason\":\"") else {
            continue;
        };
        for cut in [0, finish / 3, finish / 2, finish] {
            let decoder = ChatDecoder::new(Quirks::default(), None);
            let (_, result) = decode_chunks([&bytes[..cut]], decoder, MAX_EVENT);
            assert!(result.is_err(), "{} cut at {cut}", exchange.id);
        }
    }
}
