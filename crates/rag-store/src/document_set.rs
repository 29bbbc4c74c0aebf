//! Sets of documents by number.

use rag_core::{StoreError, StoreErrorKind};
use roaring::RoaringBitmap;

/// Words of bits that a set may take for each of its documents; beside [`FEW_WORDS`].
const WORDS_PER_DOCUMENT: usize = 4;
const FEW_WORDS: usize = 1 << 16;

/// Documents by number, quick to ask one by one.
#[derive(Clone, Debug)]
pub(crate) enum DocumentSet {
    /// A bit for each number from that of the first word on.
    Dense { first_word: usize, words: Vec<u64> },
    /// Few documents, far from each other.
    Sparse(RoaringBitmap),
    /// All but these.
    AllBut(RoaringBitmap),
}

impl From<RoaringBitmap> for DocumentSet {
    fn from(documents: RoaringBitmap) -> Self {
        let word_of = |document: u32| document as usize / 64;
        let first_word = documents.min().map_or(0, word_of);
        let length = documents.max().map_or(0, |last| word_of(last) - first_word + 1);
        let most = FEW_WORDS.saturating_add(WORDS_PER_DOCUMENT * documents.len() as usize);
        if length > most {
            return Self::Sparse(documents);
        }
        let mut words = vec![0; length];
        for document in &documents {
            if let Some(word) = words.get_mut(word_of(document) - first_word) {
                *word |= 1 << (document % 64);
            }
        }
        Self::Dense { first_word, words }
    }
}

impl DocumentSet {
    pub(crate) fn contains(&self, document: u64) -> bool {
        match self {
            Self::Dense { first_word, words } => {
                let word = (document / 64) as usize;
                let word = word.checked_sub(*first_word).and_then(|word| words.get(word));
                word.is_some_and(|word| word >> (document % 64) & 1 == 1)
            }
            Self::Sparse(documents) => {
                u32::try_from(document).is_ok_and(|document| documents.contains(document))
            }
            Self::AllBut(documents) => {
                u32::try_from(document).is_ok_and(|document| !documents.contains(document))
            }
        }
    }
}

/// A document's number in half of the bits: numbers count the documents that a store ever made.
pub(crate) fn small(document: u64) -> Result<u32, StoreError> {
    u32::try_from(document).map_err(|error| {
        let message = "the store has made more documents than it can number; begin a new one";
        StoreError::new(StoreErrorKind::Full, message).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_what_was_put_in(
            documents in prop::collection::btree_set(
                prop_oneof![0_u32..300, 70_000_u32..70_100, any::<u32>()], 0..40,
            ),
            others in prop::collection::vec(0_u64..80_000, 0..40),
        ) {
            let set = DocumentSet::from(documents.iter().copied().collect::<RoaringBitmap>());
            prop_assert!(documents.iter().all(|document| set.contains(u64::from(*document))));
            for other in others.into_iter().chain([u64::MAX, u64::from(u32::MAX) + 1]) {
                let expected = u32::try_from(other).is_ok_and(|other| documents.contains(&other));
                prop_assert_eq!(set.contains(other), expected);
            }
        }
    }
}
