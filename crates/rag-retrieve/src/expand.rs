//! What leads on from passages: a document's table of contents, its sections, entities that are related.

use std::collections::HashSet;
use std::ops::Range;

use rag_core::{Chunk, ChunkFilter, ChunkId, ChunkKind, Dataset, DocumentId, SearchQuery};

use crate::load::load;
use crate::retriever::Retriever;
use crate::{FusedHit, RetrieveError, RetrievedChunk};

/// Chunks that are read at once, and of one document at most.
const AT_ONCE: u32 = 512;
const MOST_READ: u32 = 16 * AT_ONCE;

/// Hits among which the entities that a question is about are looked for, and how many of these are taken.
const HITS_OF_QUESTION: usize = 64;
const MOST_ASKED_FOR: usize = 3;

/// Hits among which an entity of a name is looked for, and names that are looked up.
const HITS_OF_NAME: usize = 8;
const MOST_NAMES: usize = 12;

impl Retriever {
    /// The table of contents of a document, if it has one: a line for each entry, indented by two spaces for each level,
    /// with the number of the chunk that it begins in, as `Title [12]`.
    ///
    /// # Errors
    /// The store's own.
    pub fn contents(&self, document: &DocumentId) -> Result<Option<Chunk>, RetrieveError> {
        let Some(known) = self.store.document(document)? else { return Ok(None) };
        // It stands behind the passages, so the search begins at the end.
        let mut end = known.chunks.saturating_add(1);
        let first = end.saturating_sub(MOST_READ);
        while end > first {
            let start = end.saturating_sub(AT_ONCE).max(first);
            let chunks = self.store.document_chunks(document, start..end)?;
            if let Some(found) = chunks.into_iter().find(|chunk| chunk.kind == ChunkKind::Contents)
            {
                return Ok(Some(found));
            }
            end = start;
        }
        Ok(None)
    }

    /// The passages of a document with these numbers, at most `most`, all with this score.
    ///
    /// # Errors
    /// The store's own.
    pub fn passages_at(
        &self,
        document: &DocumentId,
        numbers: &[Range<u32>],
        most: usize,
        score: f32,
    ) -> Result<Vec<RetrievedChunk>, RetrieveError> {
        let mut found: Vec<ChunkId> = Vec::new();
        for range in numbers {
            let range = range.start..range.end.min(range.start.saturating_add(AT_ONCE));
            let chunks = self.store.document_chunks(document, range)?;
            let passages = chunks.into_iter().filter(|chunk| chunk.kind == ChunkKind::Passage);
            found.extend(passages.map(|chunk| chunk.id));
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        load(self, &found.into_iter().map(|chunk| hit(chunk, score)).collect::<Vec<_>>())
    }

    /// What documents of these datasets say of the entities that a question is about, of those of these names, and of those
    /// that the former are related to; all with this score.
    ///
    /// # Errors
    /// The store's or the index's own.
    pub fn graph(
        &self,
        datasets: &[Dataset],
        question: &str,
        names: &[String],
        score: f32,
    ) -> Result<Vec<RetrievedChunk>, RetrieveError> {
        let mut found = self.entities(datasets, question, HITS_OF_QUESTION, score, |_| true)?;
        found.truncate(MOST_ASKED_FOR);
        let related = found.iter().flat_map(|entity| entity.chunk.keywords.clone());
        let mut names: Vec<String> = names.iter().cloned().chain(related).collect();
        let mut known = HashSet::new();
        names.retain(|name| known.insert(name.to_lowercase()));
        names.truncate(MOST_NAMES);
        for name in &names {
            let is_it = |heading: &str| heading.eq_ignore_ascii_case(name);
            found.extend(self.entities(datasets, name, HITS_OF_NAME, score, is_it)?);
        }
        let mut known = HashSet::new();
        found.retain(|entity| known.insert(entity.chunk.id.clone()));
        Ok(found)
    }

    /// The entities among the hits of a text, whose names are such.
    fn entities(
        &self,
        datasets: &[Dataset],
        text: &str,
        limit: usize,
        score: f32,
        is_such: impl Fn(&str) -> bool,
    ) -> Result<Vec<RetrievedChunk>, RetrieveError> {
        let query = SearchQuery {
            text: Some(text.to_owned()),
            filter: ChunkFilter {
                datasets: datasets.iter().map(|dataset| dataset.id.clone()).collect(),
                ..ChunkFilter::default()
            },
            limit,
            ..SearchQuery::default()
        };
        let hits = self.index.search(&query)?.text;
        let hits: Vec<FusedHit> = hits.into_iter().map(|one| hit(one.chunk, score)).collect();
        let is_entity = |chunk: &Chunk| {
            let name = chunk.headings.last();
            chunk.kind == ChunkKind::Entity && name.is_some_and(|name| is_such(name))
        };
        Ok(load(self, &hits)?.into_iter().filter(|found| is_entity(&found.chunk)).collect())
    }
}

/// A hit that no search scored.
fn hit(chunk: ChunkId, score: f32) -> FusedHit {
    FusedHit {
        chunk,
        score,
        text: None,
        vector: None,
        coverage: 0.0,
        nearness: 0.0,
        vector_weight: 0.0,
    }
}
