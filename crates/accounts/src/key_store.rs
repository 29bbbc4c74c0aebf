//! [`KeyStore`]: API keys in a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::key::{ApiKey, KeyRequest, KeyStatus};
use crate::secret::KeySecret;

/// Keys that a tenant may have, those that open nothing any more included.
const MOST_KEYS: i64 = 1000;
/// Characters of a name.
const MOST_NAME: usize = 100;
/// How long another process may keep the file before a call fails.
const PATIENCE: Duration = Duration::from_secs(5);
/// How exactly it is known when a key was last used: fewer writes than requests.
const USE_RESOLUTION: SignedDuration = SignedDuration::from_secs(60);

/// The version of the tables; a file of a later one is left alone.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS api_key (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        shown TEXT NOT NULL,
        hash BLOB NOT NULL UNIQUE,
        -- Milliseconds since the epoch.
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        last_used_at INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS api_key_shown ON api_key (shown);
    CREATE INDEX IF NOT EXISTS api_key_tenant ON api_key (tenant, created_at);
";

const KEY: &str = "id, tenant, name, shown, created_at, expires_at, revoked_at, last_used_at";

/// Why keys could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The request says something that it cannot say.
    #[error("{0}")]
    Invalid(String),
    /// The file cannot be read or written.
    #[error("the file of accounts, {}, cannot be used", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        #[allow(missing_docs)]
        source: rusqlite::Error,
    },
    /// The file was written by a later version of this program.
    #[error("{} is of version {version}, which this program does not know; use a later one", .file.display())]
    Later {
        /// Which.
        file: PathBuf,
        /// Its version.
        version: i64,
    },
    /// The system has no random numbers.
    #[error("the system gave no random numbers")]
    Random(#[source] getrandom::Error),
}

/// API keys in a SQLite file. Several processes may have it open; each call is one transaction.
pub struct KeyStore {
    file: PathBuf,
    connection: Mutex<Connection>,
}

impl KeyStore {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// A file that cannot be written, is no database, or is of a later version.
    pub fn open(file: &Path) -> Result<Self, AccountsError> {
        let failed = |source| AccountsError::File { file: file.to_owned(), source };
        let connection = Connection::open(file).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        if version > VERSION {
            return Err(AccountsError::Later { file: file.to_owned(), version });
        }
        let tables = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
        connection.execute_batch(&tables).map_err(failed)?;
        Ok(Self { file: file.to_owned(), connection: Mutex::new(connection) })
    }

