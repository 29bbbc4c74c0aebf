//! Chunks of a document as its owner changes them.

use std::collections::{HashMap, HashSet};

use rag_core::{
    Chunk, ChunkEdit, ChunkId, CompletedDocument, DocumentId, EmbeddedChunk, StoreError,
};
use rusqlite::{Connection, OptionalExtension};

use crate::chunks::{self, Vectors};
use crate::documents;
use crate::failure::database;

/// A document as it will be, and of which version it was made.
#[derive(Debug)]
pub(crate) struct EditedDocument {
    pub(crate) no: i64,
    pub(crate) version: i64,
    /// Length of the vectors of its dataset.
    pub(crate) dimensions: u32,
    pub(crate) document: CompletedDocument,
}

/// The document with its chunks changed; `None`: there is no such document.
pub(crate) fn edited(
    connection: &Connection,
    id: &DocumentId,
    edit: ChunkEdit,
) -> Result<Option<EditedDocument>, StoreError> {
    // One transaction, so that all of it is of one moment.
    let transaction = connection.unchecked_transaction().map_err(database)?;
    let known = transaction
        .prepare_cached(
            "SELECT document.no, version, dimensions, title, pages, metadata
             FROM document JOIN dataset ON dataset.no = document.dataset WHERE document.id = ?1",
        )
        .map_err(database)?
        .query_row([id.as_str()], |row| {
            let completed = CompletedDocument {
                title: row.get(3)?,
                pages: row.get(4)?,
                ..CompletedDocument::default()
            };
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, completed, row.get::<_, String>(5)?))
        })
        .optional()
        .map_err(database)?;
    let Some((no, version, dimensions, completed, metadata)) = known else { return Ok(None) };
    let chunks = merged(current(&transaction, id, version)?, edit);
    let metadata = documents::metadata(&metadata)?;
    let document = CompletedDocument { metadata, chunks, ..completed };
    Ok(Some(EditedDocument { no, version, dimensions, document }))
}

/// Whether this is the version of the document that can be found.
pub(crate) fn is_version(
    connection: &Connection,
    no: i64,
    version: i64,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM document WHERE no = ?1 AND version = ?2)")
        .map_err(database)?
        .query_row([no, version], |row| row.get(0))
        .map_err(database)
}

/// All chunks of the version that can be found, by their numbers.
fn current(
    connection: &Connection,
    id: &DocumentId,
    version: i64,
) -> Result<Vec<EmbeddedChunk>, StoreError> {
    let (_, searched) = chunks::of_version(connection, version.cast_unsigned(), Vectors::Current)?;
    let mut vectors: HashMap<ChunkId, Vec<f32>> =
        searched.into_iter().map(|searched| (searched.chunk.id, searched.vector)).collect();
    let mut all = chunks::of_document(connection, id, 0..u32::MAX)?;
    all.sort_by_key(|chunk| chunk.ordinal);
    let embedded = all.into_iter().map(|chunk| {
        let vector = vectors.remove(&chunk.id).unwrap_or_default();
        EmbeddedChunk { chunk, vector }
    });
    Ok(embedded.collect())
}

fn merged(current: Vec<EmbeddedChunk>, edit: ChunkEdit) -> Vec<EmbeddedChunk> {
    let removed: HashSet<ChunkId> = edit.remove.into_iter().collect();
    let mut chunks: Vec<EmbeddedChunk> =
        current.into_iter().filter(|chunk| !removed.contains(&chunk.chunk.id)).collect();
    let mut next = chunks.iter().map(|chunk| chunk.chunk.ordinal + 1).max().unwrap_or(0);
    for EmbeddedChunk { chunk, vector } in edit.put {
        match chunks.iter_mut().find(|known| known.chunk.id == chunk.id) {
            Some(known) => {
                let ordinal = known.chunk.ordinal;
                *known = EmbeddedChunk { chunk: Chunk { ordinal, ..chunk }, vector };
            }
            None => {
                chunks.push(EmbeddedChunk { chunk: Chunk { ordinal: next, ..chunk }, vector });
                next += 1;
            }
        }
    }
    chunks
}
