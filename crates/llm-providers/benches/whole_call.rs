//! What a whole call costs over the bare HTTP client: the same requests to the same upstream, once with the client of
//! this crate and once with `reqwest` alone that reads the bytes and throws them away, in turns.
//! `cargo bench -p llm-providers --bench whole_call`.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use llm_core::{ChatEvent, ChatModel, ChatRequest, Message, ModelError};
use llm_providers::OpenAi;
use testkit::{Behaviour, FakeUpstream};

const CALLS: usize = 200;
const ROUNDS: usize = 15;

fn main() {
    // The client of this crate brings its own; the bare one takes the process's.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    for (name, tokens, stream) in [
        ("whole answer, 20 tokens", 20, false),
        ("stream of 20 tokens", 20, true),
        ("stream of 200 tokens", 200, true),
    ] {
        runtime.block_on(compare(name, tokens, stream));
    }
}

async fn compare(name: &str, tokens: usize, stream: bool) {
    let upstream = FakeUpstream::start().await.expect("a port is free");
    upstream.always(Behaviour::tokens(tokens));
    let provider = OpenAi::builder("fake", upstream.base_url()).build().expect("it can be built");
    let model = provider.chat("m");
    let bare = reqwest::Client::builder().no_proxy().build().expect("it can be built");
    let url = format!("{}/chat/completions", upstream.base_url());
    let body = serde_json::json!({
        "model": "m", "messages": [{ "role": "user", "content": "go" }],
        "stream": stream, "stream_options": { "include_usage": true },
    })
    .to_string();

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..CALLS {
            call(&*model, stream).await.expect("the upstream answers");
        }
        ours.push(begun.elapsed());
        let begun = Instant::now();
        for _ in 0..CALLS {
            bytes(&bare, &url, &body).await.expect("the upstream answers");
        }
        theirs.push(begun.elapsed());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{name:<24} client {ours:>7.1} µs/call   bare HTTP {theirs:>7.1} µs/call   on top {:>6.1} µs",
        ours - theirs
    );
}

async fn call(model: &dyn ChatModel, stream: bool) -> Result<usize, ModelError> {
    let mut request = ChatRequest::new(vec![Message::user("go")]);
    request.stream = stream;
    let reply = model.chat(request).await?;
    reply
        .try_fold(0, async |length, event| {
            Ok(length + if let ChatEvent::Text { text, .. } = event { text.len() } else { 0 })
        })
        .await
}

async fn bytes(client: &reqwest::Client, url: &str, body: &str) -> reqwest::Result<usize> {
    let request = client.post(url).header("content-type", "application/json").body(body.to_owned());
    let mut chunks = request.send().await?.bytes_stream();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        length += chunk?.len();
    }
    Ok(length)
}

/// Microseconds of one call in the round in the middle.
fn median(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort_unstable();
    rounds[rounds.len() / 2].as_secs_f64() * 1e6 / CALLS as f64
}
