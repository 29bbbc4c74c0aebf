//! Fusing the hits of full text and vectors.

use std::collections::HashMap;

use rag_core::{ChunkHit, ChunkId, SearchResults};

/// A chunk with what either side gave.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedHit {
    /// Which.
    pub chunk: ChunkId,
    /// Weighted sum of both sides, each scaled over the hits of this query: 0 to 1.
    pub score: f32,
    /// BM25, as the index gave it; `None` when full text did not find the chunk.
    pub text: Option<f32>,
    /// Cosine, as the index gave it; `None` when the vectors did not find the chunk.
    pub vector: Option<f32>,
}

/// Fuses by a weighted sum of scaled scores, best first, ties by chunk id. `vector_weight` is 0 to 1. A side that found
/// nothing takes no part: the other then has the whole weight.
///
/// Weighted sums beat reciprocal rank fusion on every set that we measured (docs/evidence/retrieval.md).
pub fn fuse(found: &SearchResults, vector_weight: f32) -> Vec<FusedHit> {
    let weight = match (found.text.is_empty(), found.vector.is_empty()) {
        (true, _) => 1.0,
        (_, true) => 0.0,
        _ => vector_weight.clamp(0.0, 1.0),
    };
    let mut hits: HashMap<&ChunkId, FusedHit> = HashMap::new();
    let text_scale = Scale::of(&found.text);
    let vector_scale = Scale::of(&found.vector);
    for hit in &found.text {
        let fused = entry(&mut hits, hit);
        fused.text = Some(hit.score);
        fused.score += (1.0 - weight) * text_scale.apply(hit.score);
    }
    for hit in found.vector.iter().chain(&found.remaining_cosines) {
        let fused = entry(&mut hits, hit);
        fused.vector = Some(hit.score);
        fused.score += weight * vector_scale.apply(hit.score);
    }
    let mut ranked: Vec<FusedHit> = hits.into_values().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
    ranked
}

fn entry<'a, 'h>(
    hits: &'h mut HashMap<&'a ChunkId, FusedHit>,
    hit: &'a ChunkHit,
) -> &'h mut FusedHit {
    hits.entry(&hit.chunk).or_insert_with(|| FusedHit {
        chunk: hit.chunk.clone(),
        score: 0.0,
        text: None,
        vector: None,
    })
}

/// Maps the scores of one side to 0 to 1, the worst hit to 0 and the best to 1. A single hit is mapped to 1.
struct Scale {
    low: f32,
    span: f32,
}

impl Scale {
    fn of(hits: &[ChunkHit]) -> Self {
        let scores = || hits.iter().map(|hit| hit.score).filter(|score| score.is_finite());
        let low = scores().fold(f32::INFINITY, f32::min);
        let high = scores().fold(f32::NEG_INFINITY, f32::max);
        Self { low, span: high - low }
    }

    fn apply(&self, score: f32) -> f32 {
        match score.is_finite() {
            true if self.span > 0.0 => ((score - self.low) / self.span).clamp(0.0, 1.0),
            true => 1.0,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(scores: &[(&str, f32)]) -> Vec<ChunkHit> {
        let hit = |(chunk, score): &(&str, f32)| ChunkHit {
            chunk: chunk.parse().unwrap(),
            score: *score,
        };
        scores.iter().map(hit).collect()
    }

    fn order(text: &[(&str, f32)], vector: &[(&str, f32)], weight: f32) -> Vec<String> {
        let found =
            SearchResults { text: hits(text), vector: hits(vector), ..SearchResults::default() };
        fuse(&found, weight).into_iter().map(|hit| hit.chunk.to_string()).collect()
    }

    #[test]
    fn neither_side_gates_the_other() {
        assert_eq!(order(&[("a", 2.0)], &[("b", 0.9)], 0.3), ["a", "b"]);
        assert_eq!(order(&[("a", 2.0)], &[("b", 0.9)], 0.7), ["b", "a"]);
        assert_eq!(order(&[], &[("b", 0.1), ("a", 0.2)], 0.0), ["a", "b"]);
        assert_eq!(order(&[("b", 1.0), ("a", 2.0)], &[], 1.0), ["a", "b"]);
        assert!(order(&[], &[], 0.5).is_empty());
    }

    #[test]
    fn scores_stay_between_zero_and_one_and_ties_are_stable() {
        assert_eq!(order(&[("b", 1.0), ("a", 1.0)], &[], 0.3), ["a", "b"]);
        let found = SearchResults {
            text: hits(&[("a", f32::NAN), ("b", 5.0), ("c", 1.0)]),
            vector: hits(&[("a", -1.0), ("b", 1.0)]),
            remaining_cosines: hits(&[("c", -3.0)]),
            ..SearchResults::default()
        };
        let fused = fuse(&found, 0.4);
        assert!(fused.iter().all(|hit| (0.0..=1.0).contains(&hit.score)), "{fused:?}");
    }
}
