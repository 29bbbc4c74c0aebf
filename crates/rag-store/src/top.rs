//! The best few of many.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Keeps the `limit` entries with the highest scores; of equal scores those with the lowest keys.
pub(crate) struct Top<K> {
    limit: usize,
    /// The worst one on top.
    heap: BinaryHeap<Entry<K>>,
}

impl<K: Ord + Copy> Top<K> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::with_capacity(limit.min(4096) + 1) }
    }

    /// An entry must score higher than this to get in; one that scores equally may.
    pub(crate) fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.limit => worst.score,
            _ if self.limit == 0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        }
    }

    pub(crate) fn push(&mut self, score: f32, key: K) {
        let entry = Entry { score, key };
        if self.heap.len() < self.limit {
            self.heap.push(entry);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && entry < *worst
        {
            *worst = entry;
        }
    }

    /// All entries, best first.
    pub(crate) fn into_sorted(self) -> Vec<(f32, K)> {
        self.heap.into_sorted_vec().into_iter().map(|entry| (entry.score, entry.key)).collect()
    }
}

struct Entry<K> {
    score: f32,
    key: K,
}

/// Better is less, so that the heap's top is the worst.
impl<K: Ord> Ord for Entry<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.key.cmp(&other.key))
    }
}

impl<K: Ord> PartialOrd for Entry<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Entry<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord> Eq for Entry<K> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_would(
            entries in prop::collection::vec((0_u8..9, any::<u16>()), 0..60),
            limit in 0_usize..12,
        ) {
            let mut top = Top::new(limit);
            entries.iter().for_each(|(score, key)| top.push(f32::from(*score), *key));
            let mut sorted: Vec<_> = entries.iter().map(|(s, k)| (f32::from(*s), *k)).collect();
            sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            sorted.truncate(limit);
            prop_assert_eq!(top.into_sorted(), sorted);
        }
    }
}
