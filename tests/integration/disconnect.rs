//! A client that leaves.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;
use testkit::Behaviour;

use crate::site::Site;

const CALLS: &str = "colloquy_model_calls_total{provider=\"fake\",model=\"m\",operation=\"chat\",outcome=\"cancelled\"}";
const TOKENS: &str = "colloquy_model_tokens_total{provider=\"fake\",model=\"m\",kind=\"output\"}";

/// Asks, reads a little, leaves, and gives the time until the upstream saw its connection close.
async fn leave(site: &Site, model: &str) -> Duration {
    let request = json!({
        "model": model, "stream": true, "messages": [{ "role": "user", "content": "Where is tea from?" }],
    });
    let response = site.client.open("/v1/chat/completions", &request).await;
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    body.next().await.unwrap().unwrap();
    let left = Instant::now();
    drop(body);
    let end = tokio::time::timeout(Duration::from_secs(5), site.upstream.closed())
        .await
        .expect("the upstream sees it");
    assert!(end.by_client);
    end.at.saturating_duration_since(left)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_is_closed_at_once_and_usage_is_recorded() {
    let site = Site::start_with(&[("tea.md", "Tea is from China.")], |config| {
        config.defaults.chat = Some("fake/m".into());
    })
    .await;
    site.upstream.always(Behaviour::tokens(10_000).every(Duration::from_millis(5)));
    let mut calls = 0;
    for model in ["fake/m", "dialog/default"] {
        // The fastest of a few, since the machine may be busy with something else at any one moment.
        let mut fastest = Duration::MAX;
        for _ in 0..4 {
            fastest = fastest.min(leave(&site, model).await);
            calls += 1;
            site.until(&format!("{CALLS} {calls}")).await;
        }
        assert!(fastest < Duration::from_millis(50), "{model}: {fastest:?}");
    }
    site.until("colloquy_live_streams 0").await;
    let metrics = site.client.get("/metrics").await.text;
    let tokens =
        metrics.lines().find_map(|line| line.strip_prefix(TOKENS)).expect("tokens are recorded");
    assert!(tokens.trim().parse::<f64>().unwrap() > 0.0);
}
