//! A configuration that is read again while requests are under way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use api_server::config::{Config, load};
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::site::Site;

/// As `serve` reads it again.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
    fixed: String,
}

impl File {
    fn new(site: &Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colloquy.toml");
        let url = site.upstream.base_url();
        let fixed = format!("[[provider]]\nname = \"fake\"\nbase_url = \"{url}\"\n");
        Self { _folder: folder, path, fixed }
    }

    fn read(&self, rest: &str) -> Config {
        std::fs::write(&self.path, self.fixed.clone() + rest).unwrap();
        load(Some(&self.path), &BTreeMap::new()).unwrap()
    }
}

fn smart(target: &str) -> String {
    format!("[[model]]\nname = \"smart\"\ntargets = [\"fake/{target}\"]\n")
}

async fn reload(site: &Site, config: Config) -> Result<(), String> {
    let done = site.server.reload(config, &BTreeMap::new()).await;
    done.map_err(|error| api_server::error_line(&error))
}

fn question(stream: bool) -> Value {
    json!({ "model": "smart", "stream": stream, "messages": [{ "role": "user", "content": "Hi" }] })
}

async fn answering(site: &Site) -> String {
    let answer = site.client.post("/v1/chat/completions", &question(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-colloquy-model").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_models_that_it_began_with() {
    let site = Site::start(&[]).await;
    let file = File::new(&site);
    site.upstream.for_model("old", Behaviour::tokens(100).every(Duration::from_millis(30)));
    site.upstream.for_model("new", Behaviour::text("from the new one"));
    reload(&site, file.read(&smart("old"))).await.unwrap();
    let stream = site.client.open("/v1/chat/completions", &question(true)).await;
    assert_eq!(stream.headers()["x-colloquy-model"], "fake/old");

    reload(&site, file.read(&smart("new"))).await.unwrap();
    assert_eq!(answering(&site).await, "fake/new");
    assert_eq!(site.upstream.live_streams(), 1, "the old stream is still under way");
    let whole = stream.text().await.unwrap();
    assert_eq!(whole.matches("chat.completion.chunk").count(), whole.matches("data: {").count());
    assert!(whole.matches("data: {").count() > 100, "{whole}");
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
    site.until("colloquy_config_reloads_total{outcome=\"taken\"} 2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_changes_nothing() {
    let site = Site::start(&[]).await;
    let file = File::new(&site);
    site.upstream.for_model("old", Behaviour::text("from the old one"));
    reload(&site, file.read(&smart("old"))).await.unwrap();
    let keyless = "[[provider]]\nname = \"other\"\nbase_url = \"http://127.0.0.1:1/v1\"\napi_key = \"env:NONE\"\n";
    let refused = reload(&site, file.read(&(smart("new") + keyless))).await.unwrap_err();
    assert!(refused.contains("[[provider]] `other`") && refused.contains("NONE"), "{refused}");
    assert_eq!(answering(&site).await, "fake/old");
    site.until("colloquy_config_reloads_total{outcome=\"refused\"} 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_from_then_on_and_what_was_used_counts() {
    let site = Site::start(&[]).await;
    let file = File::new(&site);
    site.upstream.always(Behaviour::text("yes"));
    let limited = |requests: u32| {
        file.read(&format!(
            "{}[limits]\nlongest_wait_seconds = 0\n[limits.tenant]\nrequests_per_minute = {requests}\n",
            smart("m")
        ))
    };
    reload(&site, limited(2)).await.unwrap();
    answering(&site).await;
    reload(&site, limited(1)).await.unwrap();
    let refused = site.client.post("/v1/chat/completions", &question(false)).await;
    assert_eq!(refused.status, 429, "{}", refused.text);

    reload(&site, file.read("[server]\nmax_requests = 1\n")).await.unwrap();
    site.upstream.always(Behaviour::tokens(9).silent_after(1));
    let mut held = question(true);
    held["model"] = json!("fake/m");
    let _live = site.client.open("/v1/chat/completions", &held).await;
    assert_eq!(site.client.get("/v1/models").await.status, 503);
    reload(&site, file.read("[server]\nmax_requests = 2\n")).await.unwrap();
    assert_eq!(site.client.get("/v1/models").await.status, 200);
}
