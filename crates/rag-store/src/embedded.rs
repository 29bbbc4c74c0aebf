//! [`EmbeddedStore`]: the store of one process, in one directory.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rag_core::{
    ArtifactKey, ArtifactStore, Chunk, ChunkFilter, ChunkId, ChunkIndex, ClaimedJob,
    CompletedDocument, Dataset, DatasetId, DatasetSettings, Document, DocumentId, EmbeddedChunk,
    EmbeddingIdentity, IngestJob, IngestStage, Metadata, MetadataStore, SearchQuery, SearchResults,
    StoreError, StoreErrorKind, StoreStats, Submitted, TenantId,
};
use rusqlite::Connection;

use crate::failure::{self, database};
use crate::key::MOST_CHUNKS;
use crate::lock::DirectoryLock;
use crate::maintenance::{Bell, Chores, Maintenance};
use crate::options::{Durability, StoreOptions};
use crate::prepared::PreparedDocument;
use crate::readers::Readers;
use crate::search::Search;
use crate::search_index::{SearchIndex, Truth};
use crate::snapshot::{Change, TailDocument};
use crate::write_queue::WriteQueue;
use crate::{artifacts, catch_up, chunks, datasets, documents, jobs, schema};

const DATABASE: &str = "store.sqlite";
const INDEX_DIRECTORY: &str = "index";
/// Chunks of replaced documents that are deleted in one go.
const GARBAGE_CHUNKS: usize = 1000;

/// The embedded store: one SQLite database that holds the truth, and indexes derived from it, in one directory. One
/// process has the directory at a time.
///
/// Every write is one transaction of the database, and in the indexes before it returns. All methods block for as long
/// as the disk takes; searches never wait for writes, nor for each other. Dropping the store writes what is in memory
/// to the index files; a store that is not dropped (the process was killed) makes up for it when it is opened again.
pub struct EmbeddedStore {
    // Dropped in this order: the thread ends before the rest is written, and the lock goes last.
    maintenance: Option<Maintenance>,
    inner: Arc<Inner>,
    _lock: DirectoryLock,
}

struct Inner {
    options: StoreOptions,
    database: PathBuf,
    readers: Readers,
    writes: WriteQueue<Change>,
    index: Arc<SearchIndex>,
    bell: Arc<Bell>,
}

impl EmbeddedStore {
    /// Opens the store of a directory, making both when they do not exist.
    ///
    /// Index files that are missing or damaged are made anew from the database, which takes about a second for every
    /// ten thousand chunks.
    ///
    /// # Errors
    /// [`StoreErrorKind::Locked`] while another process has the directory,
    /// [`StoreErrorKind::Incompatible`] when a newer version of this program wrote it.
    pub fn open(
        directory: impl AsRef<Path>,
        options: StoreOptions,
    ) -> Result<Arc<Self>, StoreError> {
        let directory = directory.as_ref();
        fs::create_dir_all(directory).map_err(|error| {
            failure::engine(
                format!("cannot make the data directory {}", directory.display()),
                error,
            )
        })?;
        let lock = DirectoryLock::take(directory)?;
        let inner = Arc::new(Inner::open(directory, options.clone())?);
        let for_thread = inner.index.clone();
        let maintenance =
            Maintenance::start(inner.clone(), inner.bell.clone(), options, move || {
                for_thread.tail_chunks()
            })?;
        Ok(Arc::new(Self { maintenance: Some(maintenance), inner, _lock: lock }))
    }

    /// Writes what is in memory to the index files now, instead of in a while. For measurements and tests.
    ///
    /// # Errors
    /// Only the disk's own.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.maintenance.take());
        let written = self.inner.flush().and_then(|()| self.inner.index.mark_clean());
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the search index will be completed at the next start");
        }
    }
}

