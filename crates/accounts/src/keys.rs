//! The store's API keys.

use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::account_store::{AccountStore, Broken, damaged, now, parsed, tenant, time};
use crate::key::{ApiKey, KeyRequest, KeyScope, KeyStatus};
use crate::{AccountsError, KeySecret};

/// Keys that a tenant may have, those that open nothing any more included.
const MOST_KEYS: i64 = 1000;
/// Characters of a name.
const MOST_NAME: usize = 100;
/// Names that a scope lists, of either kind.
const MOST_LISTED: usize = 100;
/// How exactly it is known when a key was last used: fewer writes than requests.
const USE_RESOLUTION: SignedDuration = SignedDuration::from_secs(60);

const KEY: &str = "id, tenant, name, shown, role, made_by, scope, created_at, expires_at, revoked_at, \
                   last_used_at";

impl AccountStore {
    /// Makes a key. The secret is told here and never again.
    ///
    /// # Errors
    /// A name that is empty or too long, a scope that lists too much, a time that is over, more keys than a tenant may have;
    /// the file's.
    pub fn create_key(&self, request: &KeyRequest) -> Result<(ApiKey, KeySecret), AccountsError> {
        let now = now();
        check(request, now)?;
        let secret = KeySecret::generate()?;
        let key = ApiKey {
            id: Uuid::now_v7().simple().to_string(),
            tenant: request.tenant.clone(),
            name: request.name.trim().to_owned(),
            shown: secret.shown().to_owned(),
            role: request.role,
            made_by: request.made_by.clone(),
            scope: request.scope.clone(),
            created_at: now,
            expires_at: request.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.transaction(|connection| insert(connection, &key, &secret))?;
        Ok((key, secret))
    }

    /// The tenant's keys, oldest first, those that open nothing any more included.
    ///
    /// # Errors
    /// The file's.
    pub fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, AccountsError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {KEY} FROM api_key WHERE tenant = ?1 ORDER BY created_at, id"
                ))?
                .query_map([tenant.as_str()], key)?
                .collect()
        })
    }

    /// Revokes the tenant's key of this id, for good. `false` when it has none, or none that was not revoked.
    ///
    /// # Errors
    /// The file's.
    pub fn revoke_key(&self, tenant: &TenantId, id: &str) -> Result<bool, AccountsError> {
        self.transaction(|connection| {
            let revoked = connection.execute(
                "UPDATE api_key SET revoked_at = ?3
                 WHERE tenant = ?1 AND id = ?2 AND revoked_at IS NULL",
                params![tenant.as_str(), id, now().as_millisecond()],
            )?;
            Ok(revoked > 0)
        })
    }

    /// The key that this is, if it opens anything now; also notes that it was used.
    ///
    /// # Errors
    /// The file's.
    pub fn verify_key(&self, secret: &KeySecret) -> Result<Option<ApiKey>, AccountsError> {
        let now = now();
        let found = self.read(|connection| find(connection, secret))?;
        let Some(mut key) = found.filter(|key| key.status(now) == KeyStatus::Active) else {
            return Ok(None);
        };
        let is_old = |used: Timestamp| now.duration_since(used) >= USE_RESOLUTION;
        if key.last_used_at.is_none_or(is_old) {
            self.transaction(|connection| {
                let used = params![key.id, now.as_millisecond()];
                Ok(connection
                    .execute("UPDATE api_key SET last_used_at = ?2 WHERE id = ?1", used)?)
            })?;
            key.last_used_at = Some(now);
        }
        Ok(Some(key))
    }
}

fn insert(connection: &Connection, key: &ApiKey, secret: &KeySecret) -> Result<(), Broken> {
    let scope = serde_json::to_string(&key.scope).unwrap_or_default();
    let inserted = connection.execute(
        "INSERT INTO api_key (id, tenant, name, shown, hash, role, made_by, scope, created_at,
                              expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
         WHERE (SELECT count(*) FROM api_key WHERE tenant = ?2) < ?11",
        params![
            key.id,
            key.tenant.as_str(),
            key.name,
            key.shown,
            secret.hash().as_bytes(),
            key.role.as_str(),
            key.made_by,
            scope,
            key.created_at.as_millisecond(),
            key.expires_at.map(Timestamp::as_millisecond),
            MOST_KEYS,
        ],
    )?;
    if inserted == 0 {
        let message = format!("a tenant has at most {MOST_KEYS} keys; use one that is there");
        return Err(AccountsError::Invalid(message).into());
    }
    Ok(())
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
            found = Some(key(row)?);
        }
    }
    Ok(found)
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let scope: String = row.get("scope")?;
    let scope: KeyScope = serde_json::from_str(&scope).map_err(damaged)?;
    Ok(ApiKey {
        id: row.get("id")?,
        tenant: tenant(row)?,
        name: row.get("name")?,
        shown: row.get("shown")?,
        role: parsed(row, "role")?,
        made_by: row.get("made_by")?,
        scope,
        created_at: time(row, "created_at")?.unwrap_or_default(),
        expires_at: time(row, "expires_at")?,
        revoked_at: time(row, "revoked_at")?,
        last_used_at: time(row, "last_used_at")?,
    })
}

