//! How much vectors count against full text.

use std::collections::HashMap;

use llm_core::Scripts;
use rag_core::{ChunkId, SearchResults};

/// What `local/static` counts.
const STATIC: f32 = 0.25;
/// What a trained encoder counts at most.
const TRAINED: f32 = 0.4;
/// What any model counts for questions in a script that it was not trained on: it breaks ties.
const UNREADABLE: f32 = 0.001;

/// The correlation from which on a model's cosines are believed entirely. That of all-MiniLM-L6-v2 is above it for at
/// least 96 % of the questions of each English set, and below for 85 % in Arabic and 78 % in Hindi, which it cannot read.
const BELIEVED: f32 = 0.2;
/// Fewer hits tell nothing.
const FEWEST_HITS: usize = 8;

/// How much vectors count in fusion, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VectorWeight {
    /// This much.
    Fixed(f32),
    /// This much where the cosines of what was found agree with its words, less where they do not.
    UpTo(f32),
}

impl VectorWeight {
    /// The weight for a question that found this.
    ///
    /// Whether a model understands a question shows in what full text found: among passages that all have some of its words,
    /// those that cover more of them are nearer in meaning, too, by and large. Where the cosines do not correlate with the
    /// coverage at all, the model does not know the language, and would only shuffle the hits.
    pub fn among(self, found: &SearchResults) -> f32 {
        match self {
            VectorWeight::Fixed(weight) => weight,
            VectorWeight::UpTo(weight) => weight * (agreement(found) / BELIEVED).clamp(0.0, 1.0),
        }
    }
}

/// The weight of vectors for this embedding model, named `provider/model`, and this question. `scripts` are those that
/// the model was trained on, where it tells.
///
/// Chosen by measurement, see docs/evidence/retrieval.md: a trained encoder earns the most. In a script that a model does
/// not know, it only compares characters, however good it is elsewhere.
pub fn default_vector_weight(
    model: &str,
    scripts: Option<&Scripts>,
    question: &str,
) -> VectorWeight {
    match model {
        _ if scripts.is_some_and(|scripts| !scripts.cover(question)) => {
            VectorWeight::Fixed(UNREADABLE)
        }
        "local/static" => VectorWeight::Fixed(STATIC),
        _ => VectorWeight::UpTo(TRAINED),
    }
}

/// The correlation of text scores and cosines among the hits of full text, -1 to 1; 1 where there are too few.
fn agreement(found: &SearchResults) -> f32 {
    let cosines: HashMap<&ChunkId, f32> = found
        .vector
        .iter()
        .chain(&found.remaining_cosines)
        .map(|hit| (&hit.chunk, hit.score))
        .collect();
    let pairs: Vec<(f32, f32)> = found
        .text
        .iter()
        .filter_map(|hit| Some((hit.score, *cosines.get(&hit.chunk)?)))
        .filter(|(score, cosine)| score.is_finite() && cosine.is_finite())
        .collect();
    if pairs.len() < FEWEST_HITS { 1.0 } else { correlation(&pairs) }
}

/// Pearson's; 0 where one side is constant.
fn correlation(pairs: &[(f32, f32)]) -> f32 {
    let count = pairs.len() as f32;
    let left = pairs.iter().map(|(left, _)| left).sum::<f32>() / count;
    let right = pairs.iter().map(|(_, right)| right).sum::<f32>() / count;
    let mut sums = (0.0, 0.0, 0.0);
    for (x, y) in pairs.iter().map(|(x, y)| (x - left, y - right)) {
        sums = (sums.0 + x * y, sums.1 + x * x, sums.2 + y * y);
    }
    let (both, left, right) = sums;
    let scale = (left * right).sqrt();
    if scale > 0.0 && scale.is_finite() { both / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use rag_core::ChunkHit;

    use super::VectorWeight::{Fixed, UpTo};
    use super::*;

    #[test]
    fn depends_on_model_and_script() {
        let check = |model: &str, scripts: Option<&[&str]>, question: &str, weight| {
            let scripts = scripts.map(|codes| codes.iter().copied().collect());
            let found = default_vector_weight(model, scripts.as_ref(), question);
            assert_eq!(found, weight, "{model} {question}");
        };
        let latin: Option<&[&str]> = Some(&["Latn"]);
        check("local/static", latin, "Who is José?", Fixed(STATIC));
        check("local/static", latin, "2 + 2", Fixed(STATIC));
        check("local/static", latin, "首都はどこですか", Fixed(UNREADABLE));
        check("local/minilm", latin, "Кто такой Tesla?", Fixed(UNREADABLE));
        check("local/minilm", latin, "Who is Tesla?", UpTo(TRAINED));
        check("local/multilingual", Some(&["Cyrl", "Latn"]), "Кто такой Tesla?", UpTo(TRAINED));
        check("openai/text-embedding-3-small", None, "首都はどこですか", UpTo(TRAINED));
    }

    #[test]
    fn cosines_count_as_far_as_they_agree_with_the_words() {
        let found = |cosine: fn(usize) -> f32, hits: usize| {
            let hit = |place: usize, score: f32| ChunkHit {
                chunk: format!("c{place}").parse().unwrap(),
                score,
            };
            SearchResults {
                text: (0..hits).map(|place| hit(place, (hits - place) as f32)).collect(),
                vector: (0..hits / 2).map(|place| hit(place, cosine(place))).collect(),
                remaining_cosines: (hits / 2..hits)
                    .map(|place| hit(place, cosine(place)))
                    .collect(),
                ..SearchResults::default()
            }
        };
        let check = |cosine, hits, weight: f32| {
            let found = found(cosine, hits);
            assert!((UpTo(0.4).among(&found) - weight).abs() < 1e-6, "{:?}", agreement(&found));
            assert_eq!(Fixed(0.4).among(&found), 0.4);
        };
        check(|place| 1.0 / (1.0 + place as f32), 20, 0.4);
        check(|place| place as f32 / 20.0, 20, 0.0);
        check(|_| 0.5, 20, 0.0);
        check(|place| if place % 2 == 0 { f32::NAN } else { 0.0 }, 20, 0.0);
        check(|place| place as f32 / 20.0, 6, 0.4);
        check(|place| place as f32 / 20.0, 0, 0.4);
    }
}
