//! Documents in the database.

use rag_core::{
    ChunkingOptions, ContentHash, DatasetId, Document, DocumentId, DocumentSource, DocumentStatus,
    IngestStage, Metadata, StoreError, StoreStats,
};
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::document_set::small;
use crate::failure::{damaged, database};
use crate::metadata_index::MetadataChange;
use crate::snapshot::Change;
use crate::{clock, second_versions};

const SELECT: &str =
    "SELECT document.id, dataset.id, document.name, content, bytes, title, pages, chunks, state,
        detail, updated_at, metadata, source, tokens, chunking, disabled
    FROM document JOIN dataset ON dataset.no = document.dataset";

/// A document's number, its dataset's in the indexes, and its version that can be found (0: none).
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

pub(crate) fn find_by_name(
    connection: &Connection,
    dataset: &DatasetId,
    name: &str,
) -> Result<Option<Document>, StoreError> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE dataset.id = ?1 AND document.name = ?2"))
        .map_err(database)?
        .query_row([dataset.as_str(), name], |row| Ok(document(row)))
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

/// Those of the documents that exist.
pub(crate) fn numbers(
    connection: &Connection,
    ids: &[DocumentId],
) -> Result<RoaringBitmap, StoreError> {
    // One statement for all of them: a filter may name thousands.
    let ids = serde_json::to_string(ids).map_err(|error| damaged("a document id", error))?;
    let mut select = connection
        .prepare_cached(
            "SELECT document.no FROM json_each(?1) AS wanted
             JOIN document ON document.id = wanted.value",
        )
        .map_err(database)?;
    let mut rows = select.query([ids]).map_err(database)?;
    let mut documents = RoaringBitmap::new();
    while let Some(row) = rows.next().map_err(database)? {
        documents.insert(small(row.get::<_, i64>(0).map_err(database)?.cast_unsigned())?);
    }
    Ok(documents)
}

/// Replaces a document's metadata, for good: it goes before what its file says when that is read again. What changed
/// for filters; `None`: there is no such document.
pub(crate) fn set_metadata(
    connection: &Connection,
    id: &DocumentId,
    metadata: &Metadata,
) -> Result<Option<MetadataChange>, StoreError> {
    let after = metadata_column(metadata)?;
    let known = connection
        .prepare_cached("SELECT no, dataset, version, metadata FROM document WHERE id = ?1")
        .map_err(database)?
        .query_row([id.as_str()], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
            ))
        })
        .optional()
        .map_err(database)?;
    let Some((no, dataset, version, before)) = known else { return Ok(None) };
    connection
        .prepare_cached(
            "UPDATE document SET metadata = ?2, given = ?2, updated_at = ?3 WHERE no = ?1",
        )
        .map_err(database)?
        .execute(params![no, after, clock::now()])
        .map_err(database)?;
    let visible = |column: String| (version > 0).then_some(column);
    let sequence = next_metadata_sequence(connection)?;
    let document = no.cast_unsigned();
    let (before, after) = (visible(before), visible(after));
    Ok(Some(MetadataChange { dataset, sequence, document, before, after }))
}

/// The number of a change of what is known of documents.
pub(crate) fn next_metadata_sequence(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached("UPDATE counter SET metadata = metadata + 1 RETURNING metadata")
        .map_err(database)?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}

/// Tells number and metadata of each document of a dataset that can be found, and the number of the last change that
/// they have seen.
pub(crate) fn each_metadata(
    connection: &Connection,
    dataset: u32,
    mut each: impl FnMut(u64, &Metadata) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    // One transaction, so that all of it is of one moment.
    let transaction = connection.unchecked_transaction().map_err(database)?;
    let sequence = transaction
        .query_row("SELECT metadata FROM counter", [], |row| row.get::<_, i64>(0))
        .map_err(database)?;
    let mut select = transaction
        .prepare_cached("SELECT no, metadata FROM document WHERE dataset = ?1 AND version > 0")
        .map_err(database)?;
    let mut rows = select.query([dataset]).map_err(database)?;
    while let Some(row) = rows.next().map_err(database)? {
        let no = row.get::<_, i64>(0).map_err(database)?.cast_unsigned();
        let column = row.get_ref(1).and_then(|column| Ok(column.as_str()?)).map_err(database)?;
        each(no, &metadata(column)?)?;
    }
    Ok(sequence.cast_unsigned())
}

pub(crate) fn metadata_column(metadata: &Metadata) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|error| damaged("a document's metadata", error))
}

