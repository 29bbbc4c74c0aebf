//! Artifacts in the database: a bounded cache of dear results.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rag_core::{ArtifactKey, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashSet;

use crate::clock;
use crate::failure::database;

/// Artifacts that are forgotten in one go, when they take too much room.
const FORGOTTEN_AT_ONCE: usize = 64;
/// An artifact may take this part of the room, or is not kept.
const LARGEST_PART: u64 = 4;
/// What was used later than this ago is not noted again.
const COARSE: Duration = Duration::from_secs(600);
/// Uses that are noted before they are written.
const MOST_NOTED: usize = 16_384;

/// Artifacts that were read, until that is written with the next that are kept.
#[derive(Debug, Default)]
pub(crate) struct UsedArtifacts(Mutex<FxHashSet<i64>>);

impl UsedArtifacts {
    fn note(&self, no: i64) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST_NOTED {
            noted.insert(no);
        }
    }

    /// What was noted since the last time.
    pub(crate) fn take(&self) -> FxHashSet<i64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is kept under these keys.
pub(crate) fn find(
    connection: &Connection,
    keys: &[ArtifactKey],
    used: &UsedArtifacts,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let fresh = clock::now().saturating_sub(COARSE.as_millis() as i64);
    let mut select = connection
        .prepare_cached("SELECT no, used_at, value FROM artifact WHERE kind = ?1 AND hash = ?2")
        .map_err(database)?;
    keys.iter()
        .map(|key| {
            let found: Option<(i64, i64, Vec<u8>)> = select
                .query_row(params![key.kind.as_str(), key.hash.0], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()
                .map_err(database)?;
            Ok(found.map(|(no, used_at, value)| {
                if used_at < fresh {
                    used.note(no);
                }
                value
            }))
        })
        .collect()
}

/// Keeps these, notes that others were `used`, and forgets those used longest ago beyond `most_bytes`. What is too
/// large by itself is not kept.
pub(crate) fn keep(
    connection: &Connection,
    artifacts: &[(ArtifactKey, Vec<u8>)],
    used: &FxHashSet<i64>,
    most_bytes: u64,
) -> Result<(), StoreError> {
    let now = clock::now();
    let mut touch = connection
        .prepare_cached("UPDATE artifact SET used_at = ?2 WHERE no = ?1")
        .map_err(database)?;
    for no in used {
        touch.execute([*no, now]).map_err(database)?;
    }
    let mut added = 0;
    for (key, value) in artifacts {
        added -= remove(connection, key)?;
        if value.len() as u64 <= most_bytes / LARGEST_PART {
            insert(connection, key, value, now)?;
            added += value.len() as i64;
        }
    }
    let total = add_bytes(connection, added)?;
    forget(connection, total, most_bytes)
}

fn insert(
    connection: &Connection,
    key: &ArtifactKey,
    value: &[u8],
    now: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO artifact (kind, hash, value, used_at) VALUES (?1, ?2, ?3, ?4)")
        .map_err(database)?
        .execute(params![key.kind.as_str(), key.hash.0, value, now])
        .map_err(database)?;
    Ok(())
}

/// Removes what was kept under a key; the bytes that it took.
fn remove(connection: &Connection, key: &ArtifactKey) -> Result<i64, StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM artifact WHERE kind = ?1 AND hash = ?2 RETURNING length(value)",
        )
        .map_err(database)?
        .query_row(params![key.kind.as_str(), key.hash.0], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
        .map_err(database)
}

fn forget(connection: &Connection, total: i64, most_bytes: u64) -> Result<(), StoreError> {
    let most_bytes = i64::try_from(most_bytes).unwrap_or(i64::MAX);
    let mut total = total;
    while total > most_bytes {
        let freed = forget_oldest(connection, total - most_bytes)?;
        if freed == 0 {
            break;
        }
        total = add_bytes(connection, -freed)?;
    }
    Ok(())
}

/// Forgets those used longest ago, some of them, until `bytes` are free; the bytes that they took.
fn forget_oldest(connection: &Connection, bytes: i64) -> Result<i64, StoreError> {
    let oldest: Vec<(i64, i64)> = connection
        .prepare_cached("SELECT no, length(value) FROM artifact ORDER BY used_at, no LIMIT ?1")
        .map_err(database)?
        .query_map([FORGOTTEN_AT_ONCE as i64], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(database)?
        .collect::<rusqlite::Result<_>>()
        .map_err(database)?;
    let mut delete =
        connection.prepare_cached("DELETE FROM artifact WHERE no = ?1").map_err(database)?;
    let mut freed = 0;
    for (no, length) in oldest {
        if freed >= bytes {
            break;
        }
        delete.execute([no]).map_err(database)?;
        freed += length;
    }
    Ok(freed)
}

/// Notes that artifacts take more bytes, or fewer; all that they take.
fn add_bytes(connection: &Connection, bytes: i64) -> Result<i64, StoreError> {
    connection
        .prepare_cached(
            "UPDATE counter SET artifact_bytes = artifact_bytes + ?1 RETURNING artifact_bytes",
        )
        .map_err(database)?
        .query_row([bytes], |row| row.get(0))
        .map_err(database)
}
