//! [`Bounds`]: what is kept, and for how long.

use jiff::{SignedDuration, Timestamp};
use rag_core::TenantId;
use rusqlite::{Connection, params};

use crate::error::ResponseStoreError;
use crate::store::ResponseStore;

/// What is kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Older responses go, except those that a younger one goes on from. Default 30.
    pub days: u32,
    /// Responses of a tenant; the oldest go first. Default 10,000.
    pub per_tenant: u32,
    /// Bytes of a tenant's responses; the oldest go first. Default 1 GiB.
    pub tenant_bytes: u64,
    /// Bytes of a response, and of a conversation that is gone on from. Default 16 MiB.
    pub response_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { days: 30, per_tenant: 10_000, tenant_bytes: 1 << 30, response_bytes: 16 << 20 }
    }
}

/// Responses that go in one transaction, so that writers wait for milliseconds only.
const AT_ONCE: i64 = 500;

impl ResponseStore {
    /// Lets go of responses that are too old at the moment `now`, the last of each conversation first, and tells how many
    /// these were. Call it from time to time: hourly, say. Gives the room back to the disk.
    ///
    /// # Errors
    /// The file's; what is gone by then stays gone.
    pub fn sweep(&self, now: Timestamp) -> Result<u64, ResponseStoreError> {
        let age = SignedDuration::from_hours(24 * i64::from(self.bounds().days));
        let oldest = now.saturating_sub(age).map_or(0, Timestamp::as_millisecond);
        let mut gone = 0;
        loop {
            let some = self.write(|transaction| {
                transaction.execute(
                    "DELETE FROM response WHERE seq IN (
                        SELECT seq FROM response AS old WHERE created_at < ?1 AND NOT EXISTS (
                            SELECT 1 FROM response AS next
                            WHERE next.tenant = old.tenant AND next.previous = old.id
                        ) LIMIT ?2
                    )",
                    (oldest, AT_ONCE),
                )
            })?;
            if some == 0 {
                break;
            }
            gone += some as u64;
        }
        give_back(&self.connection()).map_err(|source| self.failed(source))?;
        Ok(gone)
    }
}

/// Removes a tenant's oldest responses, as many as there are too many.
pub(crate) fn trim(
    transaction: &Connection,
    tenant: &TenantId,
    bounds: &Bounds,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM response WHERE tenant = ?1 AND seq <= (
                SELECT max(seq) FROM (
                    SELECT seq, count(*) OVER later AS number, sum(bytes) OVER later AS total
                    FROM response WHERE tenant = ?1
                    WINDOW later AS (ORDER BY seq DESC)
                ) WHERE number > ?2 OR total > ?3
            )",
        )?
        .execute(params![
            tenant.as_str(),
            bounds.per_tenant,
            i64::try_from(bounds.tenant_bytes).unwrap_or(i64::MAX),
        ])?;
    Ok(())
}

/// Makes the file smaller by its free pages.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    // Each row is a step of the work.
    let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut rows = statement.query(())?;
    while rows.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{StoredResponse, Whose};

    fn keep(store: &ResponseStore, tenant: &str, id: &str, previous: Option<&str>) {
        let response = StoredResponse {
            id: id.into(),
            made_by: None,
            previous: previous.map(str::to_owned),
            input: "12345".into(),
            body: "67890".into(),
        };
        store.keep(&tenant.parse().unwrap(), &response).unwrap();
    }

    fn kept(store: &ResponseStore, tenant: &str) -> String {
        let whose = Whose::from(tenant.parse::<TenantId>().unwrap());
        let is_there = |id: &&str| store.find(&whose, id).unwrap().is_some();
        ["a", "b", "c", "d"].into_iter().filter(is_there).collect()
    }

    fn store(bounds: Bounds) -> (tempfile::TempDir, ResponseStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ResponseStore::open(&folder.path().join("r.sqlite"), bounds).unwrap();
        (folder, store)
    }

    #[test]
    fn a_tenant_has_so_many_and_so_much() {
        for bounds in [
            Bounds { per_tenant: 2, ..Bounds::default() },
            Bounds { tenant_bytes: 29, ..Bounds::default() },
        ] {
            let (_folder, store) = store(bounds);
            keep(&store, "other", "a", None);
            for id in ["a", "b", "c", "d"] {
                keep(&store, "acme", id, None);
            }
            assert_eq!((kept(&store, "acme"), kept(&store, "other")), ("cd".into(), "a".into()));
        }
    }

    #[test]
    fn the_old_go_unless_the_young_need_them() {
        let (_folder, store) = store(Bounds { days: 30, ..Bounds::default() });
        for (id, previous) in [("a", None), ("b", Some("a")), ("c", Some("a")), ("d", None)] {
            keep(&store, "acme", id, previous);
        }
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let now = Timestamp::now();
        assert_eq!(store.sweep(now + days(29)).unwrap(), 0);
        store
            .connection()
            .execute("UPDATE response SET created_at = 0 WHERE id IN ('a', 'b', 'd')", ())
            .unwrap();
        assert_eq!(store.sweep(now).unwrap(), 2);
        assert_eq!(kept(&store, "acme"), "ac");
        assert_eq!(store.sweep(now + days(31)).unwrap(), 2);
        assert_eq!(kept(&store, "acme"), "");
    }
}
