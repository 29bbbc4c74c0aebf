//! [`ResponseStore`]: responses in a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rag_core::TenantId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use crate::error::ResponseStoreError;
use crate::sweep::{Bounds, trim};

/// How long another process may keep the file before a call fails.
const PATIENCE: Duration = Duration::from_secs(5);
/// Responses of one conversation that are read.
const LONGEST: i64 = 1_000;

/// The version of the tables; a file of a later one is left alone.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS response (
        seq INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        id TEXT NOT NULL,
        -- The id of the key that it was asked with.
        made_by TEXT,
        -- The id of the one that it goes on from.
        previous TEXT,
        -- Milliseconds since the epoch.
        created_at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        input TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (tenant, id)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS response_size ON response (tenant, seq, bytes);
    CREATE INDEX IF NOT EXISTS response_previous ON response (tenant, previous);
    CREATE INDEX IF NOT EXISTS response_created ON response (created_at);
";

/// A response as it is kept. Its texts are its caller's to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// Its id, which the tenant gives once.
    pub id: String,
    /// The id of the key that it was asked with, if it was.
    pub made_by: Option<String>,
    /// The id of the one that it goes on from.
    pub previous: Option<String>,
    /// What was asked, beyond what came before.
    pub input: String,
    /// What was answered.
    pub body: String,
}

/// Whose responses are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// This tenant's.
    pub tenant: TenantId,
    /// Only those that were asked with the key of this id; `None`: all of them.
    pub made_by: Option<String>,
}

impl From<TenantId> for Whose {
    /// All of the tenant's.
    fn from(tenant: TenantId) -> Self {
        Self { tenant, made_by: None }
    }
}

/// Responses in a SQLite file. Several processes may have it open; each call is one transaction.
pub struct ResponseStore {
    file: PathBuf,
    connection: Mutex<Connection>,
    bounds: Bounds,
}

