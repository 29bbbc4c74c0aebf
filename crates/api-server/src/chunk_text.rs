//! What owners write into chunks.

use rag_core::{Chunk, ChunkKind};

/// The most bytes of a chunk's text.
pub(crate) const MOST_TEXT: usize = 256 << 10;

/// The most words, questions and tags of a chunk, of each.
pub(crate) const MOST_WORDS: usize = 256;

/// Gives a chunk this text. One whose text is another is nobody's but its owner's.
pub(crate) fn rewrite(chunk: &mut Chunk, text: String) {
    if text != chunk.text {
        chunk.tokens = llm_tokens::estimate(&text);
        chunk.kind = ChunkKind::Written;
        chunk.text = text;
    }
}