pub(crate) fn metadata(column: &str) -> Result<Metadata, StoreError> {
    serde_json::from_str(column).map_err(|error| damaged("a document's metadata", error))
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

/// The versions of all documents that the indexes hold, those under way to another embedding too.
pub(crate) fn live_versions(connection: &Connection) -> Result<Vec<u64>, StoreError> {
    connection
        .prepare(
            "SELECT version FROM document WHERE version > 0 UNION ALL SELECT version FROM reembedded",
        )
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
            "SELECT document.no, dataset.index_no, version
             FROM document JOIN dataset ON dataset.no = document.dataset
             WHERE version > max(0, ?1)
             UNION ALL
             SELECT reembedded.document, reembedding.index_no, version
             FROM reembedded JOIN reembedding ON reembedding.no = reembedded.reembedding
             WHERE version > max(0, ?1)
             ORDER BY version LIMIT ?2",
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

/// Removes a document with its jobs; its chunks become garbage. What changed, if it existed.
pub(crate) fn delete(
    connection: &Connection,
    id: &DocumentId,
) -> Result<Option<Vec<Change>>, StoreError> {
    let known = connection
        .prepare_cached(
            "SELECT document.no, document.dataset, dataset.index_no, version, metadata
             FROM document JOIN dataset ON dataset.no = document.dataset WHERE document.id = ?1",
        )
        .map_err(database)?
        .query_row([id.as_str()], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok((number(0)?, row.get(1)?, row.get(2)?, number(3)?, row.get::<_, String>(4)?))
        })
        .optional()
        .map_err(database)?;
    let Some((no, row, dataset, version, metadata)) = known else { return Ok(None) };
    let mut changes = Vec::from_iter(second_versions::forget(connection, no)?);
    connection
        .prepare_cached("DELETE FROM document WHERE no = ?1")
        .map_err(database)?
        .execute([no.cast_signed()])
        .map_err(database)?;
    discard(connection, version)?;
    changes.push(Change::DocumentGone { dataset, version });
    let sequence = next_metadata_sequence(connection)?;
    let before = (version > 0).then_some(metadata);
    let change = MetadataChange { dataset: row, sequence, document: no, before, after: None };
    changes.push(Change::Metadata(change));
    Ok(Some(changes))
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

/// Makes the chunks of all versions of a dataset's documents garbage.
pub(crate) fn discard_all(connection: &Connection, dataset: u32) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO garbage
             SELECT version FROM document WHERE version > 0 AND dataset = ?1
             UNION ALL
             SELECT reembedded.version FROM reembedded
             JOIN document ON document.no = reembedded.document WHERE dataset = ?1",
        )
        .map_err(database)?
        .execute([dataset])
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
        DocumentStatus::Kept => ("kept", None),
        DocumentStatus::Queued => ("queued", None),
        DocumentStatus::Running { stage } => ("running", Some(stage.as_str())),
        DocumentStatus::Ready => ("ready", None),
        DocumentStatus::Failed { reason } => ("failed", Some(reason)),
        DocumentStatus::Cancelled => ("cancelled", None),
    }
}

fn status(state: &str, detail: Option<String>) -> Result<DocumentStatus, StoreError> {
    match state {
        "kept" => Ok(DocumentStatus::Kept),
        "queued" => Ok(DocumentStatus::Queued),
        "running" => Ok(DocumentStatus::Running { stage: stage(&detail.unwrap_or_default())? }),
        "ready" => Ok(DocumentStatus::Ready),
        "failed" => Ok(DocumentStatus::Failed { reason: detail.unwrap_or_default() }),
        "cancelled" => Ok(DocumentStatus::Cancelled),
        other => Err(damaged("a document's state", format!("`{other}`"))),
    }
}

pub(crate) fn stage(name: &str) -> Result<IngestStage, StoreError> {
    use IngestStage::{Chunk, Describe, Embed, Enrich, Index, Parse, Read};
    [Read, Parse, Describe, Chunk, Enrich, Embed, Index]
        .into_iter()
        .find(|stage| stage.as_str() == name)
        .ok_or_else(|| damaged("a document's stage", format!("`{name}`")))
}

/// Where a document's bytes were; `None` also for what a newer version wrote.
fn source(column: Option<String>) -> Option<DocumentSource> {
    serde_json::from_str(&column?).ok()
}

/// How a document is cut, where that is not as its dataset says.
fn chunking(column: Option<String>) -> Result<Option<ChunkingOptions>, StoreError> {
    let options = column.map(|column| serde_json::from_str(&column)).transpose();
    options.map_err(|error| damaged("chunking options", error))
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
        source: source(row.get(12).map_err(database)?),
        tokens: row.get::<_, i64>(13).map_err(database)?.cast_unsigned(),
        chunking: chunking(row.get(14).map_err(database)?)?,
        disabled: row.get(15).map_err(database)?,
    })
}
