use http::HeaderName;
use proptest::prelude::*;

use super::*;

fn head(headers: &[(&str, &str)]) -> HeaderMap {
    let parsed = headers.iter().map(|(name, value)| {
        (name.parse::<HeaderName>().unwrap(), http::HeaderValue::try_from(*value).unwrap())
    });
    parsed.collect()
}

/// `remaining/limit`, the time to the reset, the window, `steady` if so.
fn shown(limit: RateLimit) -> String {
    let number = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let mut words = vec![format!("{}/{}", number(limit.remaining), number(limit.limit))];
    words.extend(limit.reset.map(|reset| format!("in {reset:?}")));
    words.extend(limit.window.map(|window| format!("per {window:?}")));
    words.extend((limit.refill == Refill::Steady).then(|| "steady".to_owned()));
    words.join(" ")
}

fn check(headers: &[(&str, &str)], expected: &[&str]) {
    let now = httpdate::parse_http_date("Tue, 07 Oct 2025 13:56:59 GMT").unwrap();
    let limits = rate_limits(&head(headers), now);
    let mut found = Vec::new();
    for (name, limit) in [
        ("requests", limits.requests),
        ("tokens", limits.tokens),
        ("input", limits.input_tokens),
        ("output", limits.output_tokens),
    ] {
        found.extend((!limit.is_unknown()).then(|| format!("{name} {}", shown(limit))));
    }
    found.extend(limits.retry_after.map(|wait| format!("after {wait:?}")));
    assert_eq!(found, expected, "{headers:?}");
}

#[test]
fn heads_without_limits_tell_nothing() {
    check(&[], &[]);
    check(&[("content-type", "application/json"), ("x-ratelimit-key", "gpt-5")], &[]);
    check(&[("retry-after", "7")], &["after 7s"]);
}

#[test]
fn openai_and_those_who_follow_it() {
    check(
        &[
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", "4999"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-limit-tokens", "800000"),
            ("x-ratelimit-remaining-tokens", "799699"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("x-ratelimit-limit-input-images", "1"),
            ("x-ratelimit-remaining-input-images", "0"),
        ],
        &["requests 4999/5000 in 12ms steady", "tokens 799699/800000 in 360s steady"],
    );
    // Two classes of tokens: the one with less left.
    check(
        &[
            ("x-ratelimit-remaining-tokens", "90"),
            ("x-ratelimit-limit-tokens_usage_based", "250"),
            ("x-ratelimit-remaining-tokens_usage_based", "80"),
        ],
        &["tokens 80/250"],
    );
}

#[test]
fn azure_counts_seconds_sometimes_milliseconds_and_has_no_limit_below_zero() {
    let azure = |reset, expected| {
        check(
            &[
                ("x-ratelimit-limit-requests", "120"),
                ("x-ratelimit-remaining-requests", "119"),
                ("x-ratelimit-renewalperiod-requests", "60"),
                ("x-ratelimit-reset-requests", reset),
                ("x-ratelimit-limit-tokens", "-1"),
                ("x-ratelimit-remaining-tokens", "-1"),
                ("x-ratelimit-reset-tokens", "0"),
            ],
            &[expected],
        );
    };
    azure("7", "requests 119/120 in 7s per 60s");
    azure("500", "requests 119/120 in 500ms per 60s");
}

#[test]
fn windows_in_names() {
    check(
        &[
            ("x-ratelimit-limit-req-minute", "360"),
            ("x-ratelimit-remaining-req-minute", "359"),
            ("x-ratelimit-limit-tokens-minute", "75000"),
            ("x-ratelimit-remaining-tokens-minute", "74932"),
            ("x-ratelimit-limit-tokens-month", "200000000000"),
            ("x-ratelimit-remaining-tokens-month", "199999999424"),
            ("x-ratelimit-tokens-query-cost", "68"),
            ("x-ratelimit-remaining-audio-seconds-minute", "0"),
        ],
        &["requests 359/360 per 60s", "tokens 74932/75000 per 60s"],
    );
    check(
        &[("x-ratelimit-limit-req-10-second", "60"), ("x-ratelimit-remaining-req-10-second", "5")],
        &["requests 5/60 per 10s"],
    );
    check(
        &[
            ("x-ratelimit-limit-requests-day", "1440000"),
            ("x-ratelimit-remaining-requests-day", "1439994"),
            ("x-ratelimit-reset-requests-day", "24479.5"),
            ("x-ratelimit-remaining-tokens-minute", "9223372036854767616"),
        ],
        &[
            "requests 1439994/1440000 in 24479.5s per 86400s",
            "tokens 9223372036854767616/? per 60s",
        ],
    );
    check(
        &[("x-ratelimit-limit-minute", "400"), ("x-ratelimit-remaining-minute", "398")],
        &["requests 398/400 per 60s"],
    );
}

