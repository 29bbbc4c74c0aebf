//! [`ResponseStore`]: responses in a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rag_core::TenantId;
use rusqlite::{Connection, OptionalExtension, Row, params};

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
    /// The id of the one that it goes on from.
    pub previous: Option<String>,
    /// What was asked, beyond what came before.
    pub input: String,
    /// What was answered.
    pub body: String,
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
                    "INSERT INTO response (tenant, id, previous, created_at, bytes, input, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    tenant.as_str(),
                    response.id,
                    response.previous,
                    Timestamp::now().as_millisecond(),
                    bytes as i64,
                    response.input,
                    response.body,
                ])?;
            trim(transaction, tenant, &self.bounds)
        })
    }

    /// The tenant's response of this id.
    ///
    /// # Errors
    /// The file's.
    pub fn find(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<StoredResponse>, ResponseStoreError> {
        let connection = self.connection();
        let find = || {
            connection
                .prepare_cached(
                    "SELECT id, previous, input, body FROM response WHERE tenant = ?1 AND id = ?2",
                )?
                .query_row([tenant.as_str(), id], read)
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
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<Vec<StoredResponse>>, ResponseStoreError> {
        let connection = self.connection();
        let failed = |source| self.failed(source);
        let chain = chain(&connection, tenant, id).map_err(failed)?;
        let is_whole = chain.last().is_some_and(|first| first.previous.is_none());
        if !is_whole {
            return Ok(None);
        }
        self.check_size(chain.iter().map(|link| link.bytes).sum())?;
        let mut statement = connection
            .prepare_cached("SELECT id, previous, input, body FROM response WHERE seq = ?1")
            .map_err(failed)?;
        let found = chain.iter().rev().map(|link| statement.query_row([link.seq], read));
        found.collect::<rusqlite::Result<_>>().map(Some).map_err(failed)
    }

    /// Removes the tenant's response of this id; what goes on from it cannot be gone on from any more. `false` when it
    /// has none.
    ///
    /// # Errors
    /// The file's.
    pub fn delete(&self, tenant: &TenantId, id: &str) -> Result<bool, ResponseStoreError> {
        let deleted = self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM response WHERE tenant = ?1 AND id = ?2")?
                .execute([tenant.as_str(), id])
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
fn chain(connection: &Connection, tenant: &TenantId, id: &str) -> rusqlite::Result<Vec<Link>> {
    connection
        .prepare_cached(
            "WITH RECURSIVE link (seq, previous, bytes, place) AS (
                SELECT seq, previous, bytes, 1 FROM response WHERE tenant = ?1 AND id = ?2
                UNION ALL
                SELECT response.seq, response.previous, response.bytes, place + 1
                FROM link JOIN response ON response.tenant = ?1 AND response.id = link.previous
                WHERE place < ?3
             )
             SELECT seq, previous, bytes FROM link ORDER BY place",
        )?
        .query_map(params![tenant.as_str(), id, LONGEST], |row| {
            let bytes: i64 = row.get(2)?;
            Ok(Link { seq: row.get(0)?, previous: row.get(1)?, bytes: bytes.unsigned_abs() })
        })?
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredResponse> {
    Ok(StoredResponse {
        id: row.get(0)?,
        previous: row.get(1)?,
        input: row.get(2)?,
        body: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(id: &str, previous: Option<&str>) -> StoredResponse {
        StoredResponse {
            id: id.into(),
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
        for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("a"))] {
            store.keep(&tenant, &response(id, previous)).unwrap();
        }
        drop(store);
        let file = folder.path().join("r.sqlite");
        let store = ResponseStore::open(&file, Bounds::default()).unwrap();
        let conversation = |id: &str| ids(store.conversation(&tenant, id).unwrap());
        assert_eq!(conversation("c").unwrap(), ["a", "b", "c"]);
        assert_eq!(conversation("d").unwrap(), ["a", "d"]);
        assert_eq!(store.find(&tenant, "b").unwrap(), Some(response("b", Some("a"))));
        assert!(store.keep(&tenant, &response("a", None)).is_err(), "the id is taken");

        assert!(store.delete(&tenant, "b").unwrap());
        assert!(!store.delete(&tenant, "b").unwrap());
        assert_eq!((conversation("c"), conversation("b")), (None, None));
        assert!(store.find(&tenant, "c").unwrap().is_some());
    }

    #[test]
    fn a_response_is_its_tenants_only() {
        let (_folder, store) = store(Bounds::default());
        let (one, other) = (TenantId::local(), "acme".parse().unwrap());
        store.keep(&one, &response("a", None)).unwrap();
        assert_eq!(store.find(&other, "a").unwrap(), None);
        assert_eq!(store.conversation(&other, "a").unwrap(), None);
        assert!(!store.delete(&other, "a").unwrap());
        store.keep(&other, &response("b", Some("a"))).unwrap();
        assert_eq!(store.conversation(&other, "b").unwrap(), None, "no way into another's");
        store.keep(&other, &response("a", None)).unwrap();
        assert!(store.delete(&other, "a").unwrap());
        assert!(store.find(&one, "a").unwrap().is_some());
    }

    #[test]
    fn what_goes_on_from_itself_ends() {
        let (_folder, store) = store(Bounds::default());
        let tenant = TenantId::local();
        store.keep(&tenant, &response("a", Some("b"))).unwrap();
        store.keep(&tenant, &response("b", Some("a"))).unwrap();
        assert_eq!(store.conversation(&tenant, "a").unwrap(), None);
    }

    #[test]
    fn size_is_bounded() {
        let (_folder, store) = store(Bounds { response_bytes: 40, ..Bounds::default() });
        let tenant = TenantId::local();
        let long = StoredResponse { body: "x".repeat(41), ..response("a", None) };
        let refused = store.keep(&tenant, &long);
        assert!(matches!(refused, Err(ResponseStoreError::TooLarge { most: 40, .. })));
        store.keep(&tenant, &response("a", None)).unwrap();
        store.keep(&tenant, &response("b", Some("a"))).unwrap();
        store.keep(&tenant, &response("c", Some("b"))).unwrap();
        assert!(store.conversation(&tenant, "b").is_ok());
        assert!(store.conversation(&tenant, "c").is_err(), "in all");
    }
}
