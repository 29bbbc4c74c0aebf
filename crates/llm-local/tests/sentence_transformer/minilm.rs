//! The real all-MiniLM-L6-v2: against cosines that another forward pass gave (by `faer`, over the word pieces of
//! `WordPiece`).

use std::path::{Path, PathBuf};

use llm_core::{EmbeddingRequest, SyncEmbeddingModel};
use llm_local::{SentenceTransformer, SentenceTransformerOptions};

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

#[test]
fn vectors_are_those_of_the_reference() {
    let Some(directory) = directory() else { return };
    let options = SentenceTransformerOptions::default();
    let model = SentenceTransformer::load("minilm", &directory, options).unwrap();
    assert_eq!(model.info().limits.dimensions, Some(384));
    assert_eq!(model.info().limits.context_tokens, Some(256));
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(60);
    let texts = [
        "How do I make tea?",
        "Boil water, pour it over the leaves and wait four minutes.",
        "The parliament passed the budget after a long debate.",
        "東京タワーの高さは？",
        "Ünïcode, CAFÉ & naïve — 2024!",
        "",
        &long,
    ];
    let vectors = model.embed(&EmbeddingRequest::documents(texts)).unwrap().vectors;
    let cosine = |left: usize, right: usize| -> f32 {
        vectors[left].iter().zip(&vectors[right]).map(|(left, right)| left * right).sum()
    };
    for (left, right, expected) in [
        (0, 0, 1.0),
        (0, 1, 0.493_151),
        (0, 2, 0.044_081),
        (1, 2, -0.021_541),
        (0, 3, 0.029_883),
        (2, 3, 0.021_204),
        (0, 4, 0.129_124),
        (3, 4, 0.139_906),
        (0, 5, 0.032_523),
        (4, 5, 0.185_915),
        (0, 6, -0.007_861),
        (3, 6, 0.068_226),
        (5, 6, 0.013_925),
    ] {
        let found = cosine(left, right);
        assert!((found - expected).abs() < 1e-3, "{left}, {right}: {found}, not {expected}");
    }
    for (index, begin) in [
        (0, [-0.065_215, -0.037_921, -0.015_991, 0.035_227]),
        (3, [0.052_109, 0.121_868, 0.047_123, -0.030_020]),
        (6, [0.062_278, -0.057_863, 0.072_326, -0.005_960]),
    ] {
        for (found, expected) in vectors[index].iter().zip(begin) {
            assert!((found - expected).abs() < 1e-4, "{index}: {found}, not {expected}");
        }
    }
}
