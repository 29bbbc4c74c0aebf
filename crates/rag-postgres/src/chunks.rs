//! Chunks as they are read from the database.

use std::ops::Range;

use rag_core::{Chunk, ChunkId, ChunkKind, DocumentId, EmbeddedChunk, StoreError, Tag};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::connection::{Connection, column, small};
use crate::failure::damaged;

const COLUMNS: &str = "chunk.id, dataset.id, document.id, chunk.ordinal, chunk.text,
    chunk.span_start, chunk.span_end, chunk.headings, chunk.places, chunk.tokens, chunk.rest";
const FROM: &str = "FROM chunk JOIN document ON document.no = chunk.document
    JOIN dataset ON dataset.no = document.dataset";
/// Chunks by id in the order asked for.
pub(crate) fn by_id(database: &mut Connection, ids: &[ChunkId]) -> Result<Vec<Chunk>, StoreError> {
    let wanted: Vec<&str> = ids.iter().map(ChunkId::as_str).collect();
    let sql = format!(
        "SELECT DISTINCT ON (chunk.id) {COLUMNS} {FROM} WHERE chunk.id = ANY($1)
         ORDER BY chunk.id, chunk.key"
    );
    let rows = database.query(&sql, &[&wanted])?;
    let mut found: FxHashMap<ChunkId, Chunk> = FxHashMap::default();
    for row in &rows {
        let chunk = chunk(row)?;
        found.insert(chunk.id.clone(), chunk);
    }
    Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
}

/// Chunks of a document by number, in order.
pub(crate) fn of_document(
    database: &mut Connection,
    document: &DocumentId,
    range: Range<u32>,
) -> Result<Vec<Chunk>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE document.id = $1 AND chunk.ordinal >= $2 AND chunk.ordinal < $3
         ORDER BY chunk.key"
    );
    let (start, end) = (i64::from(range.start), i64::from(range.end));
    database.query(&sql, &[&document.as_str(), &start, &end])?.iter().map(chunk).collect()
}

/// The first chunks of a document from a number on, by their numbers.
pub(crate) fn page(
    database: &mut Connection,
    document: &DocumentId,
    from: u32,
    limit: usize,
) -> Result<Vec<Chunk>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE document.id = $1 AND chunk.ordinal >= $2
         ORDER BY chunk.ordinal, chunk.key LIMIT $3"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = database.query(&sql, &[&document.as_str(), &i64::from(from), &limit])?;
    rows.iter().map(chunk).collect()
}

/// All chunks of a document with the vectors that are searched, in order; those without one if `also_unsearched`.
pub(crate) fn embedded(
    database: &mut Connection,
    document: &DocumentId,
    also_unsearched: bool,
) -> Result<Vec<EmbeddedChunk>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, chunk_vector.value::real[] {FROM}
         LEFT JOIN chunk_vector
            ON chunk_vector.space = dataset.space AND chunk_vector.key = chunk.key
         WHERE document.id = $1 AND ($2 OR chunk_vector.key IS NOT NULL)
         ORDER BY chunk.key"
    );
    let rows = database.query(&sql, &[&document.as_str(), &also_unsearched])?;
    let embedded = |row: &Row| {
        let vector: Option<Vec<f32>> = column(row, 11)?;
        Ok(EmbeddedChunk { chunk: chunk(row)?, vector: vector.unwrap_or_default() })
    };
    rows.iter().map(embedded).collect()
}

/// Chunks by key, with their keys, ascending.
pub(crate) fn by_key(
    database: &mut Connection,
    keys: &[i64],
) -> Result<Vec<(i64, Chunk)>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS}, chunk.key {FROM} WHERE chunk.key = ANY($1) ORDER BY chunk.key");
    let rows = database.query(&sql, &[&keys])?;
    rows.iter().map(|row| Ok((column(row, 11)?, chunk(row)?))).collect()
}

/// What most chunks lack.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rest {
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
    /// The text, where it has the character 0, which PostgreSQL's texts do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Rest {
    /// What of this a chunk has, if anything.
    pub(crate) fn of(chunk: &Chunk) -> Option<Self> {
        let rest = Self {
            kind: chunk.kind,
            parent: chunk.parent.clone(),
            context: chunk.context.clone(),
            keywords: chunk.keywords.clone(),
            questions: chunk.questions.clone(),
            tags: chunk.tags.clone(),
            disabled: chunk.disabled,
            text: chunk.text.contains('\0').then(|| chunk.text.clone()),
        };
        Some(rest).filter(|rest| *rest != Self::default())
    }
}

/// A chunk from the columns of [`COLUMNS`].
fn chunk(row: &Row) -> Result<Chunk, StoreError> {
    let text = |at: usize| column::<&str>(row, at);
    let offset = |at: usize| {
        let offset: i64 = column(row, at)?;
        usize::try_from(offset).map_err(|error| damaged("a chunk's place", error))
    };
    let rest: Option<&str> = column(row, 10)?;
    let rest: Rest = match rest {
        Some(rest) => serde_json::from_str(rest).map_err(|error| damaged("a chunk", error))?,
        None => Rest::default(),
    };
    Ok(Chunk {
        id: text(0)?.parse().map_err(|error| damaged("a chunk id", error))?,
        dataset: text(1)?.parse().map_err(|error| damaged("a dataset id", error))?,
        document: text(2)?.parse().map_err(|error| damaged("a document id", error))?,
        ordinal: small(row, 3)?,
        text: rest.text.map_or_else(|| text(4).map(str::to_owned), Ok)?,
        span: offset(5)?..offset(6)?,
        headings: serde_json::from_str(text(7)?)
            .map_err(|error| damaged("a chunk's headings", error))?,
        places: serde_json::from_str(text(8)?)
            .map_err(|error| damaged("a chunk's places", error))?,
        tokens: small(row, 9)?,
        kind: rest.kind,
        parent: rest.parent,
        context: rest.context,
        keywords: rest.keywords,
        questions: rest.questions,
        tags: rest.tags,
        disabled: rest.disabled,
    })
}
