//! A name over several models, as a client sees it.

use api_server::config::Config;
use serde_json::{Value, json};
use testkit::Behaviour;

use crate::site::Site;

fn with(models: &str) -> impl FnOnce(&mut Config) {
    let model = toml::from_str::<Config>(models).unwrap().model;
    |config| config.model = model
}

fn question() -> Value {
    json!({ "model": "smart", "messages": [{ "role": "user", "content": "Hi" }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_model_answers_and_the_caller_hears_which() {
    let route = "[[model]]\nname = \"smart\"\ntargets = [\"fake/first\", \"fake/second\"]";
    let site = Site::start_with(&[], with(route)).await;
    site.upstream.for_model("first", Behaviour::status(503));
    site.upstream.for_model("second", Behaviour::text("It is."));
    for streamed in [false, true] {
        let mut question = question();
        question["stream"] = json!(streamed);
        let answer = site.client.post("/v1/chat/completions", &question).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-colloquy-model"), "fake/second");
        assert!(answer.text.contains("It"), "{}", answer.text);
    }
    // Left alone after five failures in a row: the sixth question is not put to it.
    for _ in 0..4 {
        site.client.post("/v1/chat/completions", &question()).await;
    }
    let first = site.upstream.requests();
    let first = first.iter().filter(|request| request.json()["model"] == "first").count();
    assert_eq!(first, 5);
    let labels = "provider=\"fake\",model=\"first\",kind=\"chat\",key=\"0\"";
    site.until(&format!("colloquy_target_resting{{{labels}}} 1")).await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_of_different_models_are_no_route() {
    let route = "[[model]]\nname = \"e\"\nkind = \"embedding\"\ntargets = [\"fake/a\", \"fake/b\"]";
    let folder = tempfile::tempdir().unwrap();
    let mut config: Config = toml::from_str(route).unwrap();
    config.server.data_dir = folder.path().into();
    let started = api_server::Server::start(config, &std::collections::BTreeMap::new()).await;
    let error = format!("{:#}", started.err().unwrap());
    assert!(error.contains("whose vectors cannot be compared"), "{error}");
}
