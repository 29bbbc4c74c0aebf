//! Documents in the database.

use rag_core::{
    ContentHash, DatasetId, Document, DocumentChange, DocumentId, DocumentSource, DocumentStatus,
    IngestStage, Metadata, StoreError,
};
use tokio_postgres::Row;

use crate::connection::{Connection, column, count, small, storable};
use crate::failure::{damaged, is_taken, occupied};
use crate::fields;

const SELECT: &str =
    "SELECT document.id, dataset.id, document.name, content, bytes, title, pages, chunks, state,
        detail, updated_at, metadata, source, tokens, chunking, disabled
    FROM document JOIN dataset ON dataset.no = document.dataset";

pub(crate) fn find(
    database: &mut Connection,
    id: &DocumentId,
) -> Result<Option<Document>, StoreError> {
    let sql = format!("{SELECT} WHERE document.id = $1");
    database.first(&sql, &[&id.as_str()])?.as_ref().map(document).transpose()
}

pub(crate) fn find_by_name(
    database: &mut Connection,
    dataset: &DatasetId,
    name: &str,
) -> Result<Option<Document>, StoreError> {
    let sql = format!("{SELECT} WHERE dataset.id = $1 AND document.name = $2");
    let row = database.first(&sql, &[&dataset.as_str(), &storable(name)])?;
    row.as_ref().map(document).transpose()
}

pub(crate) fn list(
    database: &mut Connection,
    dataset: &DatasetId,
) -> Result<Vec<Document>, StoreError> {
    let sql = format!("{SELECT} WHERE dataset.id = $1 ORDER BY document.name");
    database.query(&sql, &[&dataset.as_str()])?.iter().map(document).collect()
}

/// Replaces a document's metadata, for good: it goes before what its file says when that is read again. Whether the
/// document exists.
pub(crate) fn set_metadata(
    database: &mut Connection,
    id: &DocumentId,
    metadata: &Metadata,
) -> Result<bool, StoreError> {
    let row = database.first(
        "UPDATE document SET metadata = $2, given = $2, updated_at = colloquy_now() WHERE id = $1
         RETURNING no, dataset",
        &[&id.as_str(), &metadata_column(metadata)?],
    )?;
    let Some(row) = row else { return Ok(false) };
    fields::replace(database, column(&row, 0)?, column(&row, 1)?, metadata)?;
    Ok(true)
}

/// Changes what a document's owner says of it. Whether it exists.
pub(crate) fn change(
    database: &mut Connection,
    id: &DocumentId,
    change: &DocumentChange,
) -> Result<bool, StoreError> {
    let cut_otherwise = change.chunking.is_some();
    let chunking = change.chunking.as_ref().and_then(Option::as_ref);
    let chunking = chunking.map(serde_json::to_string).transpose();
    let name = change.name.as_deref().map(storable);
    let changed = database.execute(
        "UPDATE document SET name = coalesce($2, name),
                chunking = CASE WHEN $3 THEN $4 ELSE chunking END,
                disabled = coalesce($5, disabled), updated_at = colloquy_now()
         WHERE id = $1",
        &[
            &id.as_str(),
            &name,
            &cut_otherwise,
            &chunking.map_err(|error| damaged("chunking options", error))?,
            &change.disabled,
        ],
    );
    let changed = changed.map_err(|error| match is_taken(&error) {
        true => occupied(format!(
            "the dataset has a document `{}` already",
            name.as_deref().unwrap_or_default()
        )),
        false => error,
    });
    Ok(changed? > 0)
}

/// Removes a document with its jobs and chunks. Whether it existed.
pub(crate) fn delete(database: &mut Connection, id: &DocumentId) -> Result<bool, StoreError> {
    let deleted =
        database.first("DELETE FROM document WHERE id = $1 RETURNING no", &[&id.as_str()])?;
    let Some(row) = deleted else { return Ok(false) };
    let no: i64 = column(&row, 0)?;
    for table in ["chunk", "chunk_terms", "chunk_vector"] {
        database.execute(&format!("DELETE FROM {table} WHERE document = $1"), &[&no])?;
    }
    Ok(true)
}

pub(crate) fn set_status(
    database: &mut Connection,
    no: i64,
    status: &DocumentStatus,
) -> Result<(), StoreError> {
    let (state, detail) = status_columns(status);
    database.execute(
        "UPDATE document SET state = $2, detail = $3, updated_at = colloquy_now() WHERE no = $1",
        &[&no, &state, &detail.map(storable)],
    )?;
    Ok(())
}

pub(crate) fn metadata_column(metadata: &Metadata) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|error| damaged("a document's metadata", error))
}

pub(crate) fn metadata(column: &str) -> Result<Metadata, StoreError> {
    serde_json::from_str(column).map_err(|error| damaged("a document's metadata", error))
}

/// A status as its two columns.
fn status_columns(status: &DocumentStatus) -> (&'static str, Option<&str>) {
    let detail = match status {
        DocumentStatus::Running { stage } => Some(stage.as_str()),
        DocumentStatus::Failed { reason } => Some(reason.as_str()),
        _ => None,
    };
    (status.as_str(), detail)
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

/// A hash of a document's bytes from a column.
pub(crate) fn content(row: &Row, at: usize) -> Result<ContentHash, StoreError> {
    let bytes: &[u8] = column(row, at)?;
    let bytes = bytes.try_into().map_err(|error| damaged("a content hash", error))?;
    Ok(ContentHash(bytes))
}

/// Options in JSON from a column that may be empty.
pub(crate) fn options<T: serde::de::DeserializeOwned>(
    row: &Row,
    at: usize,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = column(row, at)?;
    let options = text.map(serde_json::from_str).transpose();
    options.map_err(|error| damaged("chunking options", error))
}

fn document(row: &Row) -> Result<Document, StoreError> {
    let text = |at: usize| column::<String>(row, at);
    Ok(Document {
        id: text(0)?.parse().map_err(|error| damaged("a document id", error))?,
        dataset: text(1)?.parse().map_err(|error| damaged("a dataset id", error))?,
        name: text(2)?,
        content: content(row, 3)?,
        bytes: count(row, 4)?,
        title: column(row, 5)?,
        pages: small(row, 6)?,
        chunks: small(row, 7)?,
        status: status(&text(8)?, column(row, 9)?)?,
        updated_at: column(row, 10)?,
        metadata: metadata(&text(11)?)?,
        source: source(column(row, 12)?),
        tokens: count(row, 13)?,
        chunking: options(row, 14)?,
        disabled: column(row, 15)?,
    })
}
