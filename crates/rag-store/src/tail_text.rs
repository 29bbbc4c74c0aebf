//! Full text of what is not in the index yet.

use rustc_hash::FxHashSet;
use tantivy::fieldnorm::FieldNormReader;

use crate::key::ChunkKey;
use crate::prepared::{ChunkWords, FIELDS, FieldWords, TextField, term_hash};
use crate::question::Phrase;
use crate::snapshot::Snapshot;
use crate::text_search::{QueryTerm, TextSearch};
use crate::top::Top;

/// The chunks of the tail that hold terms of a query.
pub(crate) struct TailMatches {
    chunks: Vec<TailMatch>,
    /// Chunks by term and field.
    counts: Vec<[u64; FIELDS]>,
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
        let mut matches = Self { chunks: Vec::new(), counts: vec![[0; FIELDS]; terms.len()] };
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
            search.offer(chunk.key, score, top);
        }
        if let Some(phrases) = &search.phrases {
            // Phrases may consist of words that are not searched for by themselves.
            let scored: FxHashSet<ChunkKey> = self.chunks.iter().map(|chunk| chunk.key).collect();
            for key in phrases.tail.iter().filter(|key| !scored.contains(key)) {
                search.offer(*key, 0.0, top);
            }
        }
    }
}

/// The chunks of the tail that hold phrases and may be found, with how many of the phrases.
pub(crate) fn chunks_with_phrases(
    snapshot: &Snapshot,
    phrases: &[Phrase],
    admits: impl Fn(u64) -> bool,
) -> Vec<(ChunkKey, u32)> {
    let mut found = Vec::new();
    let documents = snapshot.datasets.iter().flat_map(|dataset| dataset.tail.iter());
    for document in documents.filter(|document| admits(document.version)) {
        for (position, chunk) in document.content.words.iter().enumerate() {
            let held = phrases.iter().filter(|phrase| holds(chunk, phrase)).count() as u32;
            if held > 0 {
                found.push((ChunkKey::new(document.version, position), held));
            }
        }
    }
    found
}

fn holds(chunk: &ChunkWords, phrase: &Phrase) -> bool {
    let fields = TextField::ALL.into_iter().filter(|field| field.holds_phrases());
    fields.map(|field| chunk.of(field)).any(|words| field_holds(words, phrase))
}

fn field_holds(words: &FieldWords, phrase: &Phrase) -> bool {
    let occurs = |term: &String| words.count(term_hash(term)) > 0;
    if !phrase.iter().all(|terms| terms.iter().any(occurs)) {
        return false;
    }
    let mut starts: Option<Vec<usize>> = None;
    for (offset, terms) in phrase.iter().enumerate() {
        let here = words.places().filter(|(_, term)| terms.contains(*term));
        let here = here.filter_map(|(place, _)| place.checked_sub(offset));
        starts = Some(match starts {
            None => here.collect(),
            Some(starts) => here.filter(|start| starts.binary_search(start).is_ok()).collect(),
        });
    }
    starts.is_some_and(|starts| !starts.is_empty())
}
