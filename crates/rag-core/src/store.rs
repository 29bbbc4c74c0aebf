//! The traits of stores. All methods may block; call them on threads made for that.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::StoreErrorKind;
use crate::{
    ArtifactStore, Chunk, ChunkFilter, ChunkId, ChunkingOptions, ContentHash, ConversationStore,
    Dataset, DatasetId, DatasetSettings, Document, DocumentChange, DocumentId, EmbeddedChunk,
    EmbeddingIdentity, IngestStage, KnownField, Metadata, ReembeddingStore, SearchQuery,
    SearchResults, StoreError, TenantId,
};

/// Datasets, documents, jobs and chunk texts: the truth. What a method acknowledged survives a crash.
pub trait MetadataStore: Send + Sync {
    /// The tenant's dataset called `name`, made with the given settings if there is none.
    ///
    /// # Errors
    /// [`StoreErrorKind::EmbeddingMismatch`] when it exists with another embedding identity; the message names the way
    /// out. The prefixes are part of the identity.
    fn ensure_dataset(
        &self,
        tenant: &TenantId,
        name: &str,
        embedding: &EmbeddingIdentity,
        settings: &DatasetSettings,
    ) -> Result<Dataset, StoreError>;

    /// Changes how the dataset's documents are cut, enriched and ranked from now on.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when there is no such dataset.
    fn update_dataset(
        &self,
        dataset: &DatasetId,
        settings: &DatasetSettings,
    ) -> Result<(), StoreError>;

    /// Calls the dataset otherwise.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when there is no such dataset, [`StoreErrorKind::Occupied`] when its tenant has
    /// another one of that name.
    fn rename_dataset(&self, dataset: &DatasetId, name: &str) -> Result<(), StoreError>;

    /// The tenant's dataset called `name`, if any.
    ///
    /// # Errors
    /// Only the engine's own.
    fn dataset(&self, tenant: &TenantId, name: &str) -> Result<Option<Dataset>, StoreError>;

    /// The tenant's dataset of that id; `None` also when it is another tenant's.
    ///
    /// # Errors
    /// Only the engine's own.
    fn dataset_by_id(
        &self,
        tenant: &TenantId,
        id: &DatasetId,
    ) -> Result<Option<Dataset>, StoreError>;

    /// The tenant's datasets by name.
    ///
    /// # Errors
    /// Only the engine's own.
    fn datasets(&self, tenant: &TenantId) -> Result<Vec<Dataset>, StoreError>;

    /// The documents of a dataset by name.
    ///
    /// # Errors
    /// Only the engine's own.
    fn documents(&self, dataset: &DatasetId) -> Result<Vec<Document>, StoreError>;

    /// One document, if it exists.
    ///
    /// # Errors
    /// Only the engine's own.
    fn document(&self, id: &DocumentId) -> Result<Option<Document>, StoreError>;

    /// The document of that name in a dataset, if it exists.
    ///
    /// # Errors
    /// Only the engine's own.
    fn document_by_name(
        &self,
        dataset: &DatasetId,
        name: &str,
    ) -> Result<Option<Document>, StoreError>;

    /// Replaces what is known of a document besides its text; filters see it when this returns. It is kept when the
    /// document is ingested again, and goes before what is found then. Whether the document exists.
    ///
    /// # Errors
    /// Only the engine's own.
    fn set_metadata(&self, document: &DocumentId, metadata: &Metadata) -> Result<bool, StoreError>;

    /// Changes what a document's owner says of it. Whether the document exists.
    ///
    /// # Errors
    /// [`StoreErrorKind::Occupied`] when the dataset has another document of that name; nothing is changed then.
    fn change_document(
        &self,
        document: &DocumentId,
        change: &DocumentChange,
    ) -> Result<bool, StoreError>;

    /// Notes a file as a document that is [kept](crate::DocumentStatus::Kept), and queues nothing.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when there is no such dataset, [`StoreErrorKind::Occupied`] when it has a document of
    /// that name.
    fn keep(&self, job: &IngestJob) -> Result<DocumentId, StoreError>;

    /// Accepts a file for ingestion: one transaction that makes or updates the document and queues its job. Nothing is
    /// queued when a document of that name has the same content and is ready, queued or running; where its bytes are is
    /// noted all the same.
    ///
    /// # Errors
    /// Only the engine's own.
    fn submit(&self, job: &IngestJob) -> Result<Submitted, StoreError>;

