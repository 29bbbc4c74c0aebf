//! `SentenceTransformer`: models of each family, small ones written here and, where its weights are, all-MiniLM-L6-v2.
#![cfg(feature = "sentence-transformer")]

mod minilm;
mod small_model;

use std::fs;
use std::num::NonZeroUsize;

use llm_core::{EmbeddingRequest, ErrorKind, SyncEmbeddingModel};
use llm_local::{SentenceTransformer, SentenceTransformerOptions};
use proptest::prelude::*;
use safetensors::Dtype;
use serde_json::json;

use self::small_model::{Family, HIDDEN, SmallModel};

const TEXTS: &[&str] = &["green tea", "a black teapot: b", "", "Tea! TEA?", "zebra"];

fn loaded(model: &SmallModel, options: SentenceTransformerOptions) -> SentenceTransformer {
    let directory = tempfile::tempdir().unwrap();
    model.write(directory.path());
    SentenceTransformer::load("small", directory.path(), options).unwrap()
}

fn vectors(model: &SmallModel) -> Vec<Vec<f32>> {
    let request = EmbeddingRequest::documents(TEXTS.iter().copied());
    loaded(model, SentenceTransformerOptions::default()).embed(&request).unwrap().vectors
}

fn query(model: &SentenceTransformer, text: &str) -> Vec<f32> {
    model.embed(&EmbeddingRequest::query(text)).unwrap().vectors.remove(0)
}

fn distance(left: &[Vec<f32>], right: &[Vec<f32>]) -> f32 {
    let pairs = left.iter().flatten().zip(right.iter().flatten());
    pairs.map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[test]
fn families_with_the_same_weights_give_the_same_vectors() {
    let bert = vectors(&SmallModel::default());
    let other = |model: SmallModel| distance(&bert, &vectors(&model));
    let usual = SmallModel::default;
    assert_eq!(other(SmallModel { family: Family::Roberta, ..usual() }), 0.0);
    assert_eq!(other(SmallModel { family: Family::DistilBert, ..usual() }), 0.0);
    assert_eq!(other(SmallModel { prefix: "bert.", ..usual() }), 0.0);
    assert_eq!(other(SmallModel { vocabulary_only: true, ..usual() }), 0.0);
    let rounded = other(SmallModel { precision: Dtype::BF16, ..usual() });
    assert!(rounded > 0.0 && rounded < 0.05, "{rounded}");
}

#[test]
fn vectors_are_as_the_modules_say() {
    let length = |vector: &Vec<f32>| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    for vector in vectors(&SmallModel::default()) {
        assert!((length(&vector) - 1.0).abs() < 1e-5);
    }
    let raw = vectors(&SmallModel { normalise: false, ..SmallModel::default() });
    assert!(raw.iter().any(|vector| (length(vector) - 1.0).abs() > 0.1));
    let first = SmallModel { pooling: "pooling_mode_cls_token", ..SmallModel::default() };
    let largest = SmallModel { pooling: "pooling_mode_max_tokens", ..SmallModel::default() };
    assert!(distance(&vectors(&first), &vectors(&SmallModel::default())) > 0.01);
    assert!(distance(&vectors(&largest), &vectors(&first)) > 0.01);
}

#[test]
fn prompts_stand_before_questions_and_passages() {
    let prompts = [("query", "query: "), ("passage", "a: ")].into();
    let with = loaded(&SmallModel { prompts, ..SmallModel::default() }, Default::default());
    let without = loaded(&SmallModel::default(), Default::default());
    assert_eq!(query(&with, "tea"), query(&without, "query: tea"));
    let passage = with.embed(&EmbeddingRequest::documents(["tea"])).unwrap().vectors.remove(0);
    assert_eq!(passage, query(&without, "a: tea"));
    let options =
        SentenceTransformerOptions { query_prompt: Some("b ".into()), ..Default::default() };
    let own = loaded(&SmallModel::default(), options);
    assert_eq!(query(&own, "tea"), query(&without, "b tea"));
}

#[test]
fn long_texts_are_read_up_to_the_models_length() {
    let model = loaded(&SmallModel::default(), Default::default());
    assert_eq!(model.info().limits.context_tokens, Some(16));
    let fourteen = "tea ".repeat(14);
    assert_eq!(query(&model, &fourteen), query(&model, &"tea ".repeat(100_000)));
    assert_ne!(query(&model, &fourteen), query(&model, &"tea ".repeat(13)));
    let request = EmbeddingRequest::documents(["green tea", ""]);
    assert_eq!(model.embed(&request).unwrap().usage.input_tokens, Some(6));
}

#[test]
fn only_its_own_dimensions_are_given() {
    let model = loaded(&SmallModel::default(), Default::default());
    let asked = |dimensions| {
        let request =
            EmbeddingRequest { dimensions: Some(dimensions), ..EmbeddingRequest::query("tea") };
        model.embed(&request)
    };
    assert_eq!(model.info().limits.dimensions, Some(HIDDEN as u32));
    assert_eq!(asked(HIDDEN as u32).unwrap().vectors[0].len(), HIDDEN);
    let error = asked(4).unwrap_err();
    assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("dimensions")));
    assert_eq!((error.provider(), error.model()), ("local", "small"));
}

