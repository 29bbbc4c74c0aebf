//! Answers of embedding and rerank services: no bytes break their readers, and what they give is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llm_providers::openai::embeddings::parse_embedding_response;
use llm_providers::rerank::{RerankShape, parse_rerank_response};
use llm_providers::{EmbeddingQuirks, EmbeddingShape, Numbers, Quirks};

const COUNT: usize = 3;

fuzz_target!(|data: &[u8]| {
    for shape in [
        RerankShape::Cohere,
        RerankShape::Voyage,
        RerankShape::Tei,
        RerankShape::Nim,
        RerankShape::DeepInfra,
    ] {
        if let Ok(response) = parse_rerank_response(data, COUNT, None, shape) {
            assert!(response.results.len() <= COUNT);
            assert!(response.results.iter().all(|ranked| ranked.index < COUNT));
        }
    }
    for shape in [EmbeddingShape::OpenAi, EmbeddingShape::Tei] {
        let embedding = EmbeddingQuirks { shape, ..EmbeddingQuirks::default() };
        let quirks = Quirks { embedding, ..Quirks::default() };
        for numbers in
            [Numbers::Float, Numbers::Int8, Numbers::Uint8, Numbers::Binary, Numbers::Ubinary]
        {
            if let Ok(response) = parse_embedding_response(data, COUNT, None, numbers, &quirks) {
                assert_eq!(response.vectors.len(), COUNT);
                assert!(response.vectors.iter().flatten().all(|number| number.is_finite()));
            }
        }
    }
});
