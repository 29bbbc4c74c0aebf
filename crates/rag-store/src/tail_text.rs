//! Full text of what is not in the index yet.

use tantivy::fieldnorm::FieldNormReader;

use crate::key::ChunkKey;
use crate::prepared::{TextField, term_hash};
use crate::snapshot::Snapshot;
use crate::text_search::{QueryTerm, TextSearch};
use crate::top::Top;

/// The chunks of the tail that hold terms of a query.
pub(crate) struct TailMatches {
    chunks: Vec<TailMatch>,
    /// Chunks by term and field.
    counts: Vec<[u64; 2]>,
}

struct TailMatch {
    key: ChunkKey,
    /// Term, field, how often, and the id of the field's length.
    terms: Vec<(usize, TextField, u32, u8)>,
}

impl TailMatches {
    /// Looks at every chunk of the tail, which is short.
    pub(crate) fn find(snapshot: &Snapshot, terms: &[QueryTerm]) -> Self {
        let hashes: Vec<u64> = terms.iter().map(|term| term_hash(&term.text)).collect();
        let mut matches = Self { chunks: Vec::new(), counts: vec![[0; 2]; terms.len()] };
        for document in snapshot.datasets.iter().flat_map(|dataset| dataset.tail.iter()) {
            for (position, chunk) in document.content.words.iter().enumerate() {
                let mut found = Vec::new();
                for field in TextField::ALL {
                    let words = chunk.of(field);
                    let length = FieldNormReader::fieldnorm_to_id(words.length);
                    for (term, hash) in hashes.iter().enumerate() {
                        let count = words.count(*hash);
                        if count > 0 {
                            found.push((term, field, count, length));
                            *field.of_mut(&mut matches.counts[term]) += 1;
                        }
                    }
                }
                if !found.is_empty() {
                    let key = ChunkKey::new(document.version, position);
                    matches.chunks.push(TailMatch { key, terms: found });
                }
            }
        }
        matches
    }

    /// Chunks that hold a term in a field.
    pub(crate) fn count(&self, term: usize, field: TextField) -> u64 {
        self.counts.get(term).map_or(0, |counts| *field.of(counts))
    }

    pub(crate) fn score(&self, search: &TextSearch<'_>, top: &mut Top<ChunkKey>) {
        for chunk in self.chunks.iter().filter(|chunk| search.admits(chunk.key.version())) {
            let terms = chunk.terms.iter();
            let score: f32 = terms
                .map(|(term, field, count, length)| search.score(*term, *field, *count, *length))
                .sum();
            if score > 0.0 {
                top.push(score, chunk.key);
            }
        }
    }
}