    /// Makes a key. The secret is told here and never again.
    ///
    /// # Errors
    /// A name that is empty or too long, a time that is over, more keys than a tenant may have; the file's.
    pub fn create(&self, request: &KeyRequest) -> Result<(ApiKey, KeySecret), AccountsError> {
        let now = now();
        check(request, now)?;
        let secret = KeySecret::generate().map_err(AccountsError::Random)?;
        let key = ApiKey {
            id: Uuid::now_v7().simple().to_string(),
            tenant: request.tenant.clone(),
            name: request.name.trim().to_owned(),
            shown: secret.shown().to_owned(),
            created_at: now,
            expires_at: request.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let inserted = self
            .connection()
            .execute(
                "INSERT INTO api_key (id, tenant, name, shown, hash, created_at, expires_at)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                 WHERE (SELECT count(*) FROM api_key WHERE tenant = ?2) < ?8",
                params![
                    key.id,
                    key.tenant.as_str(),
                    key.name,
                    key.shown,
                    secret.hash().as_bytes(),
                    now.as_millisecond(),
                    key.expires_at.map(Timestamp::as_millisecond),
                    MOST_KEYS,
                ],
            )
            .map_err(|source| self.failed(source))?;
        if inserted == 0 {
            let message = format!("a tenant has at most {MOST_KEYS} keys; use one that is there");
            return Err(AccountsError::Invalid(message));
        }
        Ok((key, secret))
    }

    /// The tenant's keys, oldest first, those that open nothing any more included.
    ///
    /// # Errors
    /// The file's.
    pub fn list(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, AccountsError> {
        let connection = self.connection();
        let rows = || -> rusqlite::Result<Vec<ApiKey>> {
            connection
                .prepare_cached(&format!(
                    "SELECT {KEY} FROM api_key WHERE tenant = ?1 ORDER BY created_at, id"
                ))?
                .query_map([tenant.as_str()], read)?
                .collect()
        };
        rows().map_err(|source| self.failed(source))
    }

    /// Revokes the tenant's key of this id, for good. `false` when it has none, or none that was not revoked.
    ///
    /// # Errors
    /// The file's.
    pub fn revoke(&self, tenant: &TenantId, id: &str) -> Result<bool, AccountsError> {
        let revoked = self.connection().execute(
            "UPDATE api_key SET revoked_at = ?3
             WHERE tenant = ?1 AND id = ?2 AND revoked_at IS NULL",
            params![tenant.as_str(), id, now().as_millisecond()],
        );
        revoked.map(|rows| rows > 0).map_err(|source| self.failed(source))
    }

    /// The key that this is, if it opens anything now; also notes that it was used.
    ///
    /// # Errors
    /// The file's.
    pub fn verify(&self, secret: &KeySecret) -> Result<Option<ApiKey>, AccountsError> {
        let (connection, now) = (self.connection(), now());
        let found = find(&connection, secret).map_err(|source| self.failed(source))?;
        let Some(mut key) = found.filter(|key| key.status(now) == KeyStatus::Active) else {
            return Ok(None);
        };
        let is_old = |used: Timestamp| now.duration_since(used) >= USE_RESOLUTION;
        if key.last_used_at.is_none_or(is_old) {
            connection
                .execute(
                    "UPDATE api_key SET last_used_at = ?2 WHERE id = ?1",
                    params![key.id, now.as_millisecond()],
                )
                .map_err(|source| self.failed(source))?;
            key.last_used_at = Some(now);
        }
        Ok(Some(key))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: rusqlite::Error) -> AccountsError {
        AccountsError::File { file: self.file.clone(), source }
    }
}

/// By the part that may be known; the rest is compared in constant time, so that how long it takes tells nothing of it.
fn find(connection: &Connection, secret: &KeySecret) -> rusqlite::Result<Option<ApiKey>> {
    let hash = secret.hash();
    let mut statement =
        connection.prepare_cached(&format!("SELECT {KEY}, hash FROM api_key WHERE shown = ?1"))?;
    let mut rows = statement.query([secret.shown()])?;
    let mut found = None;
    while let Some(row) = rows.next()? {
        let kept: [u8; blake3::OUT_LEN] = row.get("hash")?;
        if hash == blake3::Hash::from_bytes(kept) {
            found = Some(read(row)?);
        }
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let time = |name: &str| -> rusqlite::Result<Option<Timestamp>> {
        let milliseconds: Option<i64> = row.get(name)?;
        Ok(milliseconds.and_then(|number| Timestamp::from_millisecond(number).ok()))
    };
    let tenant: String = row.get("tenant")?;
    Ok(ApiKey {
        id: row.get("id")?,
        tenant: tenant.try_into().map_err(damaged)?,
        name: row.get("name")?,
        shown: row.get("shown")?,
        created_at: time("created_at")?.unwrap_or_default(),
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
        last_used_at: time("last_used_at")?,
    })
}

/// A tenant that cannot be one.
fn damaged(error: rag_core::InvalidId) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
}

fn check(request: &KeyRequest, now: Timestamp) -> Result<(), AccountsError> {
    let characters = request.name.trim().chars().count();
    if characters == 0 || characters > MOST_NAME {
        let message = format!("a key's name has 1 to {MOST_NAME} characters");
        return Err(AccountsError::Invalid(message));
    }
    if request.expires_at.is_some_and(|expires_at| expires_at <= now) {
        let message = "a key expires in the future; leave it out for one that does not";
        return Err(AccountsError::Invalid(message.into()));
    }
    Ok(())
}

/// As exact as it is kept.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use rag_core::TenantId;

    use super::{AccountsError, KeyStore};
    use crate::key::{KeyRequest, KeyStatus};
    use crate::secret::KeySecret;

    fn store() -> (tempfile::TempDir, KeyStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::open(&folder.path().join("accounts.sqlite")).unwrap();
        (folder, store)
    }

    #[test]
    fn another_process_sees_what_is_made_and_revoked() {
        let (folder, store) = store();
        let other = KeyStore::open(&folder.path().join("accounts.sqlite")).unwrap();
        let (key, secret) = store.create(&KeyRequest::new(TenantId::local(), " laptop ")).unwrap();
        assert_eq!(other.verify(&secret).unwrap().unwrap().id, key.id);
        let listed = store.list(&TenantId::local()).unwrap();
        assert_eq!((listed.len(), listed[0].name.as_str()), (1, "laptop"));
        assert!(listed[0].last_used_at.is_some());

        assert!(other.revoke(&TenantId::local(), &key.id).unwrap());
        assert!(!other.revoke(&TenantId::local(), &key.id).unwrap());
        assert!(store.verify(&secret).unwrap().is_none());
        let listed = store.list(&TenantId::local()).unwrap();
        assert_eq!(listed[0].status(Timestamp::now()), KeyStatus::Revoked);
    }

    #[test]
    fn a_key_is_its_tenants_only() {
        let (_folder, store) = store();
        let (key, secret) = store.create(&KeyRequest::new(TenantId::local(), "one")).unwrap();
        let other: TenantId = "acme".parse().unwrap();
        assert_eq!(store.list(&other).unwrap(), []);
        assert!(!store.revoke(&other, &key.id).unwrap());
        assert!(store.verify(&secret).unwrap().is_some());
    }

    #[test]
    fn a_secret_that_begins_like_another_opens_nothing() {
        let (_folder, store) = store();
        let (_, secret) = store.create(&KeyRequest::new(TenantId::local(), "one")).unwrap();
        let last = if secret.expose().ends_with('A') { 'B' } else { 'A' };
        let forged = format!("{}{last}", &secret.expose()[..46]);
        assert!(store.verify(&KeySecret::parse(&forged).unwrap()).unwrap().is_none());
    }

    #[test]
    fn neither_the_file_nor_a_list_holds_the_key() {
        let (folder, store) = store();
        let (_, secret) = store.create(&KeyRequest::new(TenantId::local(), "one")).unwrap();
        let tail = &secret.expose().as_bytes()[12..];
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(tail.len()).any(|window| window == tail));
        }
        let listed = format!("{:?}", store.list(&TenantId::local()).unwrap());
        assert!(!listed.contains(&secret.expose()[12..]));
    }

    #[test]
    fn names_and_times_have_bounds() {
        let (_folder, store) = store();
        let named = |name: &str| KeyRequest::new(TenantId::local(), name);
        let past = Timestamp::now() - SignedDuration::from_secs(1);
        let over = KeyRequest { expires_at: Some(past), ..named("one") };
        for request in [named(""), named("  "), named(&"x".repeat(101)), over] {
            let refused = store.create(&request).map(|_| ());
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{request:?}");
        }
    }
}
