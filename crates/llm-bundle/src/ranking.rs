//! The parts of a rerank answer as a whole, with scores that can be compared.

use llm_core::{Ranked, RerankResponse, ScoreType};

use crate::tally::sum;

/// The parts as one answer, best first, ties by index, with each score's relevance in 0 to 1.
///
/// Scores that mean something only beside each other are normalised over all parts together, since they answer one
/// question. Parts of different models (when one failed half-way and another took over) are normalised for each model, and
/// then relevance decides the order: their scores cannot be compared.
pub(crate) fn join(parts: Vec<RerankResponse>) -> RerankResponse {
    let mut wholes: Vec<RerankResponse> = Vec::new();
    for part in parts {
        let same = |whole: &&mut RerankResponse| {
            (&whole.model, whole.scores) == (&part.model, part.scores)
        };
        match wholes.iter_mut().find(same) {
            Some(whole) => add(whole, part),
            None => wholes.push(part),
        }
    }
    wholes.iter_mut().for_each(rate);
    let are_of_one = wholes.len() <= 1;
    let mut wholes = wholes.into_iter();
    let mut whole = wholes.next().unwrap_or_default();
    wholes.for_each(|other| add(&mut whole, other));
    let rank = |ranked: &Ranked| match ranked.relevance {
        Some(relevance) if !are_of_one => relevance,
        _ => ranked.score,
    };
    whole.results.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then(a.index.cmp(&b.index)));
    whole
}

fn add(whole: &mut RerankResponse, part: RerankResponse) {
    whole.results.extend(part.results);
    whole.usage = sum(std::mem::take(&mut whole.usage), part.usage);
}

/// Fills in the relevance of each score. Scores that nobody declared can be any number.
fn rate(response: &mut RerankResponse) {
    let mut scores: Vec<f32> = response.results.iter().map(|ranked| ranked.score).collect();
    response.scores.unwrap_or(ScoreType::Unbounded).normalise(&mut scores);
    for (ranked, relevance) in response.results.iter_mut().zip(scores) {
        ranked.relevance = Some(relevance);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(model: &str, scores: Option<ScoreType>, entries: &[(usize, f32)]) -> RerankResponse {
        let results = entries.iter().map(|(index, score)| Ranked::new(*index, *score)).collect();
        RerankResponse { results, model: Some(model.into()), scores, ..RerankResponse::default() }
    }

    fn check(parts: Vec<RerankResponse>, expected: &[(usize, f32)]) {
        let whole = join(parts);
        let found: Vec<_> = whole
            .results
            .iter()
            .map(|ranked| (ranked.index, (ranked.relevance.unwrap() * 100.0).round() / 100.0))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn scores_of_one_model_are_normalised_together() {
        let unbounded = || {
            let first = part("m", Some(ScoreType::Unbounded), &[(0, 2.0), (1, 10.0)]);
            vec![first, part("m", Some(ScoreType::Unbounded), &[(2, -10.0), (3, 0.0)])]
        };
        check(unbounded(), &[(1, 1.0), (0, 0.6), (3, 0.5), (2, 0.0)]);
        assert_eq!(join(unbounded()).results[0].score, 10.0, "the model's own stays");
        check(vec![part("m", None, &[(0, 3.0)])], &[(0, 1.0)]);
        check(Vec::new(), &[]);
    }

    #[test]
    fn each_type_has_its_way() {
        let entries = [(0, 0.0), (1, 2.0), (2, 0.0)];
        let probability = part("m", Some(ScoreType::Probability), &entries);
        check(vec![probability], &[(1, 1.0), (0, 0.0), (2, 0.0)]);
        let logit = part("m", Some(ScoreType::Logit), &entries);
        check(vec![logit], &[(1, 0.88), (0, 0.5), (2, 0.5)]);
    }

    #[test]
    fn parts_of_different_models_are_compared_by_relevance() {
        let logits = part("a", Some(ScoreType::Logit), &[(0, 0.0), (1, 4.0)]);
        let probabilities = part("b", Some(ScoreType::Probability), &[(2, 0.7), (3, 0.1)]);
        check(vec![logits, probabilities], &[(1, 0.98), (2, 0.7), (0, 0.5), (3, 0.1)]);
    }

    proptest! {
        #[test]
        fn relevance_is_from_zero_to_one_and_keeps_the_order(
            scores in proptest::collection::vec(-1e30_f32..1e30, 0..40),
            split in 1..8_usize,
            kind in 0..3_usize,
        ) {
            let kind = [ScoreType::Probability, ScoreType::Logit, ScoreType::Unbounded][kind];
            let entries: Vec<_> = scores.iter().copied().enumerate().collect();
            let whole = join(entries.chunks(split).map(|part_of| part("m", Some(kind), part_of)).collect());
            prop_assert_eq!(whole.results.len(), scores.len());
            for pair in whole.results.windows(2) {
                prop_assert!(pair[0].score >= pair[1].score);
                prop_assert!(pair[0].relevance >= pair[1].relevance);
            }
            for ranked in whole.results {
                prop_assert!((0.0..=1.0).contains(&ranked.relevance.unwrap()));
                prop_assert_eq!(ranked.score, scores[ranked.index]);
            }
        }
    }
}
