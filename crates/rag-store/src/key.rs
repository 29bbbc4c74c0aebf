//! What names a chunk inside the store.

/// Bits of a key that hold the position.
const POSITION_BITS: u32 = 24;

/// The most chunks of one document.
pub(crate) const MOST_CHUNKS: usize = 1 << POSITION_BITS;

/// A chunk by its document's version and its position in it. Versions count completed documents through the whole
/// store and are never used twice, so a key means one state of one chunk for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChunkKey(pub(crate) u64);

impl ChunkKey {
    pub(crate) fn new(version: u64, position: usize) -> Self {
        debug_assert!(position < MOST_CHUNKS);
        Self(version << POSITION_BITS | position as u64)
    }

    pub(crate) fn version(self) -> u64 {
        self.0 >> POSITION_BITS
    }

    pub(crate) fn position(self) -> usize {
        (self.0 & (MOST_CHUNKS as u64 - 1)) as usize
    }
}