fn check(request: &KeyRequest, now: Timestamp) -> Result<(), AccountsError> {
    let invalid = |message: String| Err(AccountsError::Invalid(message));
    let characters = request.name.trim().chars().count();
    if characters == 0 || characters > MOST_NAME {
        return invalid(format!("a key's name has 1 to {MOST_NAME} characters"));
    }
    if request.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return invalid("a key expires in the future; leave it out for one that does not".into());
    }
    let lists = [&request.scope.models, &request.scope.datasets];
    let mut names = lists.into_iter().flatten();
    let fits = |names: &Vec<String>| {
        names.len() <= MOST_LISTED && names.iter().all(|name| name.len() <= 256)
    };
    if !names.all(fits) {
        return invalid(format!("a scope lists at most {MOST_LISTED} names of 256 bytes"));
    }
    if request.scope.dollars_per_day.is_some_and(|dollars| dollars.is_nan() || dollars < 0.0) {
        return invalid("`dollars_per_day` is not negative".into());
    }
    Ok(())
}
#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use rag_core::TenantId;

    use crate::key::{KeyRequest, KeyStatus};
    use crate::secret::KeySecret;
    use crate::{AccountStore, AccountsError};

    fn store() -> (tempfile::TempDir, AccountStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = AccountStore::open(&folder.path().join("accounts.sqlite")).unwrap();
        (folder, store)
    }

    #[test]
    fn another_process_sees_what_is_made_and_revoked() {
        let (folder, store) = store();
        let other = AccountStore::open(&folder.path().join("accounts.sqlite")).unwrap();
        let (key, secret) =
            store.create_key(&KeyRequest::new(TenantId::local(), " laptop ")).unwrap();
        assert_eq!(other.verify_key(&secret).unwrap().unwrap().id, key.id);
        let listed = store.keys(&TenantId::local()).unwrap();
        assert_eq!((listed.len(), listed[0].name.as_str()), (1, "laptop"));
        assert!(listed[0].last_used_at.is_some());

        assert!(other.revoke_key(&TenantId::local(), &key.id).unwrap());
        assert!(!other.revoke_key(&TenantId::local(), &key.id).unwrap());
        assert!(store.verify_key(&secret).unwrap().is_none());
        let listed = store.keys(&TenantId::local()).unwrap();
        assert_eq!(listed[0].status(Timestamp::now()), KeyStatus::Revoked);
    }

    #[test]
    fn a_key_is_its_tenants_only() {
        let (_folder, store) = store();
        let (key, secret) = store.create_key(&KeyRequest::new(TenantId::local(), "one")).unwrap();
        let other: TenantId = "acme".parse().unwrap();
        assert_eq!(store.keys(&other).unwrap(), []);
        assert!(!store.revoke_key(&other, &key.id).unwrap());
        assert!(store.verify_key(&secret).unwrap().is_some());
    }

    #[test]
    fn a_secret_that_begins_like_another_opens_nothing() {
        let (_folder, store) = store();
        let (_, secret) = store.create_key(&KeyRequest::new(TenantId::local(), "one")).unwrap();
        let last = if secret.expose().ends_with('A') { 'B' } else { 'A' };
        let forged = format!("{}{last}", &secret.expose()[..46]);
        assert!(store.verify_key(&KeySecret::parse(&forged).unwrap()).unwrap().is_none());
    }

    #[test]
    fn neither_the_file_nor_a_list_holds_the_key() {
        let (folder, store) = store();
        let (_, secret) = store.create_key(&KeyRequest::new(TenantId::local(), "one")).unwrap();
        let tail = &secret.expose().as_bytes()[12..];
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(tail.len()).any(|window| window == tail));
        }
        let listed = format!("{:?}", store.keys(&TenantId::local()).unwrap());
        assert!(!listed.contains(&secret.expose()[12..]));
    }

    #[test]
    fn names_and_times_have_bounds() {
        let (_folder, store) = store();
        let named = |name: &str| KeyRequest::new(TenantId::local(), name);
        let past = Timestamp::now() - SignedDuration::from_secs(1);
        let over = KeyRequest { expires_at: Some(past), ..named("one") };
        for request in [named(""), named("  "), named(&"x".repeat(101)), over] {
            let refused = store.create_key(&request).map(|_| ());
            assert!(matches!(refused, Err(AccountsError::Invalid(_))), "{request:?}");
        }
    }
}
