//! [`rank`]: entries of a rerank reply, checked and put in order.

use llm_core::{ErrorKind, ModelError, Operation, Ranked};

/// Entries (which document, its score) of a reply to a request with `count` documents: best first, ties by index.
///
/// # Errors
/// `Malformed` when an entry names a document twice or one that was not sent, or its score is no number.
pub(crate) fn rank(
    entries: impl IntoIterator<Item = (usize, f32)>,
    count: usize,
) -> Result<Vec<Ranked>, ModelError> {
    let mut seen = vec![false; count];
    let mut results = Vec::new();
    for (index, score) in entries {
        match seen.get_mut(index) {
            Some(seen) if !*seen && score.is_finite() => *seen = true,
            _ => {
                let problem = "came twice, was not sent, or has no score";
                let message = format!("document {index} {problem}");
                return Err(ModelError::new(ErrorKind::Malformed, Operation::Rerank, message));
            }
        }
        results.push(Ranked::new(index, score));
    }
    results.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_best_first_and_once() {
        let results = rank([(2, 0.1), (1, 0.5), (0, 0.5)], 3).unwrap();
        let order: Vec<usize> = results.iter().map(|ranked| ranked.index).collect();
        assert_eq!(order, [0, 1, 2]);
        for entries in [vec![(3, 0.1)], vec![(1, 0.1), (1, 0.2)], vec![(0, f32::NAN)]] {
            assert_eq!(rank(entries, 3).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}
