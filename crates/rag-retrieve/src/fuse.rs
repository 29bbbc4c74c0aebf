//! Fusing the hits of full text and vectors.

use std::collections::HashMap;

use rag_core::{ChunkHit, ChunkId, SearchResults};

/// A chunk with what either side gave.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedHit {
    /// Which.
    pub chunk: ChunkId,
    /// The weighted sum of `coverage` and `nearness`: 0 to 1, and comparable between questions.
    pub score: f32,
    /// BM25, as the index gave it; `None` when full text did not find the chunk.
    pub text: Option<f32>,
    /// Cosine, as the index gave it; `None` when the vectors did not find the chunk.
    pub vector: Option<f32>,
    /// How much of the question's words the chunk covers, the rare ones counting more: 0 to 1.
    pub coverage: f32,
    /// How near the chunk's meaning is to the question's: its cosine, 0 to 1.
    pub nearness: f32,
    /// What nearness counts against coverage.
    pub vector_weight: f32,
}

/// Fuses by a weighted sum, best first, ties by chunk id. `vector_weight` is 0 to 1. A side that found nothing takes no
/// part: the other then has the whole weight.
///
/// Both sides are on scales of their own that do not depend on the other hits: BM25 as a part of what no chunk exceeds
/// for this question, and the cosine as it is. That ranks better than min–max scaling over the hits on every set that
/// we measured, and much better than reciprocal ranks (docs/evidence/retrieval.md): when the words of a question are
/// hardly covered, the vectors decide, and where the vectors cannot tell passages apart, they do not disturb. It also
/// gives scores that a threshold can be set on.
pub fn fuse(found: &SearchResults, vector_weight: f32) -> Vec<FusedHit> {
    let weight = match (found.text.is_empty(), found.vector.is_empty()) {
        (true, _) => 1.0,
        (_, true) => 0.0,
        _ => vector_weight.clamp(0.0, 1.0),
    };
    let mut hits: HashMap<&ChunkId, FusedHit> = HashMap::new();
    let ceiling = ceiling(found);
    for hit in &found.text {
        let fused = entry(&mut hits, hit);
        fused.text = Some(hit.score);
        fused.coverage = share(hit.score / ceiling);
    }
    for hit in found.vector.iter().chain(&found.remaining_cosines) {
        let fused = entry(&mut hits, hit);
        fused.vector = Some(hit.score);
        fused.nearness = share(hit.score);
    }
    let mut ranked: Vec<FusedHit> = hits.into_values().collect();
    for hit in &mut ranked {
        hit.vector_weight = weight;
        hit.score = (1.0 - weight) * hit.coverage + weight * hit.nearness;
    }
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
        coverage: 0.0,
        nearness: 0.0,
        vector_weight: 0.0,
    })
}

/// What no text score exceeds; where the index does not tell, the best one that it gave.
fn ceiling(found: &SearchResults) -> f32 {
    if found.text_ceiling > 0.0 {
        return found.text_ceiling;
    }
    found.text.iter().map(|hit| hit.score).filter(|score| score.is_finite()).fold(0.0, f32::max)
}

fn share(part: f32) -> f32 {
    if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 }
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
        let found = SearchResults {
            text: hits(text),
            text_ceiling: 4.0,
            vector: hits(vector),
            ..SearchResults::default()
        };
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
    fn words_that_are_hardly_covered_leave_it_to_the_vectors() {
        assert_eq!(order(&[("a", 3.0), ("b", 2.0)], &[("b", 0.9), ("a", 0.3)], 0.25), ["a", "b"]);
        assert_eq!(order(&[("a", 0.6), ("b", 0.4)], &[("b", 0.9), ("a", 0.3)], 0.25), ["b", "a"]);
    }

    #[test]
    fn every_hit_says_what_either_side_gave() {
        let found = SearchResults {
            text: hits(&[("a", 3.0)]),
            text_ceiling: 12.0,
            vector: hits(&[("b", 0.8)]),
            remaining_cosines: hits(&[("a", 0.4)]),
        };
        let fused = fuse(&found, 0.5);
        let of = |id: &str| fused.iter().find(|hit| hit.chunk.as_str() == id).unwrap();
        let (a, b) = (of("a"), of("b"));
        assert_eq!((a.text, a.vector, a.coverage, a.nearness), (Some(3.0), Some(0.4), 0.25, 0.4));
        assert_eq!((b.text, b.vector, b.coverage, b.nearness), (None, Some(0.8), 0.0, 0.8));
        assert!((a.score - 0.325).abs() < 1e-6 && (b.score - 0.4).abs() < 1e-6);
    }

    #[test]
    fn scores_stay_between_zero_and_one_and_ties_are_stable() {
        assert_eq!(order(&[("b", 1.0), ("a", 1.0)], &[], 0.3), ["a", "b"]);
        let found = SearchResults {
            text: hits(&[("a", f32::NAN), ("b", 5.0), ("c", f32::INFINITY)]),
            vector: hits(&[("a", -1.0), ("b", 1.5)]),
            remaining_cosines: hits(&[("c", -3.0)]),
            ..SearchResults::default()
        };
        let fused = fuse(&found, 0.4);
        assert!(fused.iter().all(|hit| (0.0..=1.0).contains(&hit.score)), "{fused:?}");
    }
}