    /// Accepts many files, in order; all or none. As [`submit`](Self::submit) one by one, but an engine may do it in one
    /// transaction, which is faster by far when each waits for the disk.
    ///
    /// # Errors
    /// As `submit`.
    fn submit_all(&self, jobs: &[IngestJob]) -> Result<Vec<Submitted>, StoreError>;

    /// Takes back the job of a document, queued or running: its worker loses the claim, and the document is
    /// [cancelled](crate::DocumentStatus::Cancelled). Whether there was a job.
    ///
    /// # Errors
    /// Only the engine's own.
    fn cancel(&self, document: &DocumentId) -> Result<bool, StoreError>;

    /// Queues a document again that failed or was cancelled, as it was submitted last. Whether it did: not when the
    /// document does not exist, is ready, or has a job.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] when nothing is known any more of where its bytes are; submit it again then.
    fn retry(&self, document: &DocumentId) -> Result<bool, StoreError>;

    /// Queues a document as it was submitted or kept last, whatever became of it. Whether it did: not when the document
    /// does not exist or has a job.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    fn ingest_again(&self, document: &DocumentId) -> Result<bool, StoreError>;

    /// Jobs of a dataset, first those that are held, then the others in the order in which they will be taken; at most
    /// `limit`.
    ///
    /// # Errors
    /// Only the engine's own.
    fn jobs(&self, dataset: &DatasetId, limit: usize) -> Result<Vec<JobState>, StoreError>;

    /// Takes the job of the highest priority that nobody holds, the oldest of these, for as long as `lease`. A job
    /// whose lease ran out (its worker died) is nobody's again, and after `max_attempts` takings its document is marked
    /// failed instead.
    ///
    /// # Errors
    /// Only the engine's own.
    fn claim(&self, lease: Duration, max_attempts: u32) -> Result<Option<ClaimedJob>, StoreError>;

    /// Reports the step of a held job, and extends its lease.
    ///
    /// # Errors
    /// [`StoreErrorKind::LeaseLost`] when the job is no longer held by this claim.
    fn advance(
        &self,
        job: &ClaimedJob,
        stage: IngestStage,
        lease: Duration,
    ) -> Result<(), StoreError>;

    /// Ends a held job as failed. The document keeps what was searchable before.
    ///
    /// # Errors
    /// [`StoreErrorKind::LeaseLost`] when the job is no longer held by this claim.
    fn fail(&self, job: &ClaimedJob, reason: &str) -> Result<(), StoreError>;

    /// Gives a held job back undone, to be taken again when `delay` is over; this taking does not count as an attempt.
    /// For what is not the file's fault: a model that cannot be reached, a program that ends. The reason, if any, is
    /// kept with the job.
    ///
    /// # Errors
    /// [`StoreErrorKind::LeaseLost`] when the job is no longer held by this claim.
    fn postpone(
        &self,
        job: &ClaimedJob,
        delay: Duration,
        reason: Option<&str>,
    ) -> Result<(), StoreError>;

    /// Gives a held job back undone: it is nobody's again at once.
    ///
    /// # Errors
    /// As [`postpone`](Self::postpone).
    fn release(&self, job: &ClaimedJob) -> Result<(), StoreError> {
        self.postpone(job, Duration::ZERO, None)
    }

    /// Forgets all leases. For the one process of an embedded store, at start: whoever held a job is dead.
    ///
    /// # Errors
    /// Only the engine's own.
    fn release_leases(&self) -> Result<(), StoreError>;

    /// Jobs that are queued or running.
    ///
    /// # Errors
    /// Only the engine's own.
    fn pending_jobs(&self) -> Result<u64, StoreError>;

    /// Chunks by id, in the order asked for; those that do not exist are left out.
    ///
    /// # Errors
    /// Only the engine's own.
    fn chunks(&self, ids: &[ChunkId]) -> Result<Vec<Chunk>, StoreError>;

    /// Chunks of a document by number; `range` is of ordinals.
    ///
    /// # Errors
    /// Only the engine's own.
    fn document_chunks(
        &self,
        document: &DocumentId,
        range: Range<u32>,
    ) -> Result<Vec<Chunk>, StoreError>;

