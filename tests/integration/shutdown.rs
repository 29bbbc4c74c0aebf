//! Stopping in order.

use std::time::Duration;

use serde_json::json;
use testkit::Behaviour;

use crate::client::Client;
use crate::site::Site;

fn ask(client: &Client) -> impl Future<Output = String> + Send + use<> {
    let client = client.clone();
    async move {
        let request = json!({
            "model": "fake/m", "stream": true, "messages": [{ "role": "user", "content": "Hi" }],
        });
        client.post("/v1/chat/completions", &request).await.text
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_stream_finishes() {
    let site = Site::start(&[]).await;
    site.upstream.always(Behaviour::tokens(40).every(Duration::from_millis(10)));
    let answer = tokio::spawn(ask(&site.client));
    site.upstream.requested(1).await;
    let client = site.client.clone();
    site.stop().await;
    assert!(answer.await.unwrap().ends_with("data: [DONE]\n\n"));
    assert!(client.http.get(format!("{}/healthz", client.base)).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_is_told_why() {
    let site = Site::start_with(&[], |config| config.server.drain_seconds = 0).await;
    site.upstream.always(Behaviour::tokens(40).silent_after(3));
    let answer = tokio::spawn(ask(&site.client));
    site.upstream.requested(1).await;
    site.until("colloquy_live_streams 1").await;
    site.stop().await;
    let answer = answer.await.unwrap();
    let last = answer.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.contains("the server is stopping"), "{answer}");
}
