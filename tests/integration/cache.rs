//! Answers from the cache, as a client sees them.

use api_server::config::{Config, RedisAddress};
use serde_json::{Value, json};
use testkit::{Behaviour, RedisServer};

use crate::client::Answer;
use crate::site::Site;

fn with(cache: &str) -> impl FnOnce(&mut Config) {
    let cache = toml::from_str::<Config>(cache).unwrap().cache;
    |config| config.cache = cache
}

fn question(text: &str) -> Value {
    json!({ "model": "fake/m", "messages": [{ "role": "user", "content": text }] })
}

/// Asks with this in the header `x-colloquy-cache`; says what the answer has there.
async fn ask(site: &Site, wanted: Option<&str>, body: &Value) -> (String, Answer) {
    let answer = site.client.post_with("/v1/chat/completions", &header(wanted), body).await;
    (answer.header("x-colloquy-cache").to_owned(), answer)
}

fn header(wanted: Option<&str>) -> Vec<(&str, &str)> {
    wanted.map(|wanted| ("x-colloquy-cache", wanted)).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_choose_and_hear_of_it() {
    for (mode, seen) in [
        ("off", [(None, ""), (None, ""), (Some("use"), "")]),
        ("asked", [(None, "bypass"), (Some("use"), "miss"), (Some("use"), "hit")]),
        ("exact", [(None, "miss"), (None, "hit"), (Some("bypass"), "bypass")]),
        ("exact", [(Some("refresh"), "miss"), (None, "hit"), (Some("refresh"), "miss")]),
    ] {
        let site = Site::start_with(&[], with(&format!("[cache]\nmode = \"{mode}\""))).await;
        site.upstream.always(Behaviour::tokens(3));
        let mut calls = 0;
        for (wanted, expected) in seen {
            let (status, answer) = ask(&site, wanted, &question("Hi")).await;
            assert_eq!((answer.status, &*status), (200, expected), "{mode} {wanted:?}");
            assert_eq!(answer.header("x-colloquy-cache-age").is_empty(), expected != "hit");
            calls += usize::from(expected != "hit");
        }
        assert_eq!(site.upstream.calls(), calls);
        let (_, refused) = ask(&site, Some("maybe"), &question("Hi")).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text.contains("takes `use`, `bypass` or `refresh`"), "{}", refused.text);
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamed_or_not_the_answer_is_the_same_and_costs_nothing() {
    let site = Site::start_with(&[], with("[cache]\nmode = \"exact\"")).await;
    site.upstream.always(Behaviour::tokens(5));
    let mut streamed = question("Hi");
    streamed["stream"] = json!(true);
    let (first, made) = ask(&site, None, &streamed).await;
    let (second, replayed) = ask(&site, None, &streamed).await;
    let (third, whole) = ask(&site, None, &question("Hi")).await;
    assert_eq!([&*first, &*second, &*third], ["miss", "hit", "hit"]);
    let text = |answer: &Answer| -> String {
        let chunks =
            answer.events().into_iter().filter_map(|event| serde_json::from_str(&event).ok());
        chunks
            .filter_map(|chunk: Value| {
                Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())
            })
            .collect()
    };
    assert_eq!(text(&made), text(&replayed));
    assert_eq!(whole.json()["choices"][0]["message"]["content"], text(&made));
    assert_eq!(site.upstream.calls(), 1);
    site.until("colloquy_cache_lookups_total{kind=\"chat\",result=\"hit\"} 2").await;
    site.until("colloquy_cache_lookups_total{kind=\"chat\",result=\"miss\"} 1").await;
    site.until("colloquy_cache_failing 0").await;
    let metrics = site.client.get("/metrics").await.text;
    let calls = "colloquy_model_calls_total{provider=\"fake\",model=\"m\",operation=\"chat\"";
    assert!(metrics.contains(&format!("{calls},outcome=\"cached\"}} 2")), "{metrics}");
    let bytes = metrics.lines().find_map(|line| line.strip_prefix("colloquy_cache_bytes "));
    assert!(bytes.unwrap().parse::<u64>().unwrap() > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_and_dialogs_are_answered_from_it_too() {
    let config = "[cache]\nmode = \"exact\"";
    let site = Site::start_with(&[("a.md", "The port is 9380.")], with(config)).await;
    site.until("colloquy_cache_lookups_total{kind=\"embedding\",result=\"bypass\"} 1").await;
    let texts = json!({ "model": "local/static", "input": ["one", "two"] });
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer = site.client.post("/v1/embeddings", &texts).await;
        seen.push((answer.header("x-colloquy-cache").to_owned(), answer.json()));
    }
    assert_eq!([&*seen[0].0, &*seen[1].0], ["miss", "hit"]);
    assert_eq!(seen[0].1["data"], seen[1].1["data"]);

    let mut dialog = question("Which port?");
    dialog["model"] = json!("dialog/default");
    let (first, made) = ask(&site, None, &dialog).await;
    let (second, again) = ask(&site, None, &dialog).await;
    assert_eq!([&*first, &*second], ["miss", "hit"]);
    let message = |answer: &Answer| answer.json()["choices"][0]["message"].clone();
    assert_eq!(message(&made), message(&again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_means_the_same_has_its_answer() {
    let config = "[cache]\nmode = \"semantic\"\n\
                  [cache.semantic]\nembedding = \"local/static\"\nthreshold = 0.8";
    let site = Site::start_with(&[], with(config)).await;
    site.upstream.always(Behaviour::tokens(3));
    for (expected, text) in [
        ("miss", "How do I set the key of a provider?"),
        ("semantic", "How do I set the key of the provider?"),
        ("hit", "How do I set the key of a provider?"),
        ("miss", "What is the capital of France?"),
    ] {
        let (status, answer) = ask(&site, None, &question(text)).await;
        assert_eq!(status, expected, "{text}");
        if status == "semantic" {
            let similarity: f32 = answer.header("x-colloquy-cache-similarity").parse().unwrap();
            assert!((0.8..=1.0).contains(&similarity), "{similarity}");
        }
    }
    assert_eq!(site.upstream.calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_over_one_redis_share_answers() {
    let Some(redis) = RedisServer::start() else { return };
    let start = || {
        let address = RedisAddress::try_from(redis.url()).unwrap();
        Site::start_with(&[], move |config| {
            with("[cache]\nmode = \"exact\"\nstore = \"redis\"")(config);
            config.shared.redis = Some(address);
            // More than a loaded machine takes.
            config.shared.timeout_milliseconds = 10_000.try_into().unwrap();
        })
    };
    let (one, other) = (start().await, start().await);
    one.upstream.always(Behaviour::tokens(3));
    assert_eq!(ask(&one, None, &question("Hi")).await.0, "miss");
    // What is written is written when a server has ended.
    one.stop().await;
    assert_eq!(ask(&other, None, &question("Hi")).await.0, "hit");
    assert_eq!(other.upstream.calls(), 0);
    other.stop().await;
}
