//! Clusters of neighbours: stretches of a document that belong together.

use std::ops::Range;

use rag_core::SummaryOptions;

/// So few are one cluster.
const FEW: usize = 8;

/// Cuts a row of vectors where neighbours resemble each other least, in pieces of at most as many as the options say.
/// The pieces are in order and cover the row.
pub(crate) fn clusters(vectors: &[Vec<f32>], options: &SummaryOptions) -> Vec<Range<usize>> {
    if vectors.len() <= FEW {
        return std::iter::once(0..vectors.len()).filter(|all| !all.is_empty()).collect();
    }
    let cosines: Vec<f32> = vectors
        .windows(2)
        .map(|pair| match pair {
            [left, right] => cosine(left, right),
            _ => 0.0,
        })
        .collect();
    let limit = percentile(&cosines, options.threshold);
    let most = (options.most_chunks as usize).max(2);
    let mut clusters = Vec::new();
    let mut start = 0;
    for (at, cosine) in cosines.iter().enumerate() {
        let next = at + 1;
        // A lone chunk sums nothing up, so a cluster has two, but for the last.
        let parts = *cosine <= limit && next - start >= 2;
        if parts || next - start >= most {
            clusters.push(start..next);
            start = next;
        }
    }
    clusters.push(start..vectors.len());
    clusters
}

/// The value below which this share of all lies.
fn percentile(values: &[f32], share: f32) -> f32 {
    let mut ordered = values.to_vec();
    ordered.sort_by(f32::total_cmp);
    let place = (ordered.len() as f32 * share.clamp(0.0, 1.0)) as usize;
    ordered.get(place.min(ordered.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_cut_where_the_subject_changes() {
        let subject = |angle: f32| vec![angle.cos(), angle.sin()];
        let row: Vec<Vec<f32>> =
            [0.0, 0.1, 0.0, 0.1, 1.5, 1.4, 1.5, 1.4, 3.0, 3.1].map(subject).to_vec();
        let options = SummaryOptions { threshold: 0.2, ..SummaryOptions::default() };
        let found = clusters(&row, &options);
        assert_eq!(found, [0..4, 4..8, 8..10]);
        assert_eq!(clusters(&row[..8], &options).first(), Some(&(0..8)), "few are one");
        assert!(clusters(&[], &options).is_empty());
    }

    proptest! {
        #[test]
        fn clusters_cover_the_row_in_order(
            angles in proptest::collection::vec(0.0_f32..6.0, 0..60),
            threshold in 0.0_f32..=1.0,
            most_chunks in 0_u32..20,
        ) {
            let row: Vec<Vec<f32>> = angles.iter().map(|a| vec![a.cos(), a.sin()]).collect();
            let options = SummaryOptions { threshold, most_chunks, ..SummaryOptions::default() };
            let found = clusters(&row, &options);
            let covered: Vec<usize> = found.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..row.len()).collect::<Vec<_>>());
            if row.len() > FEW {
                prop_assert!(found.len() < row.len(), "each layer is smaller");
                prop_assert!(found.iter().all(|c| c.len() <= (most_chunks as usize).max(2)));
            }
        }
    }
}
