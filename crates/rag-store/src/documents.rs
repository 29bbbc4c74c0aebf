//! Documents in the database.

use rag_core::{
    ChunkFilter, ContentHash, DatasetId, Document, DocumentId, DocumentStatus, IngestStage,
    Metadata, MetadataFilter, StoreError, StoreStats,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustc_hash::FxHashSet;

use crate::clock;
use crate::failure::{damaged, database};

const SELECT: &str =
    "SELECT document.id, dataset.id, document.name, content, bytes, title, pages, chunks, state,
        detail, updated_at, metadata
    FROM document JOIN dataset ON dataset.no = document.dataset";

/// A document's number, its dataset's, and its version that can be found (0: none).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexed {
    pub(crate) no: u64,
    pub(crate) dataset: u32,
    pub(crate) version: u64,
}

pub(crate) fn find(
    connection: &Connection,
    id: &DocumentId,
) -> Result<Option<Document>, StoreError> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE document.id = ?1"))
        .map_err(database)?
        .query_row([id.as_str()], |row| Ok(document(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn list(
    connection: &Connection,
    dataset: &DatasetId,
) -> Result<Vec<Document>, StoreError> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE dataset.id = ?1 ORDER BY document.name"))
        .map_err(database)?
        .query_map([dataset.as_str()], |row| Ok(document(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

/// The numbers of those documents that exist.
fn numbers(connection: &Connection, ids: &[DocumentId]) -> Result<Vec<u64>, StoreError> {
    // One statement for all of them: a filter may name thousands.
    let ids = serde_json::to_string(ids).map_err(|error| damaged("a document id", error))?;
    connection
        .prepare_cached(
            "SELECT document.no FROM json_each(?1) AS wanted
             JOIN document ON document.id = wanted.value",
        )
        .map_err(database)?
        .query_map([ids], |row| row.get::<_, i64>(0))
        .map_err(database)?
        .map(|no| no.map(i64::cast_unsigned).map_err(database))
        .collect()
}

/// The numbers of the documents of these datasets that pass a filter.
fn passing(
    connection: &Connection,
    datasets: &[DatasetId],
    filter: &MetadataFilter,
) -> Result<Vec<u64>, StoreError> {
    let mut select = connection
        .prepare_cached(
            "SELECT no, metadata FROM document WHERE version > 0
                AND dataset = (SELECT no FROM dataset WHERE id = ?1)",
        )
        .map_err(database)?;
    let mut passing = Vec::new();
    for dataset in datasets {
        let rows = select
            .query_map([dataset.as_str()], |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, String>(1)?))
            })
            .map_err(database)?;
        for row in rows {
            let (no, fields) = row.map_err(database)?;
            if filter.matches(&metadata(&fields)?) {
                passing.push(no);
            }
        }
    }
    Ok(passing)
}

/// Replaces a document's metadata. Whether it exists.
pub(crate) fn set_metadata(
    connection: &Connection,
    id: &DocumentId,
    metadata: &Metadata,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached("UPDATE document SET metadata = ?2, updated_at = ?3 WHERE id = ?1")
        .map_err(database)?
        .execute(params![id.as_str(), metadata_column(metadata)?, clock::now()])
        .map_err(database)?;
    Ok(changed > 0)
}

pub(crate) fn metadata_column(metadata: &Metadata) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|error| damaged("a document's metadata", error))
}

pub(crate) fn metadata(column: &str) -> Result<Metadata, StoreError> {
    serde_json::from_str(column).map_err(|error| damaged("a document's metadata", error))
}

/// The numbers of the documents that a filter lets through, of its datasets and maybe of others; `None`: all of its
/// datasets' documents.
pub(crate) fn admitted(
    connection: &Connection,
    filter: &ChunkFilter,
) -> Result<Option<FxHashSet<u64>>, StoreError> {
    let named = filter.documents.as_ref().map(|ids| numbers(connection, ids)).transpose()?;
    let passing = filter
        .metadata
        .as_ref()
        .map(|metadata| passing(connection, &filter.datasets, metadata))
        .transpose()?;
    Ok(match (named, passing) {
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some(only.into_iter().collect()),
        (Some(named), Some(passing)) => {
            let passing: FxHashSet<u64> = passing.into_iter().collect();
            Some(named.into_iter().filter(|no| passing.contains(no)).collect())
        }
    })
}

/// Chunks that can be found in these datasets, of all documents or of these.
pub(crate) fn count_chunks(
    connection: &Connection,
    datasets: &[DatasetId],
    documents: Option<&FxHashSet<u64>>,
) -> Result<u64, StoreError> {
    let datasets = serde_json::to_string(datasets).map_err(|e| damaged("a dataset id", e))?;
    const OF_DATASETS: &str = "FROM document WHERE dataset IN (SELECT dataset.no
        FROM json_each(?1) AS wanted JOIN dataset ON dataset.id = wanted.value)";
    let Some(documents) = documents else {
        return connection
            .prepare_cached(&format!("SELECT coalesce(sum(chunks), 0) {OF_DATASETS}"))
            .map_err(database)?
            .query_row([datasets], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
            .map_err(database);
    };
    let numbers: Vec<u64> = documents.iter().copied().collect();
    let numbers = serde_json::to_string(&numbers).map_err(|e| damaged("a document", e))?;
    connection
        .prepare_cached(&format!(
            "SELECT coalesce(sum(chunks), 0) {OF_DATASETS} AND no IN (SELECT value FROM json_each(?2))"
        ))
        .map_err(database)?
        .query_row([datasets, numbers], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}

/// The version of a document that can be found.
pub(crate) fn version(connection: &Connection, id: &DocumentId) -> Result<Option<u64>, StoreError> {
    connection
        .prepare_cached("SELECT version FROM document WHERE id = ?1 AND version > 0")
        .map_err(database)?
        .query_row([id.as_str()], |row| row.get::<_, i64>(0))
        .optional()
        .map(|version| version.map(i64::cast_unsigned))
        .map_err(database)
}

/// The versions of all documents that can be found.
pub(crate) fn live_versions(connection: &Connection) -> Result<Vec<u64>, StoreError> {
    connection
        .prepare("SELECT version FROM document WHERE version > 0")
        .map_err(database)?
        .query_map([], |row| row.get::<_, i64>(0))
        .map_err(database)?
        .map(|version| version.map(i64::cast_unsigned).map_err(database))
        .collect()
}

/// The documents completed after `sequence`, oldest first, at most `limit`.
pub(crate) fn completed_after(
    connection: &Connection,
    sequence: u64,
    limit: usize,
) -> Result<Vec<Indexed>, StoreError> {
    connection
        .prepare(
            "SELECT no, dataset, version FROM document
             WHERE version > max(0, ?1) ORDER BY version LIMIT ?2",
        )
        .map_err(database)?
        .query_map(params![sequence.cast_signed(), limit as i64], |row| {
            Ok(Indexed {
                no: row.get::<_, i64>(0)?.cast_unsigned(),
                dataset: row.get(1)?,
                version: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })
        .map_err(database)?
        .map(|row| row.map_err(database))
        .collect()
}

/// Removes a document with its jobs; its chunks become garbage. What it was, if it existed.
pub(crate) fn delete(
    connection: &Connection,
    id: &DocumentId,
) -> Result<Option<Indexed>, StoreError> {
    let removed = connection
        .prepare_cached("DELETE FROM document WHERE id = ?1 RETURNING no, dataset, version")
        .map_err(database)?
        .query_row([id.as_str()], |row| {
            Ok(Indexed {
                no: row.get::<_, i64>(0)?.cast_unsigned(),
                dataset: row.get(1)?,
                version: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })
        .optional()
        .map_err(database)?;
    if let Some(document) = removed {
        discard(connection, document.version)?;
    }
    Ok(removed)
}

/// Makes the chunks of a version garbage.
pub(crate) fn discard(connection: &Connection, version: u64) -> Result<(), StoreError> {
    if version == 0 {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO garbage VALUES (?1)")
        .map_err(database)?
        .execute([version.cast_signed()])
        .map_err(database)?;
    Ok(())
}

/// How much is stored.
pub(crate) fn stats(connection: &Connection) -> Result<StoreStats, StoreError> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM dataset), (SELECT count(*) FROM document),
                    (SELECT coalesce(sum(chunks), 0) FROM document), (SELECT count(*) FROM job)",
        )
        .map_err(database)?
        .query_row([], |row| {
            let count = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(StoreStats {
                datasets: count(0)?,
                documents: count(1)?,
                chunks: count(2)?,
                pending_jobs: count(3)?,
            })
        })
        .map_err(database)
}

pub(crate) fn set_status(
    connection: &Connection,
    no: i64,
    status: &DocumentStatus,
) -> Result<(), StoreError> {
    let (state, detail) = status_columns(status);
    connection
        .prepare_cached(
            "UPDATE document SET state = ?2, detail = ?3, updated_at = ?4 WHERE no = ?1",
        )
        .map_err(database)?
        .execute(params![no, state, detail, clock::now()])
        .map_err(database)?;
    Ok(())
}

/// A status as its two columns.
fn status_columns(status: &DocumentStatus) -> (&'static str, Option<&str>) {
    match status {
        DocumentStatus::Queued => ("queued", None),
        DocumentStatus::Running { stage } => ("running", Some(stage.as_str())),
        DocumentStatus::Ready => ("ready", None),
        DocumentStatus::Failed { reason } => ("failed", Some(reason)),
        DocumentStatus::Cancelled => ("cancelled", None),
    }
}

fn status(state: &str, detail: Option<String>) -> Result<DocumentStatus, StoreError> {
    match state {
        "queued" => Ok(DocumentStatus::Queued),
        "running" => Ok(DocumentStatus::Running { stage: stage(&detail.unwrap_or_default())? }),
        "ready" => Ok(DocumentStatus::Ready),
        "failed" => Ok(DocumentStatus::Failed { reason: detail.unwrap_or_default() }),
        "cancelled" => Ok(DocumentStatus::Cancelled),
        other => Err(damaged("a document's state", format!("`{other}`"))),
    }
}

fn stage(name: &str) -> Result<IngestStage, StoreError> {
    use IngestStage::{Chunk, Describe, Embed, Enrich, Index, Parse, Read};
    [Read, Parse, Describe, Chunk, Enrich, Embed, Index]
        .into_iter()
        .find(|stage| stage.as_str() == name)
        .ok_or_else(|| damaged("a document's stage", format!("`{name}`")))
}

/// A document from the columns of [`SELECT`].
fn document(row: &Row<'_>) -> Result<Document, StoreError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(database);
    Ok(Document {
        id: text(0)?.parse().map_err(|error| damaged("a document id", error))?,
        dataset: text(1)?.parse().map_err(|error| damaged("a dataset id", error))?,
        name: text(2)?,
        content: ContentHash(row.get(3).map_err(database)?),
        bytes: row.get::<_, i64>(4).map_err(database)?.cast_unsigned(),
        title: row.get(5).map_err(database)?,
        pages: row.get(6).map_err(database)?,
        chunks: row.get(7).map_err(database)?,
        status: status(&text(8)?, row.get(9).map_err(database)?)?,
        updated_at: row.get(10).map_err(database)?,
        metadata: metadata(&text(11)?)?,
    })
}