impl ResponseStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// A file that cannot be written, is no database, or is of a later version.
    pub fn open(file: &Path, bounds: Bounds) -> Result<Self, ResponseStoreError> {
        let failed = |source| ResponseStoreError::File { file: file.to_owned(), source };
        let connection = Connection::open(file).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // Pages of what went are given back; holds for files that are made now.
        connection.pragma_update(None, "auto_vacuum", "incremental").map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        // What was told to be kept survives the machine.
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        if version > VERSION {
            return Err(ResponseStoreError::Later { file: file.to_owned(), version });
        }
        let tables = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
        connection.execute_batch(&tables).map_err(failed)?;
        Ok(Self { file: file.to_owned(), connection: Mutex::new(connection), bounds })
    }

    /// Copies what is kept now into a new file, whether or not a process has it open.
    ///
    /// # Errors
    /// A file that cannot be read, one that cannot be written, or one that is there.
    pub fn copy(file: &Path, to: &Path) -> Result<(), ResponseStoreError> {
        let copied = || {
            let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])
        };
        let failed = |source| ResponseStoreError::File { file: file.to_owned(), source };
        copied().map(drop).map_err(failed)
    }

    /// What is kept at most.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Keeps a response; it is on the disk when this returns. The tenant's oldest ones go where it has too many.
    ///
    /// # Errors
    /// [`ResponseStoreError::TooLarge`]; the file's, an id that is taken among them.
    pub fn keep(
        &self,
        tenant: &TenantId,
        response: &StoredResponse,
    ) -> Result<(), ResponseStoreError> {
        let bytes = (response.input.len() + response.body.len()) as u64;
        self.check_size(bytes)?;
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO response (tenant, id, made_by, previous, created_at, bytes, input, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    tenant.as_str(),
                    response.id,
                    response.made_by,
                    response.previous,
                    Timestamp::now().as_millisecond(),
                    bytes as i64,
                    response.input,
                    response.body,
                ])?;
            trim(transaction, tenant, &self.bounds)
        })
    }

    /// The response of this id.
    ///
    /// # Errors
    /// The file's.
    pub fn find(
        &self,
        whose: &Whose,
        id: &str,
    ) -> Result<Option<StoredResponse>, ResponseStoreError> {
        let connection = self.connection();
        let find = || {
            connection
                .prepare_cached(
                    "SELECT id, made_by, previous, input, body FROM response
                     WHERE tenant = ?1 AND id = ?2 AND (?3 IS NULL OR made_by = ?3)",
                )?
                .query_row(params![whose.tenant.as_str(), id, whose.made_by], read)
                .optional()
        };
        find().map_err(|source| self.failed(source))
    }

    /// The response and all that it goes on from, the first one first. `None` where one of them is not there (any more).
    ///
    /// # Errors
    /// [`ResponseStoreError::TooLarge`] for more than what a response may have, in all; the file's.
    pub fn conversation(
        &self,
        whose: &Whose,
        id: &str,
    ) -> Result<Option<Vec<StoredResponse>>, ResponseStoreError> {
        let connection = self.connection();
        let failed = |source| self.failed(source);
        let chain = chain(&connection, whose, id).map_err(failed)?;
        let is_whole = chain.last().is_some_and(|first| first.previous.is_none());
        if !is_whole {
            return Ok(None);
        }
        self.check_size(chain.iter().map(|link| link.bytes).sum())?;
        let mut statement = connection
            .prepare_cached(
                "SELECT id, made_by, previous, input, body FROM response WHERE seq = ?1",
            )
            .map_err(failed)?;
        let found = chain.iter().rev().map(|link| statement.query_row([link.seq], read));
        found.collect::<rusqlite::Result<_>>().map(Some).map_err(failed)
    }

    /// Removes the response of this id; what goes on from it cannot be gone on from any more. `false` when there
    /// is none.
    ///
    /// # Errors
    /// The file's.
    pub fn delete(&self, whose: &Whose, id: &str) -> Result<bool, ResponseStoreError> {
        let deleted = self.write(|transaction| {
            transaction
                .prepare_cached(
                    "DELETE FROM response
                     WHERE tenant = ?1 AND id = ?2 AND (?3 IS NULL OR made_by = ?3)",
                )?
                .execute(params![whose.tenant.as_str(), id, whose.made_by])
        });
        deleted.map(|rows| rows > 0)
    }

    fn check_size(&self, bytes: u64) -> Result<(), ResponseStoreError> {
        let most = self.bounds.response_bytes;
        if bytes > most { Err(ResponseStoreError::TooLarge { bytes, most }) } else { Ok(()) }
    }

    /// Runs one transaction that writes.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ResponseStoreError> {
        let mut connection = self.connection();
        let run = || {
            let behaviour = rusqlite::TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(behaviour)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|source| self.failed(source))
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failed(&self, source: rusqlite::Error) -> ResponseStoreError {
        ResponseStoreError::File { file: self.file.clone(), source }
    }
}

struct Link {
    seq: i64,
    previous: Option<String>,
    bytes: u64,
}

