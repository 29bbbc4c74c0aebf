//! Sets of documents by number.

use rag_core::{StoreError, StoreErrorKind};
use roaring::RoaringBitmap;

/// Documents by number: few bytes each, and quick to ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DocumentSet(RoaringBitmap);

impl DocumentSet {
    pub(crate) fn contains(&self, document: u64) -> bool {
        u32::try_from(document).is_ok_and(|document| self.0.contains(document))
    }

    pub(crate) fn insert(&mut self, document: u64) -> Result<(), StoreError> {
        self.0.insert(small(document)?);
        Ok(())
    }

    /// Leaves those that are in both.
    pub(crate) fn keep(&mut self, other: &Self) {
        self.0 &= &other.0;
    }

    pub(crate) fn add(&mut self, documents: RoaringBitmap) {
        self.0 |= documents;
    }
}

/// A document's number in half of the bits: numbers count the documents that a store ever made.
pub(crate) fn small(document: u64) -> Result<u32, StoreError> {
    u32::try_from(document).map_err(|error| {
        let message = "the store has made more documents than it can number; begin a new one";
        StoreError::new(StoreErrorKind::Full, message).with_source(error)
    })
}
