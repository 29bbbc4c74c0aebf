//! [`PostgresStore`]: the store that several processes share.

use std::ops::Range;
use std::sync::Arc;

use rag_core::{
    ChunkEdit, ChunkFilter, ChunkIndex, ClaimedJob, CompletedDocument, DatasetId, DocumentId,
    KnownField, SearchQuery, SearchResults, StoreError,
};
use uuid::Uuid;

use crate::chores::{self, Chores};
use crate::chunk_writes::Prepared;
use crate::failure::engine;
use crate::options::PostgresOptions;
use crate::pool::Pool;
use crate::scope::Scope;
use crate::statistics::Statistics;
use crate::{completion, datasets, documents, fields, replicas, schema, search};

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
