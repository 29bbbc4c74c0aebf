//! How good rankings are.

use std::collections::HashMap;

/// Means over the questions of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Quality {
    /// Normalised discounted cumulative gain of the first ten.
    pub(crate) ndcg_at_10: f64,
    /// The share of the relevant documents that is among the first five.
    pub(crate) recall_at_5: f64,
}

impl Quality {
    /// Of rankings of documents (best first), given which are relevant for the same question, and their grades.
    pub(crate) fn mean<'a>(
        rankings: impl Iterator<Item = (Vec<usize>, &'a HashMap<usize, f64>)>,
    ) -> Self {
        let (mut sum, mut count) = (Self::default(), 0.0);
        for (ranking, relevant) in rankings {
            sum.ndcg_at_10 += ndcg(&ranking, relevant, 10);
            sum.recall_at_5 += recall(&ranking, relevant, 5);
            count += 1.0;
        }
        Self { ndcg_at_10: sum.ndcg_at_10 / count, recall_at_5: sum.recall_at_5 / count }
    }
}

fn ndcg(ranking: &[usize], relevant: &HashMap<usize, f64>, depth: usize) -> f64 {
    let mut ideal: Vec<f64> = relevant.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let grades = ranking.iter().map(|document| relevant.get(document).copied().unwrap_or(0.0));
    gain(grades, depth) / gain(ideal.into_iter(), depth)
}

fn gain(grades: impl Iterator<Item = f64>, depth: usize) -> f64 {
    grades.take(depth).zip(2..).map(|(grade, place)| grade / f64::from(place).log2()).sum()
}

fn recall(ranking: &[usize], relevant: &HashMap<usize, f64>, depth: usize) -> f64 {
    let found = ranking.iter().take(depth).filter(|document| relevant.contains_key(document));
    found.count() as f64 / relevant.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relevant_document_counts_less_the_later_it_comes() {
        let check = |ranking: &[usize], ndcg: f64, recall: f64| {
            let relevant = HashMap::from([(7, 2.0), (8, 1.0)]);
            let quality = Quality::mean(std::iter::once((ranking.to_vec(), &relevant)));
            assert!((quality.ndcg_at_10 - ndcg).abs() < 1e-3, "{ranking:?}: {quality:?}");
            assert_eq!(quality.recall_at_5, recall, "{ranking:?}");
        };
        check(&[7, 8], 1.0, 1.0);
        check(&[8, 7], 0.860, 1.0);
        check(&[1, 2, 3, 4, 5, 7], 0.271, 0.0);
        check(&[], 0.0, 0.0);
    }
}
