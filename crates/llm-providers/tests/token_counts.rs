//! What `llm-tokens` counts against what providers counted, in recorded exchanges.

use std::path::Path;

use llm_providers::openai::chat::parse_request_value;
use llm_tokens::{TokenCount, TokenCounter};
use serde_json::Value;
use testkit::Exchange;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

/// Its answer calls a tool, and its usage counts one, that the request does not have as it was recorded.
const NOT_OF_ITS_REQUEST: [&str; 1] = ["openai-chat-4e6b08f6b166"];

/// Bodies of requests in this wire format whose provider reported the prompt's tokens, with that number.
fn counted(wire: &str) -> Vec<(String, Value, u32)> {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return Vec::new();
    }
    let counted = |exchange: Exchange| {
        let usage = exchange.expect?.usage?;
        let tokens = usage.get("prompt_tokens")?.as_u64()?;
        Some((exchange.id, exchange.request.body?, u32::try_from(tokens).ok()?))
    };
    let exchanges = Exchange::read_all(root, |_| true).unwrap().into_iter();
    let exchanges = exchanges.filter(|exchange| {
        exchange.wire == wire && !NOT_OF_ITS_REQUEST.contains(&exchange.id.as_str())
    });
    exchanges.filter_map(counted).collect()
}

#[test]
fn texts_that_were_embedded_have_as_many_tokens() {
    let mut exact = 0;
    for (id, body, theirs) in counted("openai-embeddings") {
        let texts: Option<Vec<&str>> = match &body["input"] {
            Value::Array(inputs) => inputs.iter().map(Value::as_str).collect(),
            input => input.as_str().map(|text| vec![text]),
        };
        // An input may also be tokens that somebody else made.
        let (Some(texts), Some(model)) = (texts, body["model"].as_str()) else { continue };
        let counter = TokenCounter::for_model(model);
        if counter.is_exact() {
            let ours: u32 = texts.iter().map(|text| counter.count(text).tokens).sum();
            assert_eq!(ours, theirs, "{id}");
            exact += 1;
        }
    }
    assert!(exact > 10 || !Path::new(RECORDINGS).is_dir());
    println!("{exact} requests for embeddings, all exact");
}

#[test]
fn requests_that_count_as_exact_have_as_many_tokens() {
    let (mut exact, mut errors) = (0, Vec::new());
    for (id, body, theirs) in counted("openai-chat") {
        let Ok(incoming) = parse_request_value(body) else { continue };
        let counter = TokenCounter::for_model(&incoming.request.model);
        let TokenCount { tokens: ours, exact: is_exact } = counter.count_request(&incoming.request);
        if is_exact {
            assert_eq!(ours, theirs, "{id} {}", incoming.request.model);
            exact += 1;
        } else if theirs > 0 {
            errors.push(f64::from(ours) / f64::from(theirs));
        }
    }
    assert!(exact > 50 || !Path::new(RECORDINGS).is_dir());
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors.get((errors.len() as f64 * share) as usize).copied();
    println!("{exact} requests exact; of {} estimates, ours to theirs:", errors.len());
    println!("10 % {:?}, median {:?}, 90 % {:?}", at(0.1), at(0.5), at(0.9));
}
