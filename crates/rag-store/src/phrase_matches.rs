//! Which chunks hold the phrases of a question, and what that is worth.

use rag_core::PhraseUse;
use rustc_hash::FxHashMap;
use tantivy::DocId;

use crate::full_text::Fields;
use crate::index_phrases::entries_with_phrases;
use crate::key::ChunkKey;
use crate::snapshot::Snapshot;
use crate::tail_text::chunks_with_phrases;
use rag_terms::Phrase;

/// The chunks that hold phrases and may be found.
pub(crate) struct PhraseMatches {
    /// How many phrases the question has.
    phrases: u32,
    required: bool,
    /// How many of them a chunk holds.
    held: FxHashMap<ChunkKey, u32>,
    /// Those in memory.
    pub(crate) tail: Vec<ChunkKey>,
    /// Those in the index, by segment, ascending.
    pub(crate) entries: Vec<Vec<(DocId, ChunkKey)>>,
}

impl PhraseMatches {
    /// `None` when phrases make no difference: there are none, or they are preferred and no chunk holds any.
    pub(crate) fn find(
        snapshot: &Snapshot,
        fields: Fields,
        phrases: &[Phrase],
        phrase_use: PhraseUse,
        admits: impl Fn(u64) -> bool,
    ) -> tantivy::Result<Option<Self>> {
        if phrases.is_empty() {
            return Ok(None);
        }
        let in_tail = chunks_with_phrases(snapshot, phrases, &admits);
        let in_index = entries_with_phrases(snapshot, fields, phrases, &admits)?;
        let mut held: FxHashMap<ChunkKey, u32> = in_tail.iter().copied().collect();
        held.extend(in_index.iter().flatten().map(|(_, key, held)| (*key, *held)));
        let entries = in_index
            .into_iter()
            .map(|entries| entries.into_iter().map(|(entry, key, _)| (entry, key)).collect())
            .collect();
        let found = Self {
            phrases: phrases.len() as u32,
            required: phrase_use == PhraseUse::Require,
            held,
            tail: in_tail.into_iter().map(|(key, _)| key).collect(),
            entries,
        };
        Ok(Some(found).filter(|found| found.required || !found.held.is_empty()))
    }

    /// Whether only chunks with every phrase may be found.
    pub(crate) fn are_required(&self) -> bool {
        self.required
    }

    pub(crate) fn hold_any(&self, key: ChunkKey) -> bool {
        self.held.contains_key(&key)
    }

    /// The chunks that hold every phrase.
    pub(crate) fn with_all(&self) -> Vec<ChunkKey> {
        let all = self.held.iter().filter(|(_, held)| **held == self.phrases);
        all.map(|(key, _)| *key).collect()
    }

    /// The score of a chunk, given what its words score and what these never exceed by far. Each phrase counts as much
    /// as all words together, so that more phrases always rank before fewer. 0 for what may not be found.
    pub(crate) fn score(&self, key: ChunkKey, words: f32, ceiling: f32) -> f32 {
        let held = self.held.get(&key).copied().unwrap_or(0);
        if self.required && held < self.phrases {
            return 0.0;
        }
        words.min(ceiling) + ceiling * held as f32
    }

    /// The score of a chunk with all words and all phrases.
    pub(crate) fn ceiling(&self, of_words: f32) -> f32 {
        of_words * (1 + self.phrases) as f32
    }
}