impl Inner {
    fn open(directory: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let database = directory.join(DATABASE);
        let connection = schema::open_writer(&database)?;
        let truth = Truth {
            datasets: datasets::indexed(&connection)?,
            live_versions: documents::live_versions(&connection)?,
            sequence: chunks::sequence(&connection)?,
        };
        let index = Arc::new(SearchIndex::open(&directory.join(INDEX_DIRECTORY), &truth)?);
        catch_up::run(&connection, &index, options.tail_chunks)?;

        let bell = Arc::new(Bell::default());
        if index.tail_chunks() > 0 {
            bell.written(index.tail_chunks(), &options);
        }
        let publish = {
            let (index, bell, options) = (index.clone(), bell.clone(), options.clone());
            move |changes: Vec<Change>| {
                if !changes.is_empty() {
                    bell.written(index.apply(changes), &options);
                }
            }
        };
        Ok(Self {
            options,
            readers: Readers::new(database.clone()),
            database,
            writes: WriteQueue::new(connection, publish)?,
            index,
            bell,
        })
    }

    /// Writes what must be on the disk before it is acknowledged.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Vec<Change>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writes.write(self.options.durability, work)
    }

    /// Writes what is done again when the machine dies: a job that was not finished, as the disk knows it, is there.
    fn write_repeatable<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Vec<Change>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writes.write(Durability::ProcessDeath, work)
    }

    /// Copies the database's log into the database, which brings all of it to the disk, so that the indexes are never
    /// ahead of it.
    fn checkpoint_database(&self) -> Result<(), StoreError> {
        let connection = Connection::open(&self.database).map_err(database)?;
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(database)
    }
}

impl Chores for Inner {
    fn flush(&self) -> Result<(), StoreError> {
        self.checkpoint_database()?;
        self.index.flush()
    }

    fn tidy(&self) -> Result<bool, StoreError> {
        let waits = self.readers.read(chunks::any_garbage)?;
        if waits {
            self.write_repeatable(|connection, _| {
                chunks::collect_garbage(connection, GARBAGE_CHUNKS)
            })?;
        }
        Ok(waits)
    }

    fn rest(&self) {
        self.index.rest();
    }
}

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

    fn datasets(&self, tenant: &TenantId) -> Result<Vec<Dataset>, StoreError> {
        self.inner.readers.read(|connection| datasets::list(connection, tenant))
    }

    fn documents(&self, dataset: &DatasetId) -> Result<Vec<Document>, StoreError> {
        self.inner.readers.read(|connection| documents::list(connection, dataset))
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.inner.readers.read(|connection| documents::find(connection, id))
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
        if !self.inner.readers.read(jobs::any_free)? {
            return Ok(None);
        }
        self.inner
            .write_repeatable(move |connection, _| jobs::claim(connection, lease, max_attempts))
    }

    fn advance(
        &self,
        job: &ClaimedJob,
        stage: IngestStage,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let job = job.clone();
        self.inner
            .write_repeatable(move |connection, _| jobs::advance(connection, &job, stage, lease))
    }

    fn fail(&self, job: &ClaimedJob, reason: &str) -> Result<(), StoreError> {
        let (job, reason) = (job.clone(), reason.to_owned());
        self.inner.write_repeatable(move |connection, _| jobs::fail(connection, &job, &reason))
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
        self.inner
            .write(move |connection, _| documents::set_metadata(connection, &document, &metadata))
    }

    fn cancel(&self, document: &DocumentId) -> Result<bool, StoreError> {
        let document = document.clone();
        self.inner.write(move |connection, _| jobs::cancel(connection, &document))
    }

    fn release_leases(&self) -> Result<(), StoreError> {
        self.inner.write_repeatable(|connection, _| jobs::release_leases(connection))
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

    fn embedded_chunks(&self, document: &DocumentId) -> Result<Vec<EmbeddedChunk>, StoreError> {
        self.inner.readers.read(|connection| match documents::version(connection, document)? {
            Some(version) => Ok(chunks::of_version(connection, version)?.1),
            None => Ok(Vec::new()),
        })
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.inner.readers.read(documents::stats)
    }
}

