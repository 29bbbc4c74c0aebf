//! The truth of an [`EmbeddedStore`]: datasets, documents, jobs, chunks, artifacts.

use std::ops::Range;
use std::time::Duration;

use rag_core::{
    ArtifactKey, ArtifactStore, Chunk, ChunkId, ClaimedJob, Dataset, DatasetId, DatasetSettings,
    DatasetTotals, Document, DocumentChange, DocumentId, EmbeddedChunk, EmbeddingIdentity,
    IngestJob, IngestStage, JobState, Metadata, MetadataStore, StoreError, StoreStats, Submitted,
    TenantId,
};

use crate::chunks::Vectors;
use crate::embedded::EmbeddedStore;
use crate::jobs::Again;
use crate::snapshot::Change;
use crate::{artifacts, chunks, claims, datasets, documents, failure, jobs, owner_changes};

impl MetadataStore for EmbeddedStore {
    fn ensure_dataset(
        &self,
        tenant: &TenantId,
        name: &str,
        embedding: &EmbeddingIdentity,
        settings: &DatasetSettings,
    ) -> Result<Dataset, StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        let (embedding, settings) = (embedding.clone(), settings.clone());
        self.inner.write(move |connection, changes| {
            let (dataset, made) =
                datasets::ensure(connection, &tenant, &name, &embedding, &settings)?;
            changes.extend(made.map(Change::DatasetMade));
            Ok(dataset)
        })
    }

    fn dataset(&self, tenant: &TenantId, name: &str) -> Result<Option<Dataset>, StoreError> {
        self.inner.readers.read(|connection| datasets::find(connection, tenant, name))
    }

    fn dataset_by_id(
        &self,
        tenant: &TenantId,
        id: &DatasetId,
    ) -> Result<Option<Dataset>, StoreError> {
        self.inner.readers.read(|connection| datasets::find_by_id(connection, tenant, id))
    }

    fn datasets(&self, tenant: &TenantId) -> Result<Vec<Dataset>, StoreError> {
        self.inner.readers.read(|connection| datasets::list(connection, tenant))
    }

    fn documents(&self, dataset: &DatasetId) -> Result<Vec<Document>, StoreError> {
        self.inner.readers.read(|connection| documents::list(connection, dataset))
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.inner.readers.read(|connection| documents::find(connection, id))
    }

    fn document_by_name(
        &self,
        dataset: &DatasetId,
        name: &str,
    ) -> Result<Option<Document>, StoreError> {
        self.inner.readers.read(|connection| documents::find_by_name(connection, dataset, name))
    }

    fn rename_dataset(&self, dataset: &DatasetId, name: &str) -> Result<(), StoreError> {
        let (dataset, name) = (dataset.clone(), name.to_owned());
        self.inner.write(move |connection, _| datasets::rename(connection, &dataset, &name))
    }

    fn change_document(
        &self,
        document: &DocumentId,
        change: &DocumentChange,
    ) -> Result<bool, StoreError> {
        let (document, change) = (document.clone(), change.clone());
        self.inner.write(move |connection, changes| {
            let hiding = owner_changes::apply(connection, &document, &change)?;
            let exists = hiding.is_some();
            changes.extend(hiding.flatten());
            Ok(exists)
        })
    }

    fn keep(&self, job: &IngestJob) -> Result<DocumentId, StoreError> {
        let job = job.clone();
        self.inner.write(move |connection, _| jobs::keep(connection, &job))
    }

    fn submit(&self, job: &IngestJob) -> Result<Submitted, StoreError> {
        let job = job.clone();
        self.inner.write(move |connection, _| jobs::submit(connection, &job))
    }

    fn submit_all(&self, jobs: &[IngestJob]) -> Result<Vec<Submitted>, StoreError> {
        let jobs = jobs.to_vec();
        self.inner.write(move |connection, _| {
            jobs.iter().map(|job| jobs::submit(connection, job)).collect()
        })
    }

    fn claim(&self, lease: Duration, max_attempts: u32) -> Result<Option<ClaimedJob>, StoreError> {
        if !self.inner.readers.read(claims::any_free)? {
            return Ok(None);
        }
        self.inner
            .write_repeatable(move |connection, _| claims::claim(connection, lease, max_attempts))
    }

    fn advance(
        &self,
        job: &ClaimedJob,
        stage: IngestStage,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let job = job.clone();
        self.inner
            .write_repeatable(move |connection, _| claims::advance(connection, &job, stage, lease))
    }

    fn fail(&self, job: &ClaimedJob, reason: &str) -> Result<(), StoreError> {
        let (job, reason) = (job.clone(), reason.to_owned());
        self.inner.write_repeatable(move |connection, _| claims::fail(connection, &job, &reason))
    }

    fn postpone(
        &self,
        job: &ClaimedJob,
        delay: Duration,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        let (job, reason) = (job.clone(), reason.map(str::to_owned));
        self.inner.write_repeatable(move |connection, _| {
            claims::postpone(connection, &job, delay, reason.as_deref())
        })
    }

    fn update_dataset(
        &self,
        dataset: &DatasetId,
        settings: &DatasetSettings,
    ) -> Result<(), StoreError> {
        let (dataset, settings) = (dataset.clone(), settings.clone());
        self.inner.write(move |connection, _| {
            match datasets::update(connection, &dataset, &settings)? {
                true => Ok(()),
                false => Err(failure::not_found(format!("there is no dataset {dataset}"))),
            }
        })
    }

    fn set_metadata(&self, document: &DocumentId, metadata: &Metadata) -> Result<bool, StoreError> {
        let (document, metadata) = (document.clone(), metadata.clone());
        self.inner.write(move |connection, changes| {
            let change = documents::set_metadata(connection, &document, &metadata)?;
            let exists = change.is_some();
            changes.extend(change.map(Change::Metadata));
            Ok(exists)
        })
    }

    fn cancel(&self, document: &DocumentId) -> Result<bool, StoreError> {
        let document = document.clone();
        self.inner.write(move |connection, _| jobs::cancel(connection, &document))
    }

    fn retry(&self, document: &DocumentId) -> Result<bool, StoreError> {
        let document = document.clone();
        self.inner.write(move |connection, _| jobs::again(connection, &document, Again::Unfinished))
    }

    fn ingest_again(&self, document: &DocumentId) -> Result<bool, StoreError> {
        let document = document.clone();
        self.inner.write(move |connection, _| jobs::again(connection, &document, Again::Any))
    }

    fn jobs(&self, dataset: &DatasetId, limit: usize) -> Result<Vec<JobState>, StoreError> {
        self.inner.readers.read(|connection| jobs::list(connection, dataset, limit))
    }

    fn release_leases(&self) -> Result<(), StoreError> {
        self.inner.write_repeatable(|connection, _| claims::release_all(connection, None))
    }

    fn pending_jobs(&self) -> Result<u64, StoreError> {
        self.inner.readers.read(jobs::count)
    }

    fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, StoreError> {
        self.inner.readers.read(|connection| chunks::by_id(connection, ids))
    }

    fn document_chunks(
        &self,
        document: &DocumentId,
        range: Range<u32>,
    ) -> Result<Vec<Chunk>, StoreError> {
        self.inner.readers.read(|connection| chunks::of_document(connection, document, range))
    }

    fn chunk_page(
        &self,
        document: &DocumentId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError> {
        self.inner.readers.read(|connection| chunks::page(connection, document, from, limit))
    }

    fn embedded_chunks(&self, document: &DocumentId) -> Result<Vec<EmbeddedChunk>, StoreError> {
        self.inner.readers.read(|connection| match documents::version(connection, document)? {
            Some(version) => Ok(chunks::of_version(connection, version, Vectors::Current)?.1),
            None => Ok(Vec::new()),
        })
    }

    fn dataset_totals(&self, dataset: &DatasetId) -> Result<DatasetTotals, StoreError> {
        self.inner.readers.read(|connection| datasets::totals(connection, dataset))
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.inner.readers.read(documents::stats)
    }
}

impl ArtifactStore for EmbeddedStore {
    fn artifacts(&self, keys: &[ArtifactKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let used = &self.inner.used_artifacts;
        self.inner.readers.read(|connection| artifacts::find(connection, keys, used))
    }

    fn keep_artifacts(&self, artifacts: Vec<(ArtifactKey, Vec<u8>)>) -> Result<(), StoreError> {
        let most_bytes = self.inner.options.artifact_bytes;
        let used = self.inner.used_artifacts.take();
        self.inner.write_repeatable(move |connection, _| {
            artifacts::keep(connection, &artifacts, &used, most_bytes)
        })
    }
}
