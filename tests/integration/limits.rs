//! How much may be used: what a caller who wants more is told, and what replicas count together.

use api_server::config::{Config, LimitConfig, RedisAddress};
use futures::future::join_all;
use serde_json::{Value, json};
use testkit::{Behaviour, RedisServer};

use crate::site::Site;

fn question(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 10 })
}

fn requests(most: u64) -> impl FnOnce(&mut Config) {
    move |config| {
        config.limits.tenant =
            LimitConfig { requests_per_minute: Some(most), ..LimitConfig::default() };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_too_many_is_told_when_to_come_back() {
    let site = Site::start_with(&[("a.md", "The port is 9380.")], |config| {
        requests(2)(config);
        config.defaults.chat = Some("fake/m".into());
    })
    .await;
    site.upstream.always(Behaviour::tokens(3));
    for _ in 0..2 {
        let answer = site.client.post("/v1/chat/completions", &question("fake/m")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let refused = site.client.post("/v1/chat/completions", &question("fake/m")).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((50..=61).contains(&wait), "{wait}");
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "rate_limit_exceeded");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("may make 2 requests a minute; try again in"), "{message}");
    site.until("colloquy_limits_refused_total{scope=\"tenant\",kind=\"requests\"} 1").await;
    site.until("colloquy_limits_shared 0").await;

    let about_port = json!({
        "model": "dialog/default",
        "messages": [{ "role": "user", "content": "What is the port?" }],
    });
    let dialog = site.client.post("/v1/chat/completions", &about_port).await;
    assert_eq!(dialog.status, 429, "an answer of a dialog is a call, too: {}", dialog.text);
    let local = site.client.post("/v1/chat/completions", &question("local/extractive")).await;
    assert_eq!(local.status, 200, "{}", local.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_budget_is_another_error() {
    let site = Site::start_with(&[], |config| {
        config.limits.tenant =
            LimitConfig { dollars_per_day: Some(0.000_01), ..LimitConfig::default() };
        let known = "[[models.known]]\nname = \"fake/m\"\ninput_price = 1.0\noutput_price = 1.0";
        config.models = toml::from_str::<Config>(known).unwrap().models;
    })
    .await;
    site.upstream.always(Behaviour::tokens(3));
    let refused = site.client.post("/v1/chat/completions", &question("fake/m")).await;
    assert_eq!(refused.status, 429);
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "insufficient_quota", "{error}");
    assert!(error["message"].as_str().unwrap().contains("may cost 0.000011 dollars"), "{error}");
    assert_eq!(site.upstream.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_over_one_redis_count_together() {
    const LIMIT: u64 = 6;
    let Some(redis) = RedisServer::start() else { return };
    let start = || {
        let address = RedisAddress::try_from(redis.url()).unwrap();
        Site::start_with(&[], move |config| {
            requests(LIMIT)(config);
            config.shared.redis = Some(address);
            config.shared.replicas = 2.try_into().unwrap();
            // More than a loaded machine takes.
            config.shared.timeout_milliseconds = 10_000.try_into().unwrap();
        })
    };
    let (one, other) = (start().await, start().await);
    for site in [&one, &other] {
        site.upstream.always(Behaviour::tokens(3));
    }
    let question = question("fake/m");
    let calls = [&one, &other, &one, &other, &one, &other, &one, &other, &one, &other]
        .map(|site| site.client.post("/v1/chat/completions", &question));
    let answers = join_all(calls).await;
    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answered as u64, LIMIT);
    one.until("colloquy_limits_shared 1").await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_says_that_nothing_is_left_is_not_asked() {
    let site = Site::start(&[]).await;
    let last = Behaviour::status(200)
        .header("x-ratelimit-limit-requests", "10")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "300")
        .body(r#"{"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}"#);
    site.upstream.next(last);
    let answered = site.client.post("/v1/chat/completions", &question("fake/m")).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    let refused = site.client.post("/v1/chat/completions", &question("fake/m")).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((290..=300).contains(&wait), "{wait}");
    assert_eq!(site.upstream.requests().len(), 1);
    // Another model of the provider may have other limits.
    site.upstream.always(Behaviour::text("Hello there."));
    let other = site.client.post("/v1/chat/completions", &question("fake/other")).await;
    assert_eq!(other.status, 200, "{}", other.text);
}