/// From the response of this id back to the first, as far as they are there.
fn chain(connection: &Connection, whose: &Whose, id: &str) -> rusqlite::Result<Vec<Link>> {
    connection
        .prepare_cached(
            "WITH RECURSIVE link (seq, previous, bytes, place) AS (
                SELECT seq, previous, bytes, 1 FROM response
                WHERE tenant = ?1 AND id = ?2 AND (?4 IS NULL OR made_by = ?4)
                UNION ALL
                SELECT response.seq, response.previous, response.bytes, place + 1
                FROM link JOIN response ON response.tenant = ?1 AND response.id = link.previous
                WHERE place < ?3 AND (?4 IS NULL OR made_by = ?4)
             )
             SELECT seq, previous, bytes FROM link ORDER BY place",
        )?
        .query_map(params![whose.tenant.as_str(), id, LONGEST, whose.made_by], |row| {
            let bytes: i64 = row.get(2)?;
            Ok(Link { seq: row.get(0)?, previous: row.get(1)?, bytes: bytes.unsigned_abs() })
        })?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredResponse> {
    Ok(StoredResponse {
        id: row.get(0)?,
        made_by: row.get(1)?,
        previous: row.get(2)?,
        input: row.get(3)?,
        body: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(id: &str, previous: Option<&str>) -> StoredResponse {
        StoredResponse {
            id: id.into(),
            made_by: None,
            previous: previous.map(str::to_owned),
            input: format!("input of {id}"),
            body: format!("body of {id}"),
        }
    }

    fn store(bounds: Bounds) -> (tempfile::TempDir, ResponseStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ResponseStore::open(&folder.path().join("r.sqlite"), bounds).unwrap();
        (folder, store)
    }

    fn ids(conversation: Option<Vec<StoredResponse>>) -> Option<Vec<String>> {
        Some(conversation?.into_iter().map(|response| response.id).collect())
    }

    #[test]
    fn conversations_branch_and_end_with_what_is_deleted() {
        let (folder, store) = store(Bounds::default());
        let tenant = TenantId::local();
        let all = Whose::from(tenant.clone());
        for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("a"))] {
            store.keep(&tenant, &response(id, previous)).unwrap();
        }
        drop(store);
        let file = folder.path().join("r.sqlite");
        let store = ResponseStore::open(&file, Bounds::default()).unwrap();
        let conversation = |id: &str| ids(store.conversation(&all, id).unwrap());
        assert_eq!(conversation("c").unwrap(), ["a", "b", "c"]);
        assert_eq!(conversation("d").unwrap(), ["a", "d"]);
        assert_eq!(store.find(&all, "b").unwrap(), Some(response("b", Some("a"))));
        assert!(store.keep(&tenant, &response("a", None)).is_err(), "the id is taken");

        assert!(store.delete(&all, "b").unwrap());
        assert!(!store.delete(&all, "b").unwrap());
        assert_eq!((conversation("c"), conversation("b")), (None, None));
        assert!(store.find(&all, "c").unwrap().is_some());
    }

    #[test]
    fn a_response_is_its_tenants_only() {
        let (_folder, store) = store(Bounds::default());
        let (one, other): (TenantId, TenantId) = (TenantId::local(), "acme".parse().unwrap());
        let (of_one, of_other) = (Whose::from(one.clone()), Whose::from(other.clone()));
        store.keep(&one, &response("a", None)).unwrap();
        assert_eq!(store.find(&of_other, "a").unwrap(), None);
        assert_eq!(store.conversation(&of_other, "a").unwrap(), None);
        assert!(!store.delete(&of_other, "a").unwrap());
        store.keep(&other, &response("b", Some("a"))).unwrap();
        assert_eq!(store.conversation(&of_other, "b").unwrap(), None, "no way into another's");
        store.keep(&other, &response("a", None)).unwrap();
        assert!(store.delete(&of_other, "a").unwrap());
        assert!(store.find(&of_one, "a").unwrap().is_some());
    }

    #[test]
    fn a_key_may_be_let_see_its_own_only() {
        let (_folder, store) = store(Bounds::default());
        let tenant = TenantId::local();
        for (id, key, previous) in
            [("a", None, None), ("b", Some("k"), None), ("c", Some("k"), Some("a"))]
        {
            let made_by = key.map(str::to_owned);
            store.keep(&tenant, &StoredResponse { made_by, ..response(id, previous) }).unwrap();
        }
        let own = Whose { tenant, made_by: Some("k".into()) };
        assert!(store.find(&own, "a").unwrap().is_none());
        assert!(!store.delete(&own, "a").unwrap());
        assert_eq!(ids(store.conversation(&own, "b").unwrap()).unwrap(), ["b"]);
        assert_eq!(store.conversation(&own, "c").unwrap(), None, "nor through one of its own");
        assert!(store.delete(&own, "b").unwrap());
    }

    #[test]
    fn what_goes_on_from_itself_ends() {
        let (_folder, store) = store(Bounds::default());
        let tenant = TenantId::local();
        let all = Whose::from(tenant.clone());
        store.keep(&tenant, &response("a", Some("b"))).unwrap();
        store.keep(&tenant, &response("b", Some("a"))).unwrap();
        assert_eq!(store.conversation(&all, "a").unwrap(), None);
    }

    #[test]
    fn size_is_bounded() {
        let (_folder, store) = store(Bounds { response_bytes: 40, ..Bounds::default() });
        let tenant = TenantId::local();
        let all = Whose::from(tenant.clone());
        let long = StoredResponse { body: "x".repeat(41), ..response("a", None) };
        let refused = store.keep(&tenant, &long);
        assert!(matches!(refused, Err(ResponseStoreError::TooLarge { most: 40, .. })));
        store.keep(&tenant, &response("a", None)).unwrap();
        store.keep(&tenant, &response("b", Some("a"))).unwrap();
        store.keep(&tenant, &response("c", Some("b"))).unwrap();
        assert!(store.conversation(&all, "b").is_ok());
        assert!(store.conversation(&all, "c").is_err(), "in all");
    }
}