#[test]
fn other_families() {
    check(
        &[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2025-10-07T13:57:59Z"),
            ("anthropic-ratelimit-input-tokens-limit", "40000"),
            ("anthropic-ratelimit-input-tokens-remaining", "39000"),
            ("anthropic-ratelimit-output-tokens-remaining", "8000"),
            ("retry-after", "36"),
        ],
        &["requests 0/50 in 60s steady", "input 39000/40000", "output 8000/?", "after 36s"],
    );
    check(
        &[
            ("ratelimitbysize-limit", "500000"),
            ("ratelimitbysize-remaining", "307190"),
            ("ratelimitbysize-reset", "46"),
            ("ratelimitbysize-query-cost", "32010"),
        ],
        &["tokens 307190/500000 in 46s"],
    );
    check(
        &[
            ("x-ratelimitbysize-limit-minute", "500000"),
            ("x-ratelimitbysize-remaining-minute", "9"),
        ],
        &["tokens 9/500000 per 60s"],
    );
    check(
        &[
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "19"),
            ("x-ratelimit-reset", "2"),
            ("x-tokenlimit-limit", "3000"),
            ("x-tokenlimit-remaining", "2910"),
        ],
        &["requests 19/10 in 2s", "tokens 2910/3000"],
    );
    check(
        &[
            ("x-ratelimit-limit", "20"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1759845420000"),
        ],
        &["requests 0/20 in 1s"],
    );
    check(
        &[("x-trial-endpoint-call-limit", "40"), ("x-trial-endpoint-call-remaining", "39")],
        &["requests 39/40 per 60s"],
    );
    check(
        &[
            ("x-ratelimit-limit-tokens-prompt", "60000"),
            ("x-ratelimit-remaining-tokens-prompt", "59000"),
            ("x-ratelimit-remaining-tokens-generated", "6000"),
            ("x-ratelimit-over-limit", "no"),
        ],
        &["input 59000/60000", "output 6000/?"],
    );
    check(
        &[("x-ratelimit-type", "UserByModelByDay"), ("x-ratelimit-timeremaining", "43200")],
        &["after 43200s"],
    );
}

#[test]
fn drafts_of_the_ietf() {
    check(
        &[
            ("ratelimit-limit", "100, 100;w=60"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "5"),
        ],
        &["requests 0/100 in 5s"],
    );
    check(
        &[("ratelimit", "limit=100, remaining=50, reset=30"), ("ratelimit-policy", "100;w=60")],
        &["requests 50/100 in 30s per 60s"],
    );
    check(
        &[
            ("ratelimit", "\"api\";r=489;t=189"),
            ("ratelimit-policy", "\"fixed window\";\"api\";q=500;w=300"),
        ],
        &["requests 489/500 in 189s per 300s"],
    );
    check(
        &[
            ("ratelimit", "\"burst\";r=9;t=1, \"daily\";r=3;t=3600, \"size\";r=0;t=9"),
            ("ratelimit-policy", "\"size\";q=5;qu=\"content-bytes\""),
        ],
        &["requests 3/? in 3600s"],
    );
}

#[test]
fn moments_are_read_against_the_response_s_own_clock() {
    check(
        &[
            ("date", "Tue, 07 Oct 2025 13:56:50 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1759845420"),
        ],
        &["requests 0/? in 10s"],
    );
}

proptest! {
    #[test]
    fn no_head_breaks_it(
        headers in proptest::collection::vec(
            (
                "(x-|anthropic-|)ratelimit(bysize|)(-(limit|remaining|reset|policy|renewalperiod)|)(-(requests|tokens|day|minute)){0,2}",
                "[ -~]{0,24}|[0-9.e-]{0,30}|[0-9]{1,9}(s|ms|m|h)|\"[a-z]{1,3}\";[rtqw]=[0-9]{1,21}",
            ),
            0..8,
        ),
    ) {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let limits = rate_limits(&head(&headers), SystemTime::UNIX_EPOCH);
        prop_assert!(limits.requests.limit.is_some() || limits.requests.remaining.is_some()
            || limits.requests.is_unknown());
    }

    #[test]
    fn numbers_come_out_as_they_went_in(limit: u64, remaining: u64, seconds in 0..100_000_u32) {
        let (limit, remaining) = (limit.to_string(), remaining.to_string());
        let reset = format!("{seconds}s");
        let limits = rate_limits(
            &head(&[
                ("x-ratelimit-limit-requests", &limit),
                ("x-ratelimit-remaining-requests", &remaining),
                ("x-ratelimit-reset-requests", &reset),
            ]),
            SystemTime::UNIX_EPOCH,
        );
        prop_assert_eq!(limits.requests.limit.unwrap().to_string(), limit);
        prop_assert_eq!(limits.requests.remaining.unwrap().to_string(), remaining);
        prop_assert_eq!(limits.requests.reset, Some(Duration::from_secs(seconds.into())));
    }
}
