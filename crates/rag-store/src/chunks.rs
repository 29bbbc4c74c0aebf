//! Chunks and their vectors in the database.

use std::ops::Range;
use std::sync::Arc;

use rag_core::{
    Chunk, ChunkId, ChunkKind, CompletedDocument, DocumentId, EmbeddedChunk, StoreError,
    StoreErrorKind, Tag,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::failure::{damaged, database};
use crate::key::ChunkKey;
use crate::metadata_index::MetadataChange;
use crate::prepared::PreparedDocument;
use crate::snapshot::{Change, TailDocument};
use crate::{documents, second_versions};

const COLUMNS: &str = "chunk.id, dataset.id, document.id, chunk.ordinal, chunk.text,
    chunk.span_start, chunk.span_end, chunk.headings, chunk.places, chunk.tokens, chunk.rest";

/// Chunks that can be found.
const FROM: &str = "FROM chunk
    JOIN document ON document.no = chunk.document AND document.version = chunk.key >> 24
    JOIN dataset ON dataset.no = document.dataset";

/// Replaces the chunks of document `no` by a new version, which is `content` to the indexes. Chunks that are searched come
/// first in `completion`. What the owner gave of metadata goes before what was found.
pub(crate) fn replace(
    connection: &Connection,
    no: i64,
    completion: CompletedDocument,
    content: Arc<PreparedDocument>,
) -> Result<Vec<Change>, StoreError> {
    let version = next_version(connection)?;
    let before = Before::read(connection, no)?;
    documents::discard(connection, before.version)?;
    let gathered = second_versions::forget(connection, no.cast_unsigned())?;
    for (position, chunk) in completion.chunks.iter().enumerate() {
        insert(connection, ChunkKey::new(version, position), no, chunk)?;
    }
    let searched = completion.chunks.iter().filter(|chunk| is_searched(chunk));
    let searched: Vec<u32> = searched.map(|chunk| chunk.chunk.tokens).collect();
    let mut metadata = completion.metadata;
    metadata.extend(documents::metadata(&before.given)?);
    let metadata = documents::metadata_column(&metadata)?;
    connection
        .prepare_cached(
            "UPDATE document SET version = ?2, title = ?3, pages = ?4, chunks = ?5, metadata = ?6,
                    tokens = ?7
             WHERE no = ?1",
        )
        .map_err(database)?
        .execute(params![
            no,
            version.cast_signed(),
            completion.title,
            completion.pages,
            searched.len() as i64,
            metadata,
            searched.iter().map(|tokens| i64::from(*tokens)).sum::<i64>(),
        ])
        .map_err(database)?;

    let known = MetadataChange {
        dataset: before.row,
        sequence: documents::next_metadata_sequence(connection)?,
        document: no.cast_unsigned(),
        before: (before.version > 0).then_some(before.metadata),
        after: Some(metadata),
    };
    let stored = Change::DocumentStored {
        dataset: before.dataset,
        document: TailDocument { no: no.cast_unsigned(), version, content },
        replaced: before.version,
    };
    Ok([Change::Metadata(known), stored].into_iter().chain(gathered).collect())
}

/// A document before it is completed.
struct Before {
    /// Its dataset's number in the database.
    row: u32,
    /// Its dataset's number in the indexes.
    dataset: u32,
    version: u64,
    metadata: String,
    given: String,
}

impl Before {
    fn read(connection: &Connection, no: i64) -> Result<Self, StoreError> {
        connection
            .prepare_cached(
                "SELECT dataset.no, dataset.index_no, version, metadata, given
                 FROM document JOIN dataset ON dataset.no = document.dataset
                 WHERE document.no = ?1",
            )
            .map_err(database)?
            .query_row([no], |row| {
                Ok(Self {
                    row: row.get(0)?,
                    dataset: row.get(1)?,
                    version: row.get::<_, i64>(2)?.cast_unsigned(),
                    metadata: row.get(3)?,
                    given: row.get(4)?,
                })
            })
            .map_err(database)
    }
}

/// Whether searches find a chunk.
pub(crate) fn is_searched(chunk: &EmbeddedChunk) -> bool {
    chunk.chunk.is_searched()
}

/// The number of the document completed last.
pub(crate) fn sequence(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .query_row("SELECT sequence FROM counter", [], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
        .map_err(database)
}

pub(crate) fn next_version(connection: &Connection) -> Result<u64, StoreError> {
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
    connection
        .prepare_cached("INSERT INTO vector (key, value) VALUES (?1, ?2)")
        .map_err(database)?
        .execute(params![key.0.cast_signed(), vector_column(&embedded.vector)])
        .map_err(database)?;
    Ok(())
}

/// The chunk of a key, if it can be found now.
pub(crate) fn by_key(connection: &Connection, key: ChunkKey) -> Result<Option<Chunk>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} {FROM} WHERE chunk.key = ?1"))
        .map_err(database)?
        .query_row([key.0.cast_signed()], |row| Ok(chunk(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

/// Chunks by id in the order asked for, those that can be found now.
pub(crate) fn by_id(connection: &Connection, ids: &[ChunkId]) -> Result<Vec<Chunk>, StoreError> {
    let mut find = connection
        .prepare_cached(&format!("SELECT {COLUMNS} {FROM} WHERE chunk.id = ?1 LIMIT 1"))
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
            "SELECT {COLUMNS} {FROM} WHERE document.id = ?1
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

/// The first chunks of a document from a number on, by their numbers. Only their texts are read.
pub(crate) fn page(
    connection: &Connection,
    document: &DocumentId,
    from: u32,
    limit: usize,
) -> Result<Vec<Chunk>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} {FROM} WHERE chunk.key IN (
                SELECT chunk.key FROM document JOIN chunk
                    ON chunk.key BETWEEN document.version << 24 AND (document.version + 1 << 24) - 1
                WHERE document.id = ?1 AND chunk.ordinal >= ?2 ORDER BY chunk.ordinal LIMIT ?3
             ) ORDER BY chunk.ordinal"
        ))
        .map_err(database)?
        .query_map(params![document.as_str(), from, limit], |row| Ok(chunk(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

/// What the indexes hold of a version, with the vectors of one table: the document's title, and the chunks that are
/// searched, in order.
pub(crate) fn of_version(
    connection: &Connection,
    version: u64,
    vectors: Vectors,
) -> Result<(Option<String>, Vec<EmbeddedChunk>), StoreError> {
    let mut title = None;
    let chunks = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, vectors.value, document.title
             FROM {} AS vectors JOIN chunk ON chunk.key = vectors.key
                JOIN document ON document.no = chunk.document
                JOIN dataset ON dataset.no = document.dataset
             WHERE vectors.key BETWEEN ?1 << 24 AND (?1 + 1 << 24) - 1 ORDER BY vectors.key",
            vectors.table()
        ))
        .map_err(database)?
        .query_map([version.cast_signed()], |row| {
            title = row.get(12)?;
            Ok((chunk(row), row.get::<_, Vec<u8>>(11)?))
        })
        .map_err(database)?
        .map(|row| {
            let (chunk, bytes) = row.map_err(database)?;
            Ok(EmbeddedChunk { chunk: chunk?, vector: vector(&bytes)? })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((title, chunks))
}

/// Where vectors are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Vectors {
    /// Those that are searched.
    Current,
    /// Those of another embedding, of documents that do not have all of theirs yet.
    New,
}

impl Vectors {
    fn table(self) -> &'static str {
        match self {
            Vectors::Current => "vector",
            Vectors::New => "new_vector",
        }
    }
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
    delete("new_vector")?;
    delete("vector")?;
    delete("chunk")
}

pub(crate) fn vector_column(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
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
            disabled: chunk.disabled,
        };
        Some(rest).filter(|rest| *rest != Self::default())
    }
}

/// A chunk from the columns of [`COLUMNS`].
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
        disabled: rest.disabled,
    })
}
