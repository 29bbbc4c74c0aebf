//! A dataset to fill and to search, in few words.

use std::time::Duration;

use rag_core::{
    Chunk, ChunkFilter, ChunkHit, ClaimedJob, ContentHash, Dataset, DatasetSettings, Document,
    DocumentId, DocumentSource, EmbeddedChunk, EmbeddingIdentity, IngestJob, SearchQuery,
    SearchResults, StoreError, StoreErrorKind, Submitted, TenantId,
};

use super::Store;

/// Longer than any case runs.
pub(super) const LONG: Duration = Duration::from_secs(600);
pub(super) const DIMENSIONS: usize = 4;

/// A dataset to fill and to search.
pub(super) struct Shelf<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) dataset: Dataset,
}

/// The text and the vector of a chunk.
pub(super) type Passage<'a> = (&'a str, [f32; DIMENSIONS]);

pub(super) const EAST: [f32; DIMENSIONS] = [1.0, 0.0, 0.0, 0.0];
pub(super) const NORTH: [f32; DIMENSIONS] = [0.0, 1.0, 0.0, 0.0];
pub(super) const NORTH_EAST: [f32; DIMENSIONS] = [0.8, 0.6, 0.0, 0.0];
pub(super) const UP: [f32; DIMENSIONS] = [0.0, 0.0, 1.0, 0.0];

pub(super) fn identity() -> EmbeddingIdentity {
    EmbeddingIdentity {
        model: "test/compass".into(),
        dimensions: DIMENSIONS as u32,
        ..EmbeddingIdentity::default()
    }
}

impl<'a> Shelf<'a> {
    pub(super) fn new(store: &'a dyn Store, name: &str) -> Self {
        let dataset = store
            .ensure_dataset(&TenantId::local(), name, &identity(), &DatasetSettings::default())
            .expect("a dataset");
        Self { store, dataset }
    }

    pub(super) fn job(&self, name: &str, content: u8) -> IngestJob {
        IngestJob::new(
            self.dataset.id.clone(),
            name.into(),
            DocumentSource::File { path: format!("/files/{name}").into() },
            ContentHash([content; 32]),
            10,
        )
    }

    pub(super) fn submit(&self, name: &str, content: u8) -> Submitted {
        self.store.submit(&self.job(name, content)).expect("submitted")
    }

    pub(super) fn claim(&self) -> ClaimedJob {
        self.store.claim(LONG, 3).expect("claimed").expect("a job")
    }

    /// Submits, claims and completes a document; its chunks are called `NAME-CONTENT-NUMBER`.
    pub(super) fn ingest(&self, name: &str, content: u8, passages: &[Passage<'_>]) -> DocumentId {
        let Submitted::Queued(document) = self.submit(name, content) else {
            panic!("{name} was not queued");
        };
        let job = self.claim();
        assert_eq!(job.document, document, "the only job is the submitted one");
        self.complete(&job, content, passages).expect("completed");
        document
    }

    pub(super) fn complete(
        &self,
        job: &ClaimedJob,
        content: u8,
        passages: &[Passage<'_>],
    ) -> Result<(), StoreError> {
        self.store.complete(job, embedded(job, content, passages).into())
    }

    pub(super) fn filter(&self) -> ChunkFilter {
        ChunkFilter { datasets: vec![self.dataset.id.clone()], ..ChunkFilter::default() }
    }

    pub(super) fn search(
        &self,
        text: Option<&str>,
        vector: Option<[f32; DIMENSIONS]>,
    ) -> SearchResults {
        self.search_in(self.filter(), text, vector)
    }

    pub(super) fn search_in(
        &self,
        filter: ChunkFilter,
        text: Option<&str>,
        vector: Option<[f32; DIMENSIONS]>,
    ) -> SearchResults {
        let query = SearchQuery {
            text: text.map(Into::into),
            vector: vector.map(|vector| vector.to_vec()),
            filter,
            limit: 10,
            ..SearchQuery::default()
        };
        self.store.search(&query).expect("searched")
    }

    pub(super) fn words(&self, text: &str) -> Vec<String> {
        ids(&self.search(Some(text), None).text)
    }

    pub(super) fn near(&self, vector: [f32; DIMENSIONS]) -> Vec<String> {
        ids(&self.search(None, Some(vector)).vector)
    }

    pub(super) fn count(&self) -> u64 {
        self.store.count(&self.filter()).expect("counted")
    }

    pub(super) fn document(&self, id: &DocumentId) -> Document {
        self.store.document(id).expect("read").expect("a document")
    }
}

pub(super) fn embedded(
    job: &ClaimedJob,
    content: u8,
    passages: &[Passage<'_>],
) -> Vec<EmbeddedChunk> {
    let chunk = |(ordinal, (text, vector)): (usize, &Passage<'_>)| EmbeddedChunk {
        chunk: Chunk {
            ordinal: ordinal as u32,
            tokens: 1,
            ..Chunk::new(
                format!("{}-{content}-{ordinal}", job.job.name.replace('.', "_"))
                    .parse()
                    .expect("an id"),
                job.job.dataset.clone(),
                job.document.clone(),
                (*text).into(),
            )
        },
        vector: vector.to_vec(),
    };
    passages.iter().enumerate().map(chunk).collect()
}

pub(super) fn ids(hits: &[ChunkHit]) -> Vec<String> {
    hits.iter().map(|hit| hit.chunk.as_str().to_owned()).collect()
}

pub(super) fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.expect_err("an error").kind()
}

pub(super) fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}
