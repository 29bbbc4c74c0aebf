//! What chunks have in common that a model wrote.

use rag_core::{Chunk, ChunkId};

/// The same identifier for the same description of a chunk.
pub(crate) fn id(of: &str) -> Option<ChunkId> {
    const DIGITS: usize = 32;
    blake3::hash(of.as_bytes()).to_hex().get(..DIGITS)?.parse().ok()
}

/// The first number that none of these has.
pub(crate) fn next_ordinal(chunks: &[Chunk]) -> u32 {
    chunks.iter().map(|chunk| chunk.ordinal.saturating_add(1)).max().unwrap_or(0)
}
