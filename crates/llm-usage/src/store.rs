//! [`UsageStore`]: the file of records.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use llm_bundle::CallRecord;
use rusqlite::{Connection, OpenFlags};

use crate::error::UsageError;
use crate::retention::Retention;
use crate::row;
use crate::schema;

/// How long a reader or a second process may keep the file to itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Usage records in a file of SQLite (with a write-ahead log, so that reading and writing do not wait for each other).
/// One process writes; others may read. All calls block.
pub struct UsageStore {
    path: PathBuf,
    writer: Mutex<Connection>,
    retention: Retention,
}

impl UsageStore {
    /// Opens the file, makes it where there is none, and brings one of an older version to the present form.
    ///
    /// # Errors
    /// [`UsageError::Open`], [`UsageError::TooNew`].
    pub fn open(path: &Path, retention: Retention) -> Result<Self, UsageError> {
        let failed = |source| UsageError::Open { path: path.to_owned(), source };
        let mut writer = Connection::open(path).and_then(prepared).map_err(failed)?;
        schema::migrate(&mut writer)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), retention })
    }

    /// Copies the records as they are now into a new file, whether or not a process has them open.
    ///
    /// # Errors
    /// [`UsageError::Engine`]: a file that cannot be read, one that cannot be written, or one that is there.
    pub fn copy(path: &Path, to: &Path) -> Result<(), UsageError> {
        let copied = || {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])
        };
        copied().map(drop).map_err(|source| UsageError::Engine { doing: "copy", source })
    }

    /// Writes records, all or none. Those that are there already (by their id) stay as they are, so that what may have
    /// failed can be written again. Tells how many were new.
    ///
    /// # Errors
    /// [`UsageError::Engine`]: nothing was written, unless that cannot be known.
    pub fn append(&self, records: &[CallRecord]) -> Result<usize, UsageError> {
        self.write("write", |connection| {
            let transaction = connection.transaction()?;
            let mut new = 0;
            {
                let mut statement = transaction.prepare_cached(row::INSERT)?;
                for record in records {
                    new += row::insert(&mut statement, record)?;
                }
            }
            transaction.commit()?;
            Ok(new)
        })
    }

    /// How many records there are.
    ///
    /// # Errors
    /// [`UsageError::Engine`].
    pub fn len(&self) -> Result<u64, UsageError> {
        self.read("count", |connection| {
            connection.query_row("SELECT count(*) FROM calls", (), |row| {
                row.get(0).map(i64::unsigned_abs)
            })
        })
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, UsageError> {
        self.len().map(|len| len == 0)
    }

    /// How long records are kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, UsageError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut writer).map_err(UsageError::during(doing))
    }

    /// Reads on a connection of its own, which costs a fraction of a millisecond: readers neither wait for the writer
    /// nor for each other.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, UsageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&self.path, flags)
            .and_then(|connection| {
                connection.busy_timeout(PATIENCE)?;
                work(&connection)
            })
            .map_err(UsageError::during(doing))
    }
}

fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(PATIENCE)?;
    // Only an empty file takes this one; it lets deleted records give their room back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A crash of the machine may take the last batches, a crash of the process none.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

impl fmt::Debug for UsageStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageStore")
            .field("path", &self.path)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}
