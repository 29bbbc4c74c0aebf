//! Diversity: hits that say what better ones say go down.
//!
//! Maximal marginal relevance: the next hit is the one whose score, less what it has in common with those chosen
//! before, is highest. Texts are compared by the runs of characters that they share, which needs no model and works in
//! any script.

use rustc_hash::FxHashSet;

use crate::RetrievedChunk;

/// Characters of a run.
const RUN: usize = 6;

/// Orders hits, best first, by score and novelty; `diversity` (0 to 1) is what novelty counts.
pub(crate) fn diversify(hits: Vec<RetrievedChunk>, diversity: f32) -> Vec<RetrievedChunk> {
    let mut left: Vec<Candidate> = hits.into_iter().map(Candidate::new).collect();
    let mut chosen = Vec::with_capacity(left.len());
    while let Some(best) = best(&left, diversity) {
        let mut next = left.remove(best);
        next.hit.why.redundancy = next.redundancy;
        for candidate in &mut left {
            candidate.redundancy = candidate.redundancy.max(overlap(&candidate.runs, &next.runs));
        }
        chosen.push(next.hit);
    }
    chosen
}

struct Candidate {
    hit: RetrievedChunk,
    runs: FxHashSet<u64>,
    /// The most that it has in common with a hit chosen before.
    redundancy: f32,
}

impl Candidate {
    fn new(hit: RetrievedChunk) -> Self {
        let runs = runs(&hit.chunk.text);
        Self { hit, runs, redundancy: 0.0 }
    }
}

/// The first of the best.
fn best(candidates: &[Candidate], diversity: f32) -> Option<usize> {
    let worth = |candidate: &Candidate| {
        (1.0 - diversity) * candidate.hit.score - diversity * candidate.redundancy
    };
    let ordered = candidates.iter().enumerate().rev();
    ordered.max_by(|(_, a), (_, b)| worth(a).total_cmp(&worth(b))).map(|(place, _)| place)
}

/// Hashes of all runs of letters and digits, in lower case.
fn runs(text: &str) -> FxHashSet<u64> {
    let letters: Vec<char> =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    letters.windows(RUN.min(letters.len().max(1))).map(hash).collect()
}

/// FNV-1a.
fn hash(run: &[char]) -> u64 {
    run.iter().fold(0xcbf2_9ce4_8422_2325, |hash, c| {
        (hash ^ u64::from(u32::from(*c))).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How much of the smaller is in the other, 0 to 1.
fn overlap(left: &FxHashSet<u64>, right: &FxHashSet<u64>) -> f32 {
    let (small, large) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    if small.is_empty() {
        return 0.0;
    }
    let shared = small.iter().filter(|run| large.contains(run)).count();
    shared as f32 / small.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_overlap_by_what_they_share() {
        let check = |left: &str, right: &str, expected: f32| {
            let found = overlap(&runs(left), &runs(right));
            assert!((found - expected).abs() < 0.01, "{left} / {right}: {found}");
        };
        check("Green tea is brewed at 80 degrees.", "green tea is brewed at 80 degrees", 1.0);
        check("green tea is brewed", "Green tea is brewed at eighty degrees, they say.", 1.0);
        check("black coffee", "white chocolate", 0.0);
        check("茶は八十度で淹れる", "茶は八十度で淹れる。", 1.0);
        check("", "tea", 0.0);
        check("a", "a", 1.0);
    }
}
