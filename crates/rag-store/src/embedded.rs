//! [`EmbeddedStore`]: the store of one process, in one directory.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rag_core::{
    ChunkEdit, ChunkFilter, ChunkIndex, ClaimedJob, CompletedDocument, DatasetId, DocumentId,
    DocumentStatus, EmbeddedChunk, KnownField, SearchQuery, SearchResults, StoreError,
    StoreErrorKind,
};
use rusqlite::Connection;

use crate::admission::Admission;
use crate::artifacts::UsedArtifacts;
use crate::chunk_edit::EditedDocument;
use crate::failure::{self, database};
use crate::hidden::Hidden;
use crate::key::MOST_CHUNKS;
use crate::lock::DirectoryLock;
use crate::maintenance::{Bell, Chores, Maintenance};
use crate::metadata_indexes::MetadataIndexes;
use crate::options::{Durability, StoreOptions};
use crate::prepared::PreparedDocument;
use crate::readers::Readers;
use crate::search::Search;
use crate::search_index::{SearchIndex, Truth};
use crate::snapshot::Change;
use crate::write_queue::WriteQueue;
use crate::{catch_up, chunk_edit, chunks, claims, datasets, documents, jobs, reembedding, schema};
use rag_terms::highlight;

pub(crate) const DATABASE: &str = "store.sqlite";
pub(crate) const INDEX_DIRECTORY: &str = "index";
/// Pages of 4 KiB that the database's log may have: 256 MB.
const MOST_LOG_PAGES: i64 = 64 * 1024;
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
    pub(crate) inner: Arc<Inner>,
    _lock: DirectoryLock,
}

pub(crate) struct Inner {
    pub(crate) options: StoreOptions,
    pub(crate) database: PathBuf,
    pub(crate) readers: Readers,
    writes: WriteQueue<Change>,
    pub(crate) index: Arc<SearchIndex>,
    metadata: Arc<MetadataIndexes>,
    hidden: Arc<Hidden>,
    pub(crate) used_artifacts: UsedArtifacts,
    pub(crate) bell: Arc<Bell>,
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
        let connection = schema::open_writer(&database, options.most_database_bytes)?;
        let truth = Truth {
            datasets: datasets::indexed(&connection)?,
            gathered: reembedding::gathered(&connection)?,
            live_versions: documents::live_versions(&connection)?,
            sequence: chunks::sequence(&connection)?,
        };
        let index = Arc::new(SearchIndex::open(&directory.join(INDEX_DIRECTORY), &truth)?);
        catch_up::run(&connection, &index, options.tail_chunks)?;

        let bell = Arc::new(Bell::default());
        if index.tail_chunks() > 0 {
            bell.written(index.tail_chunks(), &options);
        }
        let metadata = Arc::new(MetadataIndexes::new(options.metadata_bytes));
        let hidden = Arc::new(Hidden::read(&connection)?);
        let publish = {
            let (index, metadata, hidden) = (index.clone(), metadata.clone(), hidden.clone());
            let (bell, options) = (bell.clone(), options.clone());
            move |changes: Vec<Change>| {
                if !changes.is_empty() {
                    metadata.apply_all(&changes);
                    hidden.apply_all(&changes);
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
            metadata,
            hidden,
            used_artifacts: UsedArtifacts::default(),
            bell,
        })
    }

    fn admission(&self) -> Admission<'_> {
        Admission { readers: &self.readers, metadata: &self.metadata, hidden: &self.hidden }
    }

    /// The length of the vectors that this job's dataset takes. The job is lost when that is not what it was told: the
    /// dataset was deleted, or moved to another embedding.
    fn dimensions_for(&self, job: &ClaimedJob) -> Result<u32, StoreError> {
        let dimensions = self.index.dataset(&job.job.dataset).map(|dataset| dataset.dimensions);
        dimensions.filter(|dimensions| *dimensions == job.embedding.dimensions).ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::LeaseLost,
                format!(
                    "the dataset of `{}` was deleted or moved to another embedding; drop the work",
                    job.job.name
                ),
            )
        })
    }

    /// What the indexes hold of a document, whose chunks it puts in their order.
    fn prepared(
        &self,
        document: &mut CompletedDocument,
        dimensions: u32,
    ) -> Result<Arc<PreparedDocument>, StoreError> {
        check_chunks(&document.chunks, dimensions)?;
        self.bell.wait_for_room(&self.options)?;
        // The indexes know chunks by their places, so those that they do not hold come last.
        document.chunks.sort_by_key(|chunk| !chunks::is_searched(chunk));
        let searched = document.chunks.partition_point(chunks::is_searched);
        let searched = document.chunks.get(..searched).unwrap_or_default();
        let title = document.title.as_deref();
        Ok(Arc::new(PreparedDocument::new(title, searched, dimensions as usize)))
    }

    /// Writes what must be on the disk before it is acknowledged.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Vec<Change>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writes.write(self.options.durability, work)
    }

    /// Writes what is done again when the machine dies: a job that was not finished, as the disk knows it, is there.
    pub(crate) fn write_repeatable<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Vec<Change>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writes.write(Durability::ProcessDeath, work)
    }

    /// Copies the database's log into the database, which brings all of it to the disk, so that the indexes are never
    /// ahead of it. When readers have kept the log from being begun anew for long, waits for them.
    fn checkpoint_database(&self) -> Result<(), StoreError> {
        let connection = schema::open_checkpointer(&self.database)?;
        let run = |how: &str| {
            let sql = format!("PRAGMA wal_checkpoint({how})");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(1)).map_err(database)
        };
        if run("PASSIVE")? > MOST_LOG_PAGES {
            run("TRUNCATE")?;
        }
        Ok(())
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

