//! Limits in the heads of responses: real ones are read, and reach who wants to hear them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_core::{
    ChatRequest, EmbeddingRequest, Message, ModelSource, RateLimit, RateLimitSink, RateLimits,
    Refill,
};
use llm_providers::rate_limits::rate_limits;
use llm_providers::{OpenAi, TransportOptions};
use testkit::{Behaviour, Exchange, FakeUpstream};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/captures");

fn head(exchange: &Exchange) -> HeaderMap {
    let parsed = exchange.response.headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    parsed.collect()
}

/// Every recorded head with limits is understood: where it says how many requests or tokens are left, so do we.
#[test]
fn recorded_heads_are_read() {
    let root = Path::new(RECORDINGS);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings at {RECORDINGS}");
        return;
    }
    let mut read = 0;
    for exchange in Exchange::read_all(root, |_| true).unwrap() {
        let headers = head(&exchange);
        let limits = rate_limits(&headers, SystemTime::now());
        let left = |limit: RateLimit| limit.remaining.map(|left| left.to_string());
        let requests = ["x-ratelimit-remaining-requests", "x-ratelimit-remaining-req-minute"];
        let tokens = ["x-ratelimit-remaining-tokens", "x-ratelimit-remaining-tokens-minute"];
        let input = ["anthropic-ratelimit-input-tokens-remaining"];
        for (names, found) in [
            (&requests[..], left(limits.requests)),
            (&tokens[..], left(limits.tokens)),
            (&input[..], left(limits.input_tokens)),
        ] {
            let told = names.iter().find_map(|name| exchange.response.headers.get(*name));
            let Some(told) = told.filter(|told| *told != "-1") else {
                continue;
            };
            let found = found.unwrap_or_else(|| panic!("{}: {headers:?}", exchange.id));
            let (told, found): (u64, u64) = (told.parse().unwrap(), found.parse().unwrap());
            // Another class of tokens may have less left.
            assert!(found <= told, "{}: {found} of {told}", exchange.id);
            read += 1;
        }
        for limit in [limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens] {
            let reset = limit.reset.unwrap_or_default();
            assert!(reset <= Duration::from_secs(86_400), "{}: {limit:?}", exchange.id);
        }
    }
    assert!(read > 1_000, "{read} limits");
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, String, RateLimits)>>);

impl RateLimitSink for Heard {
    fn seen(&self, provider: &str, model: &str, limits: &RateLimits) {
        self.0.lock().unwrap().push((provider.into(), model.into(), *limits));
    }
}

#[tokio::test]
async fn heads_are_told_of_with_the_model_that_was_asked() {
    let upstream = FakeUpstream::start().await.unwrap();
    let heard = Arc::new(Heard::default());
    let options =
        TransportOptions { rate_limits: Some(heard.clone()), ..TransportOptions::default() };
    let provider = OpenAi::builder("fake", upstream.base_url()).transport(options).build().unwrap();

    let limited = |behaviour: Behaviour| {
        behaviour
            .header("x-ratelimit-limit-requests", "10")
            .header("x-ratelimit-remaining-requests", "9")
            .header("x-ratelimit-reset-requests", "6s")
    };
    let answer = r#"{"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}"#;
    upstream.next(limited(Behaviour::status(200)).body(answer));
    upstream.next(limited(Behaviour::status(429)).header("retry-after", "7"));
    upstream.next(Behaviour::status(500));
    let question = || ChatRequest::new(vec![Message::user("well?")]);
    assert!(provider.chat("talker").chat(question()).await.is_ok());
    let embedder = ModelSource::embedding(&provider, "embedder").unwrap();
    assert!(embedder.embed(EmbeddingRequest::query("well?")).await.is_err());
    // A head without limits, and a call of no model, say nothing.
    assert!(provider.chat("talker").chat(question()).await.is_err());
    upstream.next(limited(Behaviour::status(200)).body("no list of models"));
    assert!(ModelSource::model_names(&provider).await.is_err());

    let requests = RateLimit {
        limit: Some(10),
        remaining: Some(9),
        reset: Some(Duration::from_secs(6)),
        window: None,
        refill: Refill::Steady,
    };
    let told = RateLimits { requests, ..RateLimits::default() };
    let asked = Some(Duration::from_secs(7));
    assert_eq!(
        *heard.0.lock().unwrap(),
        [
            ("fake".into(), "talker".into(), told),
            ("fake".into(), "embedder".into(), RateLimits { retry_after: asked, ..told }),
        ]
    );
}