impl ChunkIndex for EmbeddedStore {
    fn complete(
        &self,
        job: &ClaimedJob,
        mut document: CompletedDocument,
    ) -> Result<(), StoreError> {
        let dataset = self.inner.index.dataset(&job.job.dataset).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::LeaseLost,
                format!("the dataset of `{}` was deleted; drop the work", job.job.name),
            )
        })?;
        check_chunks(&document.chunks, dataset.dimensions)?;
        self.inner.bell.wait_for_room(&self.inner.options)?;

        let dimensions = dataset.dimensions as usize;
        // The indexes know chunks by their places, so those that they do not hold come last.
        document.chunks.sort_by_key(|chunk| !chunks::is_searched(chunk));
        let searched = document.chunks.partition_point(chunks::is_searched);
        let searched = document.chunks.get(..searched).unwrap_or_default();
        let title = document.title.as_deref();
        let content = Arc::new(PreparedDocument::new(title, searched, dimensions));
        let job = job.clone();
        self.inner.write_repeatable(move |connection, changes| {
            let held = jobs::held_document(connection, &job)?;
            let completed = chunks::complete(connection, held, &document)?;
            jobs::finish(connection, job.id)?;
            let documents::Indexed { no, dataset, version } = completed.document;
            changes.push(Change::DocumentStored {
                dataset,
                document: TailDocument { no, version, content },
                replaced: completed.replaced,
            });
            Ok(())
        })
    }

    fn delete_document(&self, document: &DocumentId) -> Result<bool, StoreError> {
        let document = document.clone();
        self.inner.write(move |connection, changes| {
            let removed = documents::delete(connection, &document)?;
            let gone = |removed: documents::Indexed| Change::DocumentGone {
                dataset: removed.dataset,
                version: removed.version,
            };
            changes.extend(removed.map(gone));
            Ok(removed.is_some())
        })
    }

    fn delete_dataset(&self, dataset: &DatasetId) -> Result<bool, StoreError> {
        let id = dataset.clone();
        self.inner.write(move |connection, changes| {
            let removed = datasets::delete(connection, &id)?;
            changes.extend(removed.map(|no| Change::DatasetGone { id, no }));
            Ok(removed.is_some())
        })
    }

    fn search(&self, query: &SearchQuery) -> Result<SearchResults, StoreError> {
        let snapshot = self.inner.index.snapshot(&query.filter.datasets);
        if snapshot.datasets.is_empty() || query.limit == 0 {
            return Ok(SearchResults::default());
        }
        let documents =
            self.inner.readers.read(|connection| documents::admitted(connection, &query.filter))?;
        let search = Search {
            text: query.text.as_deref(),
            vector: query.vector.as_deref(),
            documents,
            limit: query.limit,
        };
        search.run(&snapshot, self.inner.index.fields())
    }

    fn count(&self, filter: &ChunkFilter) -> Result<u64, StoreError> {
        self.inner.readers.read(|connection| {
            let admitted = documents::admitted(connection, filter)?;
            documents::count_chunks(connection, &filter.datasets, admitted.as_ref())
        })
    }
}

impl ArtifactStore for EmbeddedStore {
    fn artifacts(&self, keys: &[ArtifactKey]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.inner.readers.read(|connection| artifacts::find(connection, keys))
    }

    fn keep_artifacts(&self, artifacts: Vec<(ArtifactKey, Vec<u8>)>) -> Result<(), StoreError> {
        let most_bytes = self.inner.options.artifact_bytes;
        self.inner.write_repeatable(move |connection, _| {
            artifacts::keep(connection, &artifacts, most_bytes)
        })
    }
}

fn check_chunks(chunks: &[EmbeddedChunk], dimensions: u32) -> Result<(), StoreError> {
    if chunks.len() > MOST_CHUNKS {
        return Err(StoreError::new(
            StoreErrorKind::Engine,
            format!(
                "a document has at most {MOST_CHUNKS} chunks, this one {}; split the file",
                chunks.len()
            ),
        ));
    }
    let wanted = |chunk: &EmbeddedChunk| match chunks::is_searched(chunk) {
        true => dimensions as usize,
        false => 0,
    };
    let fits = |chunk: &EmbeddedChunk| chunk.vector.len() == wanted(chunk);
    match chunks.iter().find(|chunk| !fits(chunk)) {
        None => Ok(()),
        Some(chunk) => Err(StoreError::new(
            StoreErrorKind::EmbeddingMismatch,
            format!(
                "a vector of {} numbers does not fit the dataset's {dimensions}; embed with the dataset's model",
                chunk.vector.len()
            ),
        )),
    }
}
