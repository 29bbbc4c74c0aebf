//! Artifacts in the database: a bounded cache of dear results.

use rag_core::{ArtifactKey, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::clock;
use crate::failure::database;

/// Artifacts that are forgotten in one go, when they take too much room.
const FORGOTTEN_AT_ONCE: usize = 256;

/// What is kept under these keys.
pub(crate) fn find(
    connection: &Connection,
    keys: &[ArtifactKey],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT value FROM artifact WHERE kind = ?1 AND hash = ?2")
        .map_err(database)?;
    keys.iter()
        .map(|key| {
            select
                .query_row(params![key.kind.as_str(), key.hash.0], |row| row.get(0))
                .optional()
                .map_err(database)
        })
        .collect()
}

/// Keeps these, and forgets those not kept for longest beyond `most_bytes`.
pub(crate) fn keep(
    connection: &Connection,
    artifacts: &[(ArtifactKey, Vec<u8>)],
    most_bytes: u64,
) -> Result<(), StoreError> {
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO artifact (kind, hash, value, used_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET value = excluded.value, used_at = excluded.used_at",
        )
        .map_err(database)?;
    for (key, value) in artifacts {
        insert
            .execute(params![key.kind.as_str(), key.hash.0, value, clock::now()])
            .map_err(database)?;
    }
    forget(connection, most_bytes)
}

fn forget(connection: &Connection, most_bytes: u64) -> Result<(), StoreError> {
    while bytes(connection)? > most_bytes {
        let forgotten = connection
            .prepare_cached(
                "DELETE FROM artifact WHERE (kind, hash) IN
                    (SELECT kind, hash FROM artifact ORDER BY used_at LIMIT ?1)",
            )
            .map_err(database)?
            .execute([FORGOTTEN_AT_ONCE as i64])
            .map_err(database)?;
        if forgotten == 0 {
            break;
        }
    }
    Ok(())
}

fn bytes(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached("SELECT coalesce(sum(length(value)), 0) FROM artifact")
        .map_err(database)?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}
