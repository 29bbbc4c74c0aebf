//! Chunks and their vectors in the database.

use std::ops::Range;

use rag_core::{
    Chunk, ChunkId, ChunkKind, CompletedDocument, DocumentId, DocumentStatus, EmbeddedChunk,
    StoreError, StoreErrorKind, Tag,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::documents;
use crate::failure::{damaged, database};
use crate::key::ChunkKey;

const SELECT: &str = "SELECT chunk.id, dataset.id, document.id, chunk.ordinal, chunk.text,
        chunk.span_start, chunk.span_end, chunk.headings, chunk.places, chunk.tokens,
        chunk.rest
    FROM chunk
    JOIN document ON document.no = chunk.document AND document.version = chunk.key >> 24
    JOIN dataset ON dataset.no = document.dataset";

/// What a completion changed: the document now, and the version that it replaces (0: none).
pub(crate) struct Completed {
    pub(crate) document: documents::Indexed,
    pub(crate) replaced: u64,
}

/// Replaces the chunks of document `no` by a new version and marks it ready. Those that are searched come first in
/// `completion`.
pub(crate) fn complete(
    connection: &Connection,
    no: i64,
    completion: &CompletedDocument,
) -> Result<Completed, StoreError> {
    let version = next_version(connection)?;
    let (dataset, replaced) = connection
        .prepare_cached("SELECT dataset, version FROM document WHERE no = ?1")
        .map_err(database)?
        .query_row([no], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
        .map_err(database)?;
    documents::discard(connection, replaced)?;
    for (position, chunk) in completion.chunks.iter().enumerate() {
        insert(connection, ChunkKey::new(version, position), no, chunk)?;
    }
    connection
        .prepare_cached(
            "UPDATE document SET version = ?2, title = ?3, pages = ?4, chunks = ?5, metadata = ?6
             WHERE no = ?1",
        )
        .map_err(database)?
        .execute(params![
            no,
            version.cast_signed(),
            completion.title,
            completion.pages,
            completion.chunks.iter().filter(|chunk| is_searched(chunk)).count() as i64,
            documents::metadata_column(&completion.metadata)?,
        ])
        .map_err(database)?;
    documents::set_status(connection, no, &DocumentStatus::Ready)?;
    let document = documents::Indexed { no: no.cast_unsigned(), dataset, version };
    Ok(Completed { document, replaced })
}

/// Whether searches find a chunk.
pub(crate) fn is_searched(chunk: &EmbeddedChunk) -> bool {
    chunk.chunk.kind.is_searched()
}

/// The number of the document completed last.
pub(crate) fn sequence(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .query_row("SELECT sequence FROM counter", [], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}

fn next_version(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached("UPDATE counter SET sequence = sequence + 1 RETURNING sequence")
        .map_err(database)?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}

fn insert(
    connection: &Connection,
    key: ChunkKey,
    document: i64,
    embedded: &EmbeddedChunk,
) -> Result<(), StoreError> {
    let chunk = &embedded.chunk;
    let json = |what: serde_json::Result<String>| what.map_err(|e| damaged("a chunk", e));
    connection
        .prepare_cached(
            "INSERT INTO chunk (key, document, id, ordinal, text, span_start, span_end, headings,
                                places, tokens, rest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .map_err(database)?
        .execute(params![
            key.0.cast_signed(),
            document,
            chunk.id.as_str(),
            chunk.ordinal,
            chunk.text,
            chunk.span.start as i64,
            chunk.span.end as i64,
            json(serde_json::to_string(&chunk.headings))?,
            json(serde_json::to_string(&chunk.places))?,
            chunk.tokens,
            Rest::of(chunk).map(|rest| json(serde_json::to_string(&rest))).transpose()?,
        ])
        .map_err(database)?;
    if !is_searched(embedded) {
        return Ok(());
    }
    let bytes: Vec<u8> = embedded.vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    connection
        .prepare_cached("INSERT INTO vector (key, value) VALUES (?1, ?2)")
        .map_err(database)?
        .execute(params![key.0.cast_signed(), bytes])
        .map_err(database)?;
    Ok(())
}

/// Chunks by id in the order asked for, those that can be found now.
pub(crate) fn by_id(connection: &Connection, ids: &[ChunkId]) -> Result<Vec<Chunk>, StoreError> {
    let mut find = connection
        .prepare_cached(&format!("{SELECT} WHERE chunk.id = ?1 LIMIT 1"))
        .map_err(database)?;
    ids.iter()
        .filter_map(|id| {
            find.query_row([id.as_str()], |row| Ok(chunk(row)))
                .optional()
                .map_err(database)
                .transpose()
        })
        .map(|chunk| chunk?)
        .collect()
}

/// Chunks of a document by number, in order.
pub(crate) fn of_document(
    connection: &Connection,
    document: &DocumentId,
    range: Range<u32>,
) -> Result<Vec<Chunk>, StoreError> {
    connection
        .prepare_cached(&format!(
            "{SELECT} WHERE document.id = ?1
                AND chunk.key BETWEEN document.version << 24 AND (document.version + 1 << 24) - 1
                AND chunk.ordinal >= ?2 AND chunk.ordinal < ?3
             ORDER BY chunk.key"
        ))
        .map_err(database)?
        .query_map(params![document.as_str(), range.start, range.end], |row| Ok(chunk(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

/// What the indexes hold of a version, for bringing them up to date.
pub(crate) fn of_version(
    connection: &Connection,
    version: u64,
) -> Result<(Option<String>, Vec<EmbeddedChunk>), StoreError> {
    let title = connection
        .prepare_cached("SELECT title FROM document WHERE version = ?1")
        .map_err(database)?
        .query_row([version.cast_signed()], |row| row.get(0))
        .optional()
        .map_err(database)?
        .flatten();
    let sql = SELECT.replacen(" FROM", ", vector.value FROM", 1).replacen(
        "FROM chunk",
        "FROM chunk JOIN vector ON vector.key = chunk.key",
        1,
    );
    let chunks = connection
        .prepare_cached(&format!(
            "{sql} WHERE chunk.key BETWEEN ?1 << 24 AND (?1 + 1 << 24) - 1 ORDER BY chunk.key"
        ))
        .map_err(database)?
        .query_map([version.cast_signed()], |row| Ok((chunk(row), row.get::<_, Vec<u8>>(11)?)))
        .map_err(database)?
        .map(|row| {
            let (chunk, bytes) = row.map_err(database)?;
            Ok(EmbeddedChunk { chunk: chunk?, vector: vector(&bytes)? })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((title, chunks))
}

/// Whether there are chunks of versions that nothing refers to.
pub(crate) fn any_garbage(connection: &Connection) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM garbage)")
        .map_err(database)?
        .query_row([], |row| row.get(0))
        .map_err(database)
}

/// Deletes at most `limit` of these chunks.
pub(crate) fn collect_garbage(connection: &Connection, limit: usize) -> Result<(), StoreError> {
    let mut left = limit;
    while left > 0 {
        let Some(version) = oldest_garbage(connection)? else { break };
        let deleted = delete_chunks(connection, version, left).map_err(database)?;
        if deleted < left {
            connection
                .prepare_cached("DELETE FROM garbage WHERE version = ?1")
                .map_err(database)?
                .execute([version])
                .map_err(database)?;
        }
        left -= deleted.max(1).min(left);
    }
    Ok(())
}

fn oldest_garbage(connection: &Connection) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT version FROM garbage LIMIT 1")
        .map_err(database)?
        .query_row([], |row| row.get(0))
        .optional()
        .map_err(database)
}

fn delete_chunks(connection: &Connection, version: i64, limit: usize) -> rusqlite::Result<usize> {
    let delete = |table: &str| {
        connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE key IN (SELECT key FROM {table}
                 WHERE key BETWEEN ?1 << 24 AND (?1 + 1 << 24) - 1 LIMIT ?2)"
            ))?
            .execute(params![version, limit as i64])
    };
    delete("vector")?;
    delete("chunk")
}

fn vector(bytes: &[u8]) -> Result<Vec<f32>, StoreError> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(StoreError::new(
            StoreErrorKind::Incompatible,
            "the database holds a vector of a broken length; restore a backup",
        ));
    }
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// What most chunks lack.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Rest {
    kind: ChunkKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ChunkId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    questions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl Rest {
    /// What of this a chunk has, if anything.
    fn of(chunk: &Chunk) -> Option<Self> {
        let rest = Self {
            kind: chunk.kind,
            parent: chunk.parent.clone(),
            context: chunk.context.clone(),
            keywords: chunk.keywords.clone(),
            questions: chunk.questions.clone(),
            tags: chunk.tags.clone(),
        };
        Some(rest).filter(|rest| *rest != Self::default())
    }
}

/// A chunk from the columns of [`SELECT`].
fn chunk(row: &Row<'_>) -> Result<Chunk, StoreError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(database);
    let offset = |column: usize| {
        let offset: i64 = row.get(column).map_err(database)?;
        usize::try_from(offset).map_err(|error| damaged("a chunk's place", error))
    };
    let rest: Option<String> = row.get(10).map_err(database)?;
    let rest: Rest = match rest {
        Some(rest) => serde_json::from_str(&rest).map_err(|error| damaged("a chunk", error))?,
        None => Rest::default(),
    };
    Ok(Chunk {
        id: text(0)?.parse().map_err(|error| damaged("a chunk id", error))?,
        dataset: text(1)?.parse().map_err(|error| damaged("a dataset id", error))?,
        document: text(2)?.parse().map_err(|error| damaged("a document id", error))?,
        ordinal: row.get(3).map_err(database)?,
        text: text(4)?,
        span: offset(5)?..offset(6)?,
        headings: serde_json::from_str(&text(7)?)
            .map_err(|error| damaged("a chunk's headings", error))?,
        places: serde_json::from_str(&text(8)?)
            .map_err(|error| damaged("a chunk's places", error))?,
        tokens: row.get(9).map_err(database)?,
        kind: rest.kind,
        parent: rest.parent,
        context: rest.context,
        keywords: rest.keywords,
        questions: rest.questions,
        tags: rest.tags,
    })
}
