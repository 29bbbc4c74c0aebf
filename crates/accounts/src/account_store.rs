//! [`AccountStore`]: who may use a server, in a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rag_core::TenantId;
use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior};

use crate::AccountsError;

/// How long another process may keep the file before a call fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// What makes each version of the tables of the one before. Times are in milliseconds since the epoch.
const MIGRATIONS: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS api_key (
         id TEXT PRIMARY KEY,
         tenant TEXT NOT NULL,
         name TEXT NOT NULL,
         shown TEXT NOT NULL,
         hash BLOB NOT NULL UNIQUE,
         created_at INTEGER NOT NULL,
         expires_at INTEGER,
         revoked_at INTEGER,
         last_used_at INTEGER
     ) STRICT;
     CREATE INDEX IF NOT EXISTS api_key_shown ON api_key (shown);
     CREATE INDEX IF NOT EXISTS api_key_tenant ON api_key (tenant, created_at);",
    // Keys of the first version opened everything.
    "ALTER TABLE api_key ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
     ALTER TABLE api_key ADD COLUMN made_by TEXT;
     ALTER TABLE api_key ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
     CREATE TABLE person (
         id TEXT PRIMARY KEY,
         -- In lower case.
         email TEXT NOT NULL UNIQUE,
         name TEXT NOT NULL,
         password TEXT,
         created_at INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE member (
         tenant TEXT NOT NULL,
         person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
         role TEXT NOT NULL,
         since INTEGER NOT NULL,
         PRIMARY KEY (tenant, person)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX member_person ON member (person);
     CREATE TABLE invitation (
         id TEXT PRIMARY KEY,
         tenant TEXT NOT NULL,
         email TEXT NOT NULL,
         role TEXT NOT NULL,
         hash BLOB NOT NULL UNIQUE,
         created_at INTEGER NOT NULL,
         expires_at INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX invitation_tenant ON invitation (tenant, created_at);
     CREATE TABLE session (
         hash BLOB PRIMARY KEY,
         person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
         tenant TEXT NOT NULL,
         created_at INTEGER NOT NULL,
         expires_at INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX session_person ON session (person);
     CREATE INDEX session_expires ON session (expires_at);",
    "CREATE TABLE provider (
         tenant TEXT NOT NULL,
         name TEXT NOT NULL,
         settings TEXT NOT NULL,
         sealed BLOB,
         key_ends TEXT,
         changed_at INTEGER NOT NULL,
         PRIMARY KEY (tenant, name)
     ) STRICT, WITHOUT ROWID;",
];

/// The version of the tables; a file of a later one is left alone.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Tenants' API keys, people, invitations, sessions and own providers, in a SQLite file. Several processes may have it open; each call is
/// one transaction, and blocks for as long as the disk takes.
pub struct AccountStore {
    file: PathBuf,
    connection: Mutex<Connection>,
}

impl AccountStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// A file that cannot be written, is no database, or is of a later version.
    pub fn open(file: &Path) -> Result<Self, AccountsError> {
        let failed = |source| AccountsError::File { file: file.to_owned(), source };
        let mut connection = Connection::open(file).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let version = migrate(&mut connection).map_err(failed)?;
        if version > VERSION {
            return Err(AccountsError::Later { file: file.to_owned(), version });
        }
        Ok(Self { file: file.to_owned(), connection: Mutex::new(connection) })
    }

    /// Copies the accounts as they are now into a new file, whether or not a process has them open.
    ///
    /// # Errors
    /// A file that cannot be read, one that cannot be written, or one that is there.
    pub fn copy(file: &Path, to: &Path) -> Result<(), AccountsError> {
        let copied = || {
            let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(PATIENCE)?;
            connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])
        };
        let failed = |source| AccountsError::File { file: file.to_owned(), source };
        copied().map(drop).map_err(failed)
    }

    /// Does something in one transaction, which is undone when it fails.
    pub(crate) fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Broken>,
    ) -> Result<T, AccountsError> {
        let mut connection = self.lock();
        let done = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Broken::from)
            .and_then(|transaction| {
                let done = work(&transaction)?;
                transaction.commit()?;
                Ok(done)
            });
        done.map_err(|broken| self.error(broken))
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, AccountsError> {
        work(&self.lock()).map_err(|source| self.error(source.into()))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, broken: Broken) -> AccountsError {
        match broken {
            Broken::Refused(error) => error,
            Broken::File(source) => AccountsError::File { file: self.file.clone(), source },
        }
    }
}

/// Why a transaction was undone.
pub(crate) enum Broken {
    Refused(AccountsError),
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error)
    }
}

impl From<AccountsError> for Broken {
    fn from(error: AccountsError) -> Self {
        Self::Refused(error)
    }
}

/// The version that the file has afterwards.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if version < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(version.max(VERSION))
}

/// As exact as it is kept.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A time of this column.
pub(crate) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let milliseconds: Option<i64> = row.get(column)?;
    Ok(milliseconds.and_then(|number| Timestamp::from_millisecond(number).ok()))
}

/// A value that is kept as text.
pub(crate) fn parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(damaged)
}

/// The tenant of this row.
pub(crate) fn tenant(row: &Row<'_>) -> rusqlite::Result<TenantId> {
    parsed(row, "tenant")
}

/// What is kept cannot be what was written.
pub(crate) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
