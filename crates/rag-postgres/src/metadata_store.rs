//! The truth of a [`PostgresStore`]: datasets, documents, jobs, chunks, artifacts.

use std::ops::Range;
use std::time::Duration;

use rag_core::{
    ArtifactKey, ArtifactStore, Chunk, ChunkId, ClaimedJob, Dataset, DatasetId, DatasetSettings,
    DatasetTotals, Document, DocumentChange, DocumentId, EmbeddedChunk, EmbeddingIdentity,
    IngestJob, IngestStage, JobState, Metadata, MetadataStore, StoreError, StoreStats, Submitted,
    TenantId,
};

use crate::claims::Claimed;
use crate::jobs::Again;
use crate::store::{Inner, PostgresStore};
use crate::{artifacts, chunks, claims, datasets, documents, jobs};

impl MetadataStore for PostgresStore {
    fn ensure_dataset(
        &self,
        tenant: &TenantId,
        name: &str,
        embedding: &EmbeddingIdentity,
        settings: &DatasetSettings,
    ) -> Result<Dataset, StoreError> {
        let pool = &self.inner.pool;
        pool.write(|database| datasets::ensure(database, tenant, name, embedding, settings))
    }

    fn update_dataset(
        &self,
        dataset: &DatasetId,
        settings: &DatasetSettings,
    ) -> Result<(), StoreError> {
        self.inner.pool.write(|database| datasets::update(database, dataset, settings))
    }

    fn rename_dataset(&self, dataset: &DatasetId, name: &str) -> Result<(), StoreError> {
        self.inner.pool.write(|database| datasets::rename(database, dataset, name))
    }

    fn dataset(&self, tenant: &TenantId, name: &str) -> Result<Option<Dataset>, StoreError> {
        self.inner.pool.read(|database| datasets::find(database, tenant, name))
    }

    fn dataset_by_id(
        &self,
        tenant: &TenantId,
        id: &DatasetId,
    ) -> Result<Option<Dataset>, StoreError> {
        self.inner.pool.read(|database| datasets::find_by_id(database, tenant, id))
    }

    fn datasets(&self, tenant: &TenantId) -> Result<Vec<Dataset>, StoreError> {
        self.inner.pool.read(|database| datasets::list(database, tenant))
    }

    fn documents(&self, dataset: &DatasetId) -> Result<Vec<Document>, StoreError> {
        self.inner.pool.read(|database| documents::list(database, dataset))
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.inner.pool.read(|database| documents::find(database, id))
    }

    fn document_by_name(
        &self,
        dataset: &DatasetId,
        name: &str,
    ) -> Result<Option<Document>, StoreError> {
        self.inner.pool.read(|database| documents::find_by_name(database, dataset, name))
    }

    fn set_metadata(&self, document: &DocumentId, metadata: &Metadata) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| documents::set_metadata(database, document, metadata))
    }

    fn change_document(
        &self,
        document: &DocumentId,
        change: &DocumentChange,
    ) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| documents::change(database, document, change))
    }

    fn keep(&self, job: &IngestJob) -> Result<DocumentId, StoreError> {
        self.inner.pool.write(|database| jobs::keep(database, job))
    }

    fn submit(&self, job: &IngestJob) -> Result<Submitted, StoreError> {
        self.inner.pool.write(|database| jobs::submit(database, job))
    }

    fn submit_all(&self, jobs: &[IngestJob]) -> Result<Vec<Submitted>, StoreError> {
        let pool = &self.inner.pool;
        pool.write(|database| jobs.iter().map(|job| jobs::submit(database, job)).collect())
    }

    fn cancel(&self, document: &DocumentId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| jobs::cancel(database, document))
    }

    fn retry(&self, document: &DocumentId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| jobs::again(database, document, Again::Unfinished))
    }

    fn ingest_again(&self, document: &DocumentId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| jobs::again(database, document, Again::Any))
    }

    fn jobs(&self, dataset: &DatasetId, limit: usize) -> Result<Vec<JobState>, StoreError> {
        self.inner.pool.read(|database| jobs::list(database, dataset, limit))
    }

    fn claim(&self, lease: Duration, max_attempts: u32) -> Result<Option<ClaimedJob>, StoreError> {
        let Inner { pool, replica, .. } = &*self.inner;
        if !pool.read(claims::any_free)? {
            return Ok(None);
        }
        loop {
            match pool.write(|database| claims::claim(database, replica, lease, max_attempts))? {
                Claimed::Job(job) => return Ok(Some(*job)),
                Claimed::GaveUp => {}
                Claimed::Nothing => return Ok(None),
            }
        }
    }

    fn advance(
        &self,
        job: &ClaimedJob,
        stage: IngestStage,
        lease: Duration,
    ) -> Result<(), StoreError> {
        self.inner.pool.write(|database| claims::advance(database, job, stage, lease))
    }

    fn fail(&self, job: &ClaimedJob, reason: &str) -> Result<(), StoreError> {
        self.inner.pool.write(|database| claims::fail(database, job, reason))
    }

    fn postpone(
        &self,
        job: &ClaimedJob,
        delay: Duration,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.inner.pool.write(|database| claims::postpone(database, job, delay, reason))
    }

    /// Gives back the jobs that were taken through this store. Those of other processes are theirs; when one has died,
    /// its leases run out.
    fn release_leases(&self) -> Result<(), StoreError> {
        self.inner.pool.write(|database| claims::release_held(database, &self.inner.replica))
    }

    fn pending_jobs(&self) -> Result<u64, StoreError> {
        self.inner.pool.read(jobs::count_all)
    }

    fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, StoreError> {
        self.inner.pool.read(|database| chunks::by_id(database, ids))
    }

    fn document_chunks(
        &self,
        document: &DocumentId,
        range: Range<u32>,
    ) -> Result<Vec<Chunk>, StoreError> {
        self.inner.pool.read(|database| chunks::of_document(database, document, range.clone()))
    }

    fn chunk_page(
        &self,
        document: &DocumentId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError> {
        self.inner.pool.read(|database| chunks::page(database, document, from, limit))
    }

    fn embedded_chunks(&self, document: &DocumentId) -> Result<Vec<EmbeddedChunk>, StoreError> {
        self.inner.pool.read(|database| chunks::embedded(database, document, false))
    }

    fn dataset_totals(&self, dataset: &DatasetId) -> Result<DatasetTotals, StoreError> {
        self.inner.pool.read(|database| datasets::totals(database, dataset))
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.inner.pool.read(datasets::stats)
    }
}

impl ArtifactStore for PostgresStore {
    fn artifacts(&self, keys: &[ArtifactKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.inner.pool.read(|database| artifacts::find(database, keys))
    }

    fn keep_artifacts(&self, artifacts: Vec<(ArtifactKey, Vec<u8>)>) -> Result<(), StoreError> {
        let most_bytes = self.inner.options.artifact_bytes;
        self.inner.pool.write(|database| artifacts::keep(database, &artifacts, most_bytes))
    }
}
