//! [`TableShelf`]: the databases of datasets that were asked last.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use rag_core::{ChunkMethod, Dataset, DocumentId, MetadataStore};

use crate::table::Gathered;
use crate::{Database, TableError};

/// What is put into a database at most.
const MOST_ROWS: usize = 200_000;
const MOST_BYTES: usize = 64 << 20;

/// Databases that are kept.
const KEPT: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Chunks that are read at once.
const AT_ONCE: u32 = 4_096;

/// Makes databases of the tables of datasets, and keeps those that were asked last. A database that is kept is used for as
/// long as the documents that it was made of are the same.
pub struct TableShelf {
    store: Arc<dyn MetadataStore>,
    kept: Mutex<LruCache<Version, Arc<Database>>>,
}

/// The documents that a database was made of: which, and when each changed last.
type Version = Vec<(DocumentId, i64, u32)>;

impl TableShelf {
    /// Reads rows from `store`.
    pub fn new(store: Arc<dyn MetadataStore>) -> Self {
        Self { store, kept: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The tables of those datasets that are cut row by row, as one database; `None` where there is no row. Takes time in
    /// proportion to the rows when the documents have changed.
    ///
    /// # Errors
    /// [`TableError::TooLarge`], the store's, the engine's.
    pub fn open(&self, datasets: &[Dataset]) -> Result<Option<Arc<Database>>, TableError> {
        let mut documents = Vec::new();
        for dataset in datasets {
            if dataset.settings.chunking.method == ChunkMethod::Table {
                documents.extend(self.store.documents(&dataset.id)?);
            }
        }
        documents.retain(|document| document.chunks > 0);
        let version: Version = documents
            .iter()
            .map(|document| (document.id.clone(), document.updated_at, document.chunks))
            .collect();
        if version.is_empty() {
            return Ok(None);
        }
        let known = self.lock().get(&version).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let mut gathered = Gathered::default();
        for document in &documents {
            self.take(&document.id, &document.name, document.chunks, &mut gathered)?;
        }
        let tables = gathered.finish();
        if tables.is_empty() {
            return Ok(None);
        }
        let database = Arc::new(Database::new(tables)?);
        self.lock().put(version, database.clone());
        Ok(Some(database))
    }

    fn take(
        &self,
        document: &DocumentId,
        name: &str,
        chunks: u32,
        gathered: &mut Gathered,
    ) -> Result<(), TableError> {
        for from in (0..chunks).step_by(AT_ONCE as usize) {
            let read = self.store.document_chunks(document, from..from.saturating_add(AT_ONCE))?;
            gathered.take(name, &read);
            let (rows, bytes) = gathered.size();
            if rows > MOST_ROWS {
                return Err(TableError::TooLarge { most: MOST_ROWS, of: "rows" });
            }
            if bytes > MOST_BYTES {
                return Err(TableError::TooLarge { most: MOST_BYTES, of: "bytes" });
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Version, Arc<Database>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for TableShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableShelf").finish_non_exhaustive()
    }
}
