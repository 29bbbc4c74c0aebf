//! A document in the forms in which it is indexed, made on the thread of whoever completes it, before the writer is
//! asked for.

use rag_core::EmbeddedChunk;
use rag_terms::{ChunkWords, TextField, chunk_words};

use crate::chunk_rows::{ChunkIds, DocumentRows, OwnedIds};
use crate::document_terms::DocumentTerms;
use crate::vectors::OwnedVectors;

/// A document ready to be indexed, but for its version.
#[derive(Debug)]
pub(crate) struct PreparedDocument {
    ids: OwnedIds,
    vectors: OwnedVectors,
    /// One for each chunk.
    pub(crate) words: Vec<ChunkWords>,
    /// Which of them hold a term.
    pub(crate) terms: DocumentTerms,
}

impl PreparedDocument {
    /// The vectors are of length `dimensions`.
    pub(crate) fn new(title: Option<&str>, chunks: &[EmbeddedChunk], dimensions: usize) -> Self {
        let mut vectors = OwnedVectors::new(dimensions);
        chunks.iter().for_each(|chunk| vectors.push(&chunk.vector));
        let words = chunk_words(title, chunks.iter().map(|chunk| &chunk.chunk));
        let terms = DocumentTerms::of(&words);
        let ids = chunks.iter().map(|chunk| chunk.chunk.id.as_str()).collect();
        Self { ids, vectors, words, terms }
    }

    /// The document as rows, at this place in the store.
    pub(crate) fn rows(&self, no: u64, version: u64) -> DocumentRows<'_> {
        let ids: ChunkIds<'_> = self.ids.all();
        DocumentRows { no, version, tokens: self.tokens(), ids, vectors: self.vectors.rows() }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Terms of all bodies and of all titles.
    fn tokens(&self) -> [u64; 2] {
        [TextField::Body, TextField::Title]
            .map(|field| self.words.iter().map(|words| u64::from(words.of(field).length)).sum())
    }
}
