//! An embedding model that the operator brings along: all-MiniLM-L6-v2, where its weights are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_server::config::LocalModelConfig;
use futures::future::join_all;
use llm_bundle::{Adapted, BatchOptions, Batched, SyncPool};
use llm_core::{EmbeddingModel, EmbeddingRequest, SyncEmbeddingModel};
use llm_local::{SentenceTransformer, SentenceTransformerOptions};
use serde_json::json;

use crate::site::Site;

/// Where `cargo xtask weights` puts it.
fn directory() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let directory = target.join("models").join("all-MiniLM-L6-v2");
    let is_there = directory.join("model.safetensors").is_file();
    if !is_there {
        eprintln!("skipped: no weights; `cargo xtask weights` fetches them");
    }
    is_there.then_some(directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_found_by_the_operators_own_model() {
    let Some(directory) = directory() else { return };
    let documents = [
        ("tea.md", "# Drinks\n\nPour boiling water over the leaves and wait four minutes."),
        ("law.md", "# Courts\n\nAn appeal has to be lodged within a month of the verdict."),
    ];
    let site = Site::start_with(&documents, |config| {
        config.local_model.push(LocalModelConfig {
            name: "minilm".into(),
            path: Some(directory),
            hub: None,
            query_prompt: None,
            document_prompt: None,
        });
        config.defaults.embedding = "local/minilm".into();
    })
    .await;
    let body = json!({ "model": "local/minilm", "input": ["green tea", "a court"] });
    let answer = site.client.post("/v1/embeddings", &body).await.json();
    assert_eq!(answer["data"][0]["embedding"].as_array().map(Vec::len), Some(384), "{answer}");
    let question = json!({
        "model": "dialog/default",
        "messages": [{ "role": "user", "content": "How many minutes do the leaves need in boiling water?" }],
    });
    let answer = site.client.post("/v1/chat/completions", &question).await.json();
    assert!(answer.to_string().contains("Pour boiling water"), "{answer}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_text_calls_that_come_together_are_computed_together() {
    let Some(directory) = directory() else { return };
    let options = SentenceTransformerOptions::default();
    let model = Arc::new(SentenceTransformer::load("minilm", &directory, options).unwrap());
    let pool = SyncPool::builder().threads(2).models().build().unwrap();
    let batched = Batched::new(Arc::new(Adapted::new(model.clone(), pool)), BatchOptions::local());
    let texts: Vec<String> = (0..64).map(|number| format!("question {number}")).collect();
    let calls = texts.iter().map(|text| batched.embed(EmbeddingRequest::query(text.as_str())));
    let answers = join_all(calls).await;
    let status = batched.status();
    assert_eq!(status.calls, 64);
    assert!(status.runs <= 8, "{status:?}");
    for (text, answer) in texts.iter().zip(answers) {
        let alone = model.embed(&EmbeddingRequest::query(text.as_str())).unwrap();
        let joined = answer.unwrap();
        let pairs = alone.vectors[0].iter().zip(&joined.vectors[0]);
        let cosine: f32 = pairs.map(|(alone, joined)| alone * joined).sum();
        assert!((cosine - 1.0).abs() < 1e-4, "{text}: {cosine}");
    }
}
