//! Answers a [`SearchQuery`] from one snapshot.

use rag_core::{ChunkHit, PhraseUse, SearchResults, StoreError, StoreErrorKind};
use rustc_hash::FxHashSet;

use crate::document_set::DocumentSet;
use crate::failure;
use crate::full_text::Fields;
use crate::key::ChunkKey;
use crate::snapshot::{DatasetView, Snapshot};
use crate::text_search::TextMatches;
use crate::vectors::QueryVector;
use crate::{text_search, vector_search};

/// More hits than this are not given.
const MOST_HITS: usize = 16_384;

/// What is looked for in a snapshot.
pub(crate) struct Search<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) phrases: PhraseUse,
    pub(crate) vector: Option<&'a [f32]>,
    /// The documents that may be found; `None`: all.
    pub(crate) documents: Option<DocumentSet>,
    pub(crate) limit: usize,
}

impl Search<'_> {
    pub(crate) fn run(
        &self,
        snapshot: &Snapshot,
        fields: Fields,
    ) -> Result<SearchResults, StoreError> {
        let vector = self.vector.map(QueryVector::new);
        if let Some(vector) = &vector {
            check_dimensions(vector, &snapshot.datasets)?;
        }
        let allowed = self.documents.as_ref().map(|documents| versions_of(snapshot, documents));
        if allowed.as_ref().is_some_and(FxHashSet::is_empty) {
            return Ok(SearchResults::default());
        }
        let limit = self.limit.min(MOST_HITS);
        let allowed = allowed.as_ref();
        let matching = match self.text {
            Some(text) => text_search::search(snapshot, fields, text, self.phrases, allowed, limit)
                .map_err(|error| failure::engine("the full-text search failed", error))?,
            None => TextMatches::default(),
        };
        let near = match (&vector, &matching.admitted) {
            (None, _) => Vec::new(),
            (Some(vector), None) => vector_search::search(snapshot, vector, allowed, limit),
            (Some(vector), Some(admitted)) => {
                vector_search::search_among(snapshot, vector, admitted, limit)
            }
        };
        let rest = vector
            .map(|vector| remaining_cosines(snapshot, &vector, &matching.hits, &near))
            .unwrap_or_default();
        Ok(SearchResults {
            text: hits(snapshot, matching.hits),
            text_ceiling: matching.ceiling,
            vector: hits(snapshot, near),
            remaining_cosines: hits(snapshot, rest),
        })
    }
}

fn check_dimensions(vector: &QueryVector, datasets: &[DatasetView]) -> Result<(), StoreError> {
    match datasets.iter().find(|dataset| dataset.dimensions != vector.dimensions()) {
        None => Ok(()),
        Some(dataset) => Err(StoreError::new(
            StoreErrorKind::EmbeddingMismatch,
            format!(
                "the question's vector has {} numbers, the dataset's have {}; embed it with the dataset's model",
                vector.dimensions(),
                dataset.dimensions
            ),
        )),
    }
}

/// The versions of these documents that can be found.
fn versions_of(snapshot: &Snapshot, documents: &DocumentSet) -> FxHashSet<u64> {
    let mut versions = FxHashSet::default();
    for dataset in &snapshot.datasets {
        for block in snapshot.files.iter().filter_map(|file| file.block(dataset.no)) {
            let of_block = block.directory().filter(|(no, _)| documents.contains(*no));
            versions.extend(of_block.map(|(_, version)| version));
        }
        let of_tail = dataset.tail.iter().filter(|document| documents.contains(document.no));
        versions.extend(of_tail.map(|document| document.version));
    }
    versions.retain(|version| !snapshot.is_dead(*version));
    versions
}

/// The cosines of the chunks that only the text search found.
fn remaining_cosines(
    snapshot: &Snapshot,
    vector: &QueryVector,
    matching: &[(f32, ChunkKey)],
    near: &[(f32, ChunkKey)],
) -> Vec<(f32, ChunkKey)> {
    let near: FxHashSet<ChunkKey> = near.iter().map(|(_, key)| *key).collect();
    let missing = matching.iter().map(|(_, key)| *key).filter(|key| !near.contains(key));
    missing.filter_map(|key| Some((vector_search::cosine(snapshot, vector, key)?, key))).collect()
}

/// The chunks by id, best first, ties by id.
fn hits(snapshot: &Snapshot, found: Vec<(f32, ChunkKey)>) -> Vec<ChunkHit> {
    let hit = |(score, key): (f32, ChunkKey)| {
        let id = snapshot.document(key)?.ids.get(key.position())?;
        Some(ChunkHit { chunk: id.parse().ok()?, score })
    };
    let mut hits: Vec<ChunkHit> = found.into_iter().filter_map(hit).collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
    hits
}