impl ChunkIndex for EmbeddedStore {
    fn complete(
        &self,
        job: &ClaimedJob,
        mut document: CompletedDocument,
    ) -> Result<(), StoreError> {
        let dimensions = self.inner.dimensions_for(job)?;
        let content = self.inner.prepared(&mut document, dimensions)?;
        let job = job.clone();
        self.inner.write_repeatable(move |connection, changes| {
            let held = claims::held_document(connection, &job)?;
            changes.extend(chunks::replace(connection, held, document, content)?);
            documents::set_status(connection, held, &DocumentStatus::Ready)?;
            jobs::finish(connection, job.id)
        })
    }

    fn edit_chunks(&self, document: &DocumentId, edit: &ChunkEdit) -> Result<bool, StoreError> {
        loop {
            let edited = self
                .inner
                .readers
                .read(|connection| chunk_edit::edited(connection, document, edit.clone()))?;
            let Some(EditedDocument { no, version, dimensions, mut document }) = edited else {
                return Ok(false);
            };
            let content = self.inner.prepared(&mut document, dimensions)?;
            let is_written = self.inner.write(move |connection, changes| {
                let is_same = chunk_edit::is_version(connection, no, version)?;
                if is_same {
                    changes.extend(chunks::replace(connection, no, document, content)?);
                }
                Ok(is_same)
            })?;
            // Somebody else was faster: what they wrote is edited.
            if is_written {
                return Ok(true);
            }
        }
    }

    fn delete_document(&self, document: &DocumentId) -> Result<bool, StoreError> {
        let document = document.clone();
        self.inner.write(move |connection, changes| {
            let removed = documents::delete(connection, &document)?;
            let existed = removed.is_some();
            changes.extend(removed.into_iter().flatten());
            Ok(existed)
        })
    }

    fn delete_dataset(&self, dataset: &DatasetId) -> Result<bool, StoreError> {
        let id = dataset.clone();
        self.inner.write(move |connection, changes| {
            changes.extend(reembedding::abandon(connection, &id)?);
            let removed = datasets::delete(connection, &id)?;
            let existed = removed.is_some();
            changes.extend(removed.map(Change::DatasetGone));
            Ok(existed)
        })
    }

    fn search(&self, query: &SearchQuery) -> Result<SearchResults, StoreError> {
        let snapshot = self.inner.index.snapshot(&query.filter.datasets);
        let documents = self.inner.admission().of(&query.filter, &snapshot)?;
        if snapshot.datasets.is_empty() || query.limit == 0 {
            return Ok(SearchResults::default());
        }
        let search = Search {
            text: query.text.as_deref(),
            phrases: query.phrases,
            vector: query.vector.as_deref(),
            documents,
            limit: query.limit,
        };
        search.run(&snapshot, self.inner.index.fields())
    }

    fn count(&self, filter: &ChunkFilter) -> Result<u64, StoreError> {
        let snapshot = self.inner.index.snapshot(&filter.datasets);
        let documents = self.inner.admission().of(filter, &snapshot)?;
        Ok(snapshot.count(documents.as_ref()))
    }

    fn metadata_fields(
        &self,
        datasets: &[DatasetId],
        most_values: usize,
    ) -> Result<Vec<KnownField>, StoreError> {
        let snapshot = self.inner.index.snapshot(datasets);
        self.inner.admission().fields(&snapshot, most_values)
    }

    fn highlight(&self, question: &str, text: &str) -> Vec<Range<usize>> {
        highlight(question, text)
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
