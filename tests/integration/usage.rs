//! What calls consumed can be asked for, and none of it is lost.

use std::time::Duration;

use llm_usage::{Dimension, Filter, Retention, UsageStore};
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::site::Site;

fn question(stream: bool) -> Value {
    json!({
        "model": "fake/m", "stream": stream, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "Hi" }],
    })
}

/// Asks until so many calls are written.
async fn usage(site: &Site, query: &str, calls: u64) -> Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let answer = site.client.get(&format!("/api/v2/usage?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let sums = answer.json();
        if sums["total"]["calls"].as_u64() >= Some(calls) {
            assert_eq!(sums["total"]["calls"], calls, "{sums}");
            return sums;
        }
        assert!(tokio::time::Instant::now() < deadline, "{sums}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_summed_however_they_ended() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::tokens(5));
    for stream in [true, false] {
        let answer = site.client.post("/v1/chat/completions", &question(stream)).await;
        assert_eq!(answer.status, 200);
    }
    site.upstream.always(Behaviour::status(400));
    assert_eq!(site.client.post("/v1/chat/completions", &question(true)).await.status, 400);
    site.upstream.always(Behaviour::tokens(5).silent_after(2));
    let left = site.client.open("/v1/chat/completions", &question(true)).await;
    drop(left);
    site.upstream.closed().await;
    let vectors = json!({ "model": "local/static", "input": ["one", "two"] });
    assert_eq!(site.client.post("/v1/embeddings", &vectors).await.status, 200);

    let sums = usage(&site, "group_by=model,outcome", 5).await;
    let seen: Vec<(&str, &str, u64)> = sums["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let by = |name: &str| group["by"][name].as_str().unwrap();
            (by("model"), by("outcome"), group["calls"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("fake/m", "cancelled", 1),
            ("fake/m", "completed", 2),
            ("fake/m", "failed", 1),
            ("local/static", "completed", 1),
        ]
    );
    assert_eq!(sums["complete"], true);

    let latency =
        site.client.get("/api/v2/usage/latency?group_by=model&operation=chat").await.json();
    let [group] = latency["groups"].as_array().unwrap().as_slice() else { panic!("{latency}") };
    assert_eq!((&group["by"]["model"], &group["calls"]), (&json!("fake/m"), &json!(2)));
    let [p50, p99] = ["p50", "p99"].map(|name| group["total_seconds"][name].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99, "{latency}");
    assert!(group["first_event_seconds"]["p50"].as_f64().unwrap() <= p99 * 1.02, "{latency}");
    assert_eq!((&latency["total"]["calls"], &latency["complete"]), (&json!(2), &json!(true)));

    let first = site.client.get("/api/v2/usage/records?model=fake/m&limit=2").await.json();
    let after = first["next"].as_i64().unwrap();
    let second =
        site.client.get(&format!("/api/v2/usage/records?model=fake/m&after={after}")).await.json();
    let records: Vec<&Value> =
        [&first, &second].iter().flat_map(|page| page["records"].as_array().unwrap()).collect();
    assert_eq!((records.len(), &second["next"]), (4, &Value::Null));
    assert!(
        records.iter().all(|record| record["tenant"].is_string() && record["route"] == "fake/m")
    );
    assert_eq!(
        usage(&site, "from=2000-01-01&to=2001-01-01T00:00:00Z", 0).await["groups"],
        json!([])
    );
    site.until("colloquy_usage_unwritten 0").await;
    let metrics = site.client.get("/metrics").await.text;
    assert!(metrics.contains("colloquy_model_queue_seconds_count{provider=\"fake\",model=\"m\"}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_a_problem() {
    let site = Site::start(&[]).await;
    for (path, detail) in [
        ("usage?group_by=colour", "`group_by`: records cannot be summed by `colour`"),
        ("usage?from=yesterday", "`from` is no time; write a day (2026-11-22)"),
        ("usage?limit=3", "`limit` has no meaning at this address"),
        ("usage?form=2026-01-01", "unknown field `form`"),
        ("usage/latency?limit=3", "`limit` has no meaning at this address"),
        ("usage/latency?group_by=colour", "`group_by`: records cannot be summed by `colour`"),
        ("usage/records?limit=0", "`limit` lies between 1 and 1000"),
        ("usage/records?limit=many", "invalid"),
        ("usage/records?group_by=day", "`group_by` has no meaning at this address"),
    ] {
        let answer = site.client.get(&format!("/api/v2/{path}")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!((&problem["status"], &problem["title"]), (&json!(400), &json!("Bad Request")));
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
    let off = Site::start_with(&[], |config| config.usage.enabled = false).await;
    let answer = off.client.get("/api/v2/usage").await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["detail"].as_str().unwrap().contains("set `enabled = true`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_writes_what_is_left() {
    let site = Site::start_with(&[], |config| config.server.drain_seconds = 0).await;
    site.upstream.always(Behaviour::tokens(5).silent_after(2));
    let mut live = Vec::new();
    for _ in 0..8 {
        live.push(site.client.open("/v1/chat/completions", &question(true)).await);
    }
    let folder = site.stop().await;
    let store =
        UsageStore::open(&folder.path().join("data/usage.db"), Retention::default()).unwrap();
    let sums = store.sums(&Filter::default(), &[Dimension::Outcome]).unwrap();
    let calls: u64 = sums.groups.iter().map(|group| group.totals.calls).sum();
    assert_eq!(calls, 8, "{sums:?}");
}
