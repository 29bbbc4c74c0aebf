//! Full text of what is not in the index yet.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use tantivy::fieldnorm::FieldNormReader;

use crate::document_terms::term_hash;
use crate::key::ChunkKey;
use crate::prepared::PreparedDocument;
use crate::snapshot::Snapshot;
use crate::text_search::TextSearch;
use crate::top::Top;
use rag_terms::Phrase;
use rag_terms::QuestionTerm;
use rag_terms::{FIELDS, FieldWords, TextField};

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
    /// Looks into every document of the tail, which is short.
    pub(crate) fn find(snapshot: &Snapshot, terms: &[QuestionTerm]) -> Self {
        let hashes: Vec<u64> = terms.iter().map(|term| term_hash(&term.text)).collect();
        let mut matches = Self { chunks: Vec::new(), counts: vec![[0; FIELDS]; terms.len()] };
        for document in snapshot.datasets.iter().flat_map(|dataset| dataset.tail.iter()) {
            let content = &document.content;
            let mut found = Vec::new();
            for (term, hash) in hashes.iter().enumerate() {
                let entries = content.terms.entries(*hash);
                found.extend(entries.map(|at| (at.chunk, at.field, term, at.count)));
            }
            found.sort_unstable();
            for of_chunk in found.chunk_by(|(left, ..), (right, ..)| left == right) {
                matches.add(document.version, content, of_chunk);
            }
        }
        matches
    }

    /// Notes what a chunk holds: its place, field, term, and how often.
    fn add(
        &mut self,
        version: u64,
        content: &PreparedDocument,
        found: &[(u32, TextField, usize, u16)],
    ) {
        let Some((chunk, ..)) = found.first() else { return };
        let position = *chunk as usize;
        let words = &content.words[position];
        let terms = found.iter().map(|(_, field, term, count)| {
            *field.of_mut(&mut self.counts[*term]) += 1;
            let length = FieldNormReader::fieldnorm_to_id(words.of(*field).length);
            (*term, *field, u32::from(*count), length)
        });
        let terms = terms.collect();
        self.chunks.push(TailMatch { key: ChunkKey::new(version, position), terms });
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
        let held = phrases.iter().flat_map(|phrase| chunks_with(&document.content, phrase));
        let mut held: Vec<u32> = held.collect();
        held.sort_unstable();
        for same in held.chunk_by(|left, right| left == right) {
            let position = same.first().map_or(0, |chunk| *chunk as usize);
            found.push((ChunkKey::new(document.version, position), same.len() as u32));
        }
    }
    found
}

/// The chunks of a document that hold a phrase, each once.
fn chunks_with(content: &PreparedDocument, phrase: &Phrase) -> BTreeSet<u32> {
    let mut places = phrase.iter().map(|terms| {
        let entries = terms.iter().flat_map(|term| content.terms.entries(term_hash(term)));
        let fields = entries.filter(|entry| entry.field.holds_phrases());
        fields.map(|entry| (entry.chunk, entry.field)).collect::<BTreeSet<_>>()
    });
    let mut fields = places.next().unwrap_or_default();
    for place in places {
        if fields.is_empty() {
            break;
        }
        fields.retain(|field| place.contains(field));
    }
    let holds = |(chunk, field): &(u32, TextField)| {
        field_holds(content.words[*chunk as usize].of(*field), phrase)
    };
    fields.into_iter().filter(holds).map(|(chunk, _)| chunk).collect()
}

fn field_holds(words: &FieldWords, phrase: &Phrase) -> bool {
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