#[test]
fn what_cannot_be_used_is_told_with_its_reason() {
    let check = |file: &str, content: Option<&str>, expected: &str| {
        let directory = tempfile::tempdir().unwrap();
        SmallModel::default().write(directory.path());
        let path = directory.path().join(file);
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let loaded = SentenceTransformer::load("small", directory.path(), Default::default());
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(expected), "{file}: {error}");
    };
    let config = |field: &str, value: serde_json::Value| {
        let mut config = json!({
            "model_type": "bert", "hidden_size": 8, "intermediate_size": 16,
            "num_attention_heads": 2, "num_hidden_layers": 2, "hidden_act": "gelu",
            "max_position_embeddings": 32,
        });
        config[field] = value;
        config.to_string()
    };
    check("config.json", None, "cannot read");
    check("config.json", Some("{"), "cannot understand");
    check("config.json", Some(&config("model_type", "llama".into())), "of the type `llama`");
    check("config.json", Some(&config("num_attention_heads", 3.into())), "8 numbers in 3 heads");
    check("config.json", Some(&config("num_attention_heads", 0.into())), "in 0 heads");
    check("config.json", Some(&config("hidden_act", "swish".into())), "cannot understand");
    check("config.json", Some(&config("num_hidden_layers", 3.into())), "encoder.layer.2");
    check("config.json", Some(&config("hidden_size", 10.into())), "has the shape [8, 8]");
    check("config.json", Some(&config("max_position_embeddings", 4.into())), "has the shape");
    check(
        "config.json",
        Some(&config("position_embedding_type", "relative_key".into())),
        "relative",
    );
    check(
        "modules.json",
        Some(r#"[{"type": "sentence_transformers.models.Dense"}]"#),
        "models.Dense",
    );
    check("1_Pooling/config.json", Some("{}"), "the pooling of");
    check("sentence_bert_config.json", Some(r#"{"max_seq_length": 1}"#), "reads 1 tokens");
    check("tokenizer.json", None, "cannot read");
    check("tokenizer.json", Some("{}"), "cannot make a tokenizer");
    check("model.safetensors", None, "cannot read");
    check("model.safetensors", Some("weights"), "cannot read the weights");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is in a call, on one thread or on several, each text has the vector that it has alone.
    #[test]
    fn a_text_has_the_same_vector_in_any_company(
        texts in prop::collection::vec("[a-c ]{0,12}|(tea ){0,20}|\\PC{0,30}", 0..12),
        threads in 1usize..4,
    ) {
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = SentenceTransformerOptions { threads, ..Default::default() };
        let model = loaded(&SmallModel::default(), options);
        let together = model.embed(&EmbeddingRequest::documents(texts.clone())).unwrap().vectors;
        prop_assert_eq!(together.len(), texts.len());
        for (text, vector) in texts.iter().zip(together) {
            let alone = query(&model, text);
            let cosine: f32 = alone.iter().zip(&vector).map(|(a, b)| a * b).sum();
            prop_assert!((cosine - 1.0).abs() < 1e-4, "{}: {}", text, cosine);
        }
    }
}