    /// The first `limit` chunks of a document from this number on, in the order of their numbers, which may have gaps.
    ///
    /// # Errors
    /// Only the engine's own.
    fn chunk_page(
        &self,
        document: &DocumentId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError> {
        let mut chunks = self.document_chunks(document, from..u32::MAX)?;
        chunks.sort_by_key(|chunk| chunk.ordinal);
        chunks.truncate(limit);
        Ok(chunks)
    }

    /// Chunks of a document with their vectors, all of the version that can be found now, in order.
    ///
    /// # Errors
    /// Only the engine's own.
    fn embedded_chunks(&self, document: &DocumentId) -> Result<Vec<EmbeddedChunk>, StoreError>;

    /// How much a dataset holds.
    ///
    /// # Errors
    /// Only the engine's own.
    fn dataset_totals(&self, dataset: &DatasetId) -> Result<DatasetTotals, StoreError>;

    /// How much is stored.
    ///
    /// # Errors
    /// Only the engine's own.
    fn stats(&self) -> Result<StoreStats, StoreError>;
}

/// The searchable side of a store.
pub trait ChunkIndex: Send + Sync {
    /// Ends a held job: replaces all chunks of the document by these, marks it ready and removes the job, in one step.
    /// When this returns, exactly the new chunks of that document can be found; before, exactly the old ones.
    ///
    /// # Errors
    /// [`StoreErrorKind::LeaseLost`] when the job is no longer held by this claim; nothing has changed then.
    /// [`StoreErrorKind::EmbeddingMismatch`] when a vector has another length than the dataset's.
    fn complete(&self, job: &ClaimedJob, document: CompletedDocument) -> Result<(), StoreError>;

    /// Changes chunks of a document in one step, as its owner says, until it is ingested again. Its job, if it has one,
    /// goes on. Whether the document exists.
    ///
    /// # Errors
    /// [`StoreErrorKind::EmbeddingMismatch`] when a vector has another length than the dataset's.
    fn edit_chunks(&self, document: &DocumentId, edit: &ChunkEdit) -> Result<bool, StoreError>;

    /// Removes a document with all of its chunks and jobs; it cannot be found when this returns. Whether it existed.
    ///
    /// # Errors
    /// Only the engine's own.
    fn delete_document(&self, document: &DocumentId) -> Result<bool, StoreError>;

    /// Removes a dataset with everything in it. Whether it existed.
    ///
    /// # Errors
    /// Only the engine's own.
    fn delete_dataset(&self, dataset: &DatasetId) -> Result<bool, StoreError>;

    /// Searches text, vectors or both. Sees every completed write.
    ///
    /// # Errors
    /// [`StoreErrorKind::EmbeddingMismatch`] when the query's vector has another length than a dataset's.
    /// [`StoreErrorKind::InvalidFilter`] when the filter is not as [`MetadataFilter::check`](crate::MetadataFilter::check)
    /// wants it.
    fn search(&self, query: &SearchQuery) -> Result<SearchResults, StoreError>;

    /// Chunks that a filter lets through.
    ///
    /// # Errors
    /// [`StoreErrorKind::InvalidFilter`] when the filter is not as [`MetadataFilter::check`](crate::MetadataFilter::check)
    /// wants it.
    fn count(&self, filter: &ChunkFilter) -> Result<u64, StoreError>;

    /// The fields that the documents of these datasets have, by name, each with `most_values` of its values at most: what
    /// filters can be made of.
    ///
    /// # Errors
    /// [`StoreErrorKind::Full`] where there are more than the engine looks through.
    fn metadata_fields(
        &self,
        datasets: &[DatasetId],
        most_values: usize,
    ) -> Result<Vec<KnownField>, StoreError>;

    /// The byte ranges of a text that are words of the question as this engine's full-text search sees them: for
    /// snippets. In order, apart from each other, each beginning and ending between characters. An engine that cannot
    /// tell gives none. Takes time in proportion to the text, and reads nothing that is stored.
    fn highlight(&self, question: &str, text: &str) -> Vec<Range<usize>> {
        let _ = (question, text);
        Vec::new()
    }
}

/// What ingestion needs of a store: every type that has these sides is one.
pub trait IngestStore: MetadataStore + ChunkIndex + ArtifactStore + ReembeddingStore {}

impl<S> IngestStore for S where
    S: MetadataStore + ChunkIndex + ArtifactStore + ReembeddingStore + ?Sized
{
}

/// All sides of a store: every type that has them is one.
pub trait Store: IngestStore + ConversationStore {}

impl<S: IngestStore + ConversationStore + ?Sized> Store for S {}

/// What of a document's chunks is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChunkEdit {
    /// Chunks in place of those of the same id, or, where there is none, after the last one; what they say of their
    /// number is not looked at.
    pub put: Vec<EmbeddedChunk>,
    /// Chunks to remove; those that are not there change nothing.
    pub remove: Vec<ChunkId>,
}

