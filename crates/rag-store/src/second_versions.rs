//! Second versions of documents, with the vectors of another embedding: what is left to do for them, and their making.

use std::sync::Arc;

use rag_core::{Reembedding, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::chunks;
use crate::documents::discard;
use crate::failure::database;
use crate::prepared::PreparedDocument;
use crate::reembedding::{Move, find_same};
use crate::snapshot::{Change, TailDocument};

/// Documents that are looked at in one go.
const DOCUMENTS_AT_ONCE: usize = 256;

/// A document by its number and its version now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstVersion {
    pub(crate) no: u64,
    pub(crate) version: u64,
}

/// Documents that have no new version yet, ascending by their version now.
pub(crate) fn to_do(
    connection: &Connection,
    under_way: &Move,
    from: u64,
) -> Result<Vec<FirstVersion>, StoreError> {
    connection
        .prepare_cached(
            "SELECT no, version FROM document
             WHERE dataset = ?1 AND version >= max(1, ?2)
                AND NOT EXISTS (SELECT 1 FROM reembedded WHERE reembedded.document = document.no)
             ORDER BY version LIMIT ?3",
        )
        .map_err(database)?
        .query_map(
            params![under_way.row, from.cast_signed(), DOCUMENTS_AT_ONCE as i64],
            first_version,
        )
        .map_err(database)?
        .map(|row| row.map_err(database))
        .collect()
}

/// Chunks of a version that have no new vector, from a key on.
pub(crate) fn keys_without_vector(
    connection: &Connection,
    version: u64,
    from: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    connection
        .prepare_cached(
            "SELECT key FROM vector
             WHERE key BETWEEN max(?1 << 24, ?2) AND (?1 + 1 << 24) - 1
                AND NOT EXISTS (SELECT 1 FROM new_vector WHERE new_vector.key = vector.key)
             ORDER BY key LIMIT ?3",
        )
        .map_err(database)?
        .query_map(params![version.cast_signed(), from, limit as i64], |row| row.get(0))
        .map_err(database)?
        .map(|row| row.map_err(database))
        .collect()
}

/// The document of a version, if all of its chunks have new vectors.
pub(crate) fn if_complete(
    connection: &Connection,
    under_way: &Move,
    version: u64,
) -> Result<Option<FirstVersion>, StoreError> {
    if !keys_without_vector(connection, version, 0, 1)?.is_empty() {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "SELECT no, version FROM document WHERE version = ?1 AND dataset = ?2
                AND NOT EXISTS (SELECT 1 FROM reembedded WHERE reembedded.document = document.no)",
        )
        .map_err(database)?
        .query_row(params![version.cast_signed(), under_way.row], first_version)
        .optional()
        .map_err(database)
}

/// Documents that have all of their new vectors, and no new version yet: a crash came between, or they have no chunks.
/// `None`: there is a document that lacks a vector.
pub(crate) fn all_complete(
    connection: &Connection,
    under_way: &Move,
) -> Result<Option<Vec<FirstVersion>>, StoreError> {
    let documents = to_do(connection, under_way, 0)?;
    for document in &documents {
        if !keys_without_vector(connection, document.version, 0, 1)?.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(documents))
}

/// Gives a document its new version, which is `content` to the indexes, unless it was replaced meanwhile.
pub(crate) fn promote(
    connection: &Connection,
    reembedding: &Reembedding,
    document: FirstVersion,
    content: Arc<PreparedDocument>,
) -> Result<Option<Change>, StoreError> {
    let under_way = find_same(connection, reembedding)?;
    let as_before = if_complete(connection, &under_way, document.version)?.is_some();
    if !as_before {
        return Ok(None);
    }
    let version = chunks::next_version(connection)?;
    let (old, new) = (document.version.cast_signed(), version.cast_signed());
    for copy in [
        "INSERT INTO chunk (key, document, id, ordinal, text, span_start, span_end, headings, places,
                            tokens, rest)
         SELECT (?2 << 24) + (key & 0xffffff), document, id, ordinal, text, span_start, span_end,
                headings, places, tokens, rest
         FROM chunk WHERE key BETWEEN ?1 << 24 AND (?1 + 1 << 24) - 1",
        "INSERT INTO vector (key, value) SELECT (?2 << 24) + (key & 0xffffff), value
         FROM new_vector WHERE key BETWEEN ?1 << 24 AND (?1 + 1 << 24) - 1",
    ] {
        connection.prepare_cached(copy).map_err(database)?.execute([old, new]).map_err(database)?;
    }
    connection
        .prepare_cached("DELETE FROM new_vector WHERE key BETWEEN ?1 << 24 AND (?1 + 1 << 24) - 1")
        .map_err(database)?
        .execute([old])
        .map_err(database)?;
    connection
        .prepare_cached(
            "INSERT INTO reembedded (document, reembedding, version) VALUES (?1, ?2, ?3)",
        )
        .map_err(database)?
        .execute(params![document.no.cast_signed(), reembedding.number, new])
        .map_err(database)?;
    Ok(Some(Change::DocumentStored {
        dataset: under_way.index_no,
        document: TailDocument { no: document.no, version, content },
        replaced: 0,
    }))
}

/// Removes the new version of a document, if it has one.
pub(crate) fn forget(connection: &Connection, document: u64) -> Result<Option<Change>, StoreError> {
    let gathered = connection
        .prepare_cached(
            "DELETE FROM reembedded WHERE document = ?1 RETURNING version,
                (SELECT index_no FROM reembedding WHERE reembedding.no = reembedded.reembedding)",
        )
        .map_err(database)?
        .query_row([document.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
        })
        .optional()
        .map_err(database)?;
    let Some((version, dataset)) = gathered else { return Ok(None) };
    discard(connection, version)?;
    Ok(Some(Change::DocumentGone { dataset, version }))
}

fn first_version(row: &Row<'_>) -> rusqlite::Result<FirstVersion> {
    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(FirstVersion { no: number(0)?, version: number(1)? })
}
