//! Artifacts in the database: a bounded cache of dear results.

use std::collections::BTreeMap;

use rag_core::{ArtifactKey, StoreError};

use crate::connection::{Connection, column, count};

/// An artifact may take this part of the room, or is not kept.
const LARGEST_PART: u64 = 4;
/// Milliseconds: what was used later than this ago is not noted again.
const COARSE: i64 = 600_000;

/// What is kept under these keys.
pub(crate) fn find(
    database: &mut Connection,
    keys: &[ArtifactKey],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let kinds: Vec<&str> = keys.iter().map(|key| key.kind.as_str()).collect();
    let hashes: Vec<&[u8]> = keys.iter().map(|key| &key.hash.0[..]).collect();
    let rows = database.query(
        "SELECT value, coalesce(used_at < colloquy_now() - $3, false)
         FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS wanted (kind, hash, no)
         LEFT JOIN artifact USING (kind, hash) ORDER BY wanted.no",
        &[&kinds, &hashes, &COARSE],
    )?;
    let mut found = Vec::with_capacity(rows.len());
    let mut is_any_old = false;
    for row in &rows {
        found.push(column(row, 0)?);
        is_any_old |= column::<bool>(row, 1)?;
    }
    if is_any_old {
        database.execute(
            "UPDATE artifact SET used_at = colloquy_now()
             FROM unnest($1::text[], $2::bytea[]) AS wanted (kind, hash)
             WHERE artifact.kind = wanted.kind AND artifact.hash = wanted.hash
                AND used_at < colloquy_now() - $3",
            &[&kinds, &hashes, &COARSE],
        )?;
    }
    Ok(found)
}

/// Keeps these. What is too large by itself is not kept.
pub(crate) fn keep(
    database: &mut Connection,
    artifacts: &[(ArtifactKey, Vec<u8>)],
    most_bytes: u64,
) -> Result<(), StoreError> {
    // Of each key the last one, and in one order whoever keeps them.
    let by_key: BTreeMap<(&str, &[u8]), &[u8]> = artifacts
        .iter()
        .map(|(key, value)| ((key.kind.as_str(), &key.hash.0[..]), value.as_slice()))
        .collect();
    for ((kind, hash), value) in by_key {
        if value.len() as u64 <= most_bytes / LARGEST_PART {
            database.execute(
                "INSERT INTO artifact (kind, hash, value, used_at)
                 VALUES ($1, $2, $3, colloquy_now())
                 ON CONFLICT (kind, hash) DO UPDATE SET value = $3, used_at = colloquy_now()",
                &[&kind, &hash, &value],
            )?;
        } else {
            let sql = "DELETE FROM artifact WHERE kind = $1 AND hash = $2";
            database.execute(sql, &[&kind, &hash])?;
        }
    }
    Ok(())
}

/// Forgets those used longest ago beyond so many bytes.
pub(crate) fn forget(database: &mut Connection, most_bytes: u64) -> Result<(), StoreError> {
    let sql = "SELECT coalesce(sum(octet_length(value)), 0)::bigint FROM artifact";
    if count(&database.one(sql, &[])?, 0)? <= most_bytes {
        return Ok(());
    }
    database.execute(
        "DELETE FROM artifact WHERE (kind, hash) IN
            (SELECT kind, hash FROM
                (SELECT kind, hash, sum(octet_length(value))
                    OVER (ORDER BY used_at DESC, kind, hash)::bigint AS with_newer
                 FROM artifact) AS summed
             WHERE with_newer > $1)",
        &[&i64::try_from(most_bytes).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}