/// What a document's ingestion came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompletedDocument {
    /// Title as the parser found it.
    pub title: Option<String>,
    /// Pages, 0 for formats without.
    pub pages: u32,
    /// What is known of it besides its text.
    pub metadata: Metadata,
    /// Its chunks in order; those that are not searched have no vector.
    pub chunks: Vec<EmbeddedChunk>,
}

/// Chunks of a document of which nothing else is known.
impl From<Vec<EmbeddedChunk>> for CompletedDocument {
    fn from(chunks: Vec<EmbeddedChunk>) -> Self {
        Self { chunks, ..Self::default() }
    }
}

/// A file to ingest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IngestJob {
    /// Where to.
    pub dataset: DatasetId,
    /// The document's name, unique in the dataset.
    pub name: String,
    /// Where its bytes are.
    pub source: DocumentSource,
    /// Hash of its bytes.
    pub content: ContentHash,
    /// How many there are.
    pub bytes: u64,
    /// Jobs of higher priority are taken first.
    #[serde(default)]
    pub priority: u8,
    /// How to cut it; `None`: as its dataset says.
    #[serde(default)]
    pub chunking: Option<ChunkingOptions>,
    /// What its owner knows of it besides its text; goes before what the parser finds. Fields that it does not name stay
    /// as they were given before.
    #[serde(default)]
    pub metadata: Metadata,
}

impl IngestJob {
    /// A file to ingest as its dataset says, with the usual priority.
    pub fn new(
        dataset: DatasetId,
        name: String,
        source: DocumentSource,
        content: ContentHash,
        bytes: u64,
    ) -> Self {
        let (priority, chunking, metadata) = (0, None, Metadata::new());
        Self { dataset, name, source, content, bytes, priority, chunking, metadata }
    }
}

/// Where a document's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocumentSource {
    /// In a file of this machine, read again when the job runs.
    File {
        /// Absolute path.
        path: PathBuf,
    },
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// A job was queued.
    Queued(DocumentId),
    /// The document has this content already, or is about to.
    Unchanged(DocumentId),
}

/// A job that this worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedJob {
    /// The job's number.
    pub id: i64,
    /// Tells this claim from later ones of the same job.
    pub claim: i64,
    /// Which taking this is, from 1; those that were [postponed](MetadataStore::postpone) do not count.
    pub attempt: u32,
    /// How far the taking before came, if there was one.
    pub last_stage: Option<IngestStage>,
    /// Why the taking before was postponed, if it was.
    pub last_reason: Option<String>,
    /// Whose it is.
    pub tenant: TenantId,
    /// The document.
    pub document: DocumentId,
    /// The file.
    pub job: IngestJob,
    /// How to cut and enrich it; what the job says of cutting is in it.
    pub settings: DatasetSettings,
    /// What to embed it with.
    pub embedding: EmbeddingIdentity,
}

/// A job as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// The document.
    pub document: DocumentId,
    /// The document's name.
    pub name: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Jobs of higher priority are taken first.
    pub priority: u8,
    /// How often it was taken; those that were [postponed](MetadataStore::postpone) do not count.
    pub attempts: u32,
    /// The step that it is at, or that its last worker came to.
    pub stage: Option<IngestStage>,
    /// Whether a worker holds it.
    pub held: bool,
    /// Milliseconds since the epoch: when it may be taken, when nobody holds it.
    pub due_at: i64,
    /// Why it was postponed last, if it was.
    pub last_reason: Option<String>,
}

/// How much a dataset holds: its documents, and what of them can be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DatasetTotals {
    pub documents: u64,
    pub chunks: u64,
    pub tokens: u64,
    /// When a document of it changed last, in milliseconds since the epoch; 0 without documents.
    pub updated_at: i64,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct StoreStats {
    pub datasets: u64,
    pub documents: u64,
    pub chunks: u64,
    pub pending_jobs: u64,
}
