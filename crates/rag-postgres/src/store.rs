//! [`PostgresStore`]: the store that several processes share.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rag_core::{
    ArtifactKey, ArtifactStore, Chunk, ChunkEdit, ChunkFilter, ChunkId, ChunkIndex, ClaimedJob,
    CompletedDocument, Dataset, DatasetId, DatasetSettings, DatasetTotals, Document,
    DocumentChange, DocumentId, EmbeddedChunk, EmbeddingIdentity, IngestJob, IngestStage, JobState,
    KnownField, Metadata, MetadataStore, SearchQuery, SearchResults, StoreError, StoreStats,
    Submitted, TenantId,
};
use uuid::Uuid;

use crate::chores::{self, Chores};
use crate::chunks::Prepared;
use crate::claims::Claimed;
use crate::failure::engine;
use crate::jobs::Again;
use crate::options::PostgresOptions;
use crate::pool::Pool;
use crate::scope::Scope;
use crate::statistics::Statistics;
use crate::{
    artifacts, chunks, claims, completion, datasets, documents, fields, jobs, replicas, schema,
    search,
};

/// A store over PostgreSQL with pgvector, which any number of processes share.
///
/// Every write is one transaction, seen by all of them when it returns. All methods block for as long as the database
/// takes, within the bounds of [`PostgresOptions`]; they may be called on any thread that may block.
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
    _chores: Chores,
}

pub(crate) struct Inner {
    pub(crate) options: PostgresOptions,
    pub(crate) pool: Pool,
    /// This process, to the others.
    pub(crate) replica: String,
    statistics: Statistics,
}

impl PostgresStore {
    /// Connects to a database, and makes or migrates its tables. Processes that do so at once wait for each other.
    ///
    /// # Errors
    /// [`Incompatible`](rag_core::StoreErrorKind::Incompatible) when the address cannot be read, when the tables are of a
    /// version too new for this program, or pgvector of one too old; [`NotFound`](rag_core::StoreErrorKind::NotFound)
    /// when there is no pgvector; [`Engine`](rag_core::StoreErrorKind::Engine) when the server cannot be reached.
    pub fn open(options: PostgresOptions) -> Result<Arc<Self>, StoreError> {
        let pool = Pool::new(&options)?;
        schema::migrate(&mut *pool.take()?)?;
        let replica = Uuid::now_v7().simple().to_string();
        pool.read(|database| replicas::live(database, &replica))?;
        let statistics = Statistics::default();
        let inner = Arc::new(Inner { options, pool, replica, statistics });
        let chores = Chores::start(&inner)
            .map_err(|error| engine("a thread for PostgreSQL does not start").with_source(error))?;
        Ok(Arc::new(Self { inner, _chores: chores }))
    }

    /// Does at once what is otherwise done in the background: deletes what nothing refers to, makes approximate indexes
    /// of large sets of vectors. Takes minutes for these.
    ///
    /// # Errors
    /// Only the engine's own.
    pub fn do_chores(&self) -> Result<(), StoreError> {
        chores::all(&self.inner)
    }
}

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

impl ChunkIndex for PostgresStore {
    fn complete(&self, job: &ClaimedJob, document: CompletedDocument) -> Result<(), StoreError> {
        let prepared = Prepared::new(&document);
        let pool = &self.inner.pool;
        pool.write(|database| completion::complete(database, job, &document, &prepared))
    }

    fn edit_chunks(&self, document: &DocumentId, edit: &ChunkEdit) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| completion::edit(database, document, edit))
    }

    fn delete_document(&self, document: &DocumentId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| documents::delete(database, document))
    }

    fn delete_dataset(&self, dataset: &DatasetId) -> Result<bool, StoreError> {
        self.inner.pool.write(|database| datasets::delete(database, dataset))
    }

    fn search(&self, query: &SearchQuery) -> Result<SearchResults, StoreError> {
        let Inner { pool, statistics, options, .. } = &*self.inner;
        pool.read_snapshot(|database| {
            search::search(database, statistics, options.exact_chunks, query)
        })
    }

    fn count(&self, filter: &ChunkFilter) -> Result<u64, StoreError> {
        Ok(self.inner.pool.read_snapshot(|database| Scope::of(database, filter))?.chunks)
    }

    fn metadata_fields(
        &self,
        datasets: &[DatasetId],
        most_values: usize,
    ) -> Result<Vec<KnownField>, StoreError> {
        self.inner.pool.read_snapshot(|database| fields::known(database, datasets, most_values))
    }

    fn highlight(&self, question: &str, text: &str) -> Vec<Range<usize>> {
        rag_terms::highlight(question, text)
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
