//! The traits of stores. All methods may block; call them on threads made for that.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Chunk, ChunkFilter, ChunkId, ChunkingOptions, Dataset, DatasetId, DatasetSettings, Document,
    DocumentId, EmbeddedChunk, EmbeddingIdentity, IngestStage, Metadata, SearchQuery,
    SearchResults, TenantId,
};

/// A 256-bit hash of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl FromStr for ContentHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is no content hash of 64 hex digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ContentHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> String {
        hash.to_string()
    }
}

/// Datasets, documents, jobs and chunk texts: the truth. What a method acknowledged survives a crash.
pub trait MetadataStore: Send + Sync {
    /// The tenant's dataset called `name`, made with the given settings if there is none.
    ///
    /// # Errors
    /// [`StoreErrorKind::EmbeddingMismatch`] when it exists with another embedding identity.
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

    /// The tenant's dataset called `name`, if any.
    ///
    /// # Errors
    /// Only the engine's own.
    fn dataset(&self, tenant: &TenantId, name: &str) -> Result<Option<Dataset>, StoreError>;

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

    /// Replaces what is known of a document besides its text; filters see it when this returns. Whether it exists.
    ///
    /// # Errors
    /// Only the engine's own.
    fn set_metadata(&self, document: &DocumentId, metadata: &Metadata) -> Result<bool, StoreError>;

    /// Accepts a file for ingestion: one transaction that makes or updates the document and queues its job. Nothing is
    /// queued when a document of that name has the same content and is ready, queued or running.
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

    /// Takes the job of the highest priority that nobody holds, the oldest of these, for as long as `lease`. A job whose lease ran out (its worker died) is
    /// nobody's again, and after `max_attempts` takings its document is marked failed instead.
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

    /// Gives a held job back undone: it is nobody's again at once.
    ///
    /// # Errors
    /// [`StoreErrorKind::LeaseLost`] when the job is no longer held by this claim.
    fn release(&self, job: &ClaimedJob) -> Result<(), StoreError> {
        self.advance(job, IngestStage::Read, Duration::ZERO)
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

    /// Chunks of a document with their vectors, all of the version that can be found now, in order.
    ///
    /// # Errors
    /// Only the engine's own.
    fn embedded_chunks(&self, document: &DocumentId) -> Result<Vec<EmbeddedChunk>, StoreError>;

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
    fn search(&self, query: &SearchQuery) -> Result<SearchResults, StoreError>;

    /// Chunks that a filter lets through.
    ///
    /// # Errors
    /// Only the engine's own.
    fn count(&self, filter: &ChunkFilter) -> Result<u64, StoreError>;
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
    /// What its owner knows of it besides its text; goes before what the parser finds.
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
    /// Which taking this is, from 1.
    pub attempt: u32,
    /// The document.
    pub document: DocumentId,
    /// The file.
    pub job: IngestJob,
    /// How to cut and enrich it; what the job says of cutting is in it.
    pub settings: DatasetSettings,
    /// What to embed it with.
    pub embedding: EmbeddingIdentity,
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

/// Why a store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The job is no longer held by this claim; drop the work.
    LeaseLost,
    /// The vectors are not of the dataset's embedding.
    EmbeddingMismatch,
    /// What was named does not exist.
    NotFound,
    /// What is stored was written by a newer version, or is damaged.
    Incompatible,
    /// Another process holds the data directory.
    Locked,
    /// The disk or the engine failed.
    Engine,
}

/// A failed store operation.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// A failure; `message` says what was being done and what to do, in one line.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Why.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
