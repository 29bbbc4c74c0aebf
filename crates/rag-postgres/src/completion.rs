//! Documents as ingestion or their owners make them: all of a document's chunks change in one transaction.
//!
//! The dataset is locked before the document, against a move to another embedding, so that vectors come to where they
//! are searched.

use std::collections::{HashMap, HashSet};

use rag_core::{
    Chunk, ChunkEdit, ChunkId, ClaimedJob, CompletedDocument, DatasetId, DocumentId,
    DocumentStatus, EmbeddedChunk, StoreError,
};

use crate::chunk_writes::{self, Place, Prepared};
use crate::connection::{Connection, column, small};
use crate::{chunks, claims, documents};

/// Ends a held job: these are the document's chunks.
pub(crate) fn complete(
    database: &mut Connection,
    job: &ClaimedJob,
    completed: &CompletedDocument,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    let dataset = locked_dataset(database, &job.job.dataset)?;
    let document = claims::held_document(database, job)?;
    // A held job has a dataset.
    let Some(dataset) = dataset else { return Ok(()) };
    chunk_writes::check_vectors(&completed.chunks, dataset.dimensions)?;
    let place = Place { document, dataset: dataset.no, space: dataset.space };
    chunk_writes::replace(database, &place, completed, prepared)?;
    claims::end(database, document, &DocumentStatus::Ready)
}

struct LockedDataset {
    no: i64,
    space: i64,
    dimensions: u32,
}

/// The dataset, which moves to no other embedding until the transaction ends.
fn locked_dataset(
    database: &mut Connection,
    id: &DatasetId,
) -> Result<Option<LockedDataset>, StoreError> {
    let sql = "SELECT no, space, dimensions FROM dataset WHERE id = $1 FOR SHARE";
    let Some(row) = database.first(sql, &[&id.as_str()])? else { return Ok(None) };
    let dimensions = small(&row, 2)?;
    Ok(Some(LockedDataset { no: column(&row, 0)?, space: column(&row, 1)?, dimensions }))
}

/// Changes chunks of a document. Whether it exists.
pub(crate) fn edit(
    database: &mut Connection,
    id: &DocumentId,
    edit: &ChunkEdit,
) -> Result<bool, StoreError> {
    let Some(document) = documents::find(database, id)? else { return Ok(false) };
    let Some(dataset) = locked_dataset(database, &document.dataset)? else { return Ok(false) };
    let locked = database.first(
        "SELECT no, title, pages, metadata FROM document WHERE id = $1 FOR UPDATE",
        &[&id.as_str()],
    )?;
    let Some(row) = locked else { return Ok(false) };
    let current = chunks::embedded(database, id, true)?;
    let completed = CompletedDocument {
        title: column(&row, 1)?,
        pages: small(&row, 2)?,
        metadata: documents::metadata(column(&row, 3)?)?,
        chunks: merged(current, edit),
    };
    chunk_writes::check_vectors(&completed.chunks, dataset.dimensions)?;
    let place = Place { document: column(&row, 0)?, dataset: dataset.no, space: dataset.space };
    chunk_writes::replace(database, &place, &completed, &Prepared::new(&completed))?;
    Ok(true)
}

fn merged(mut current: Vec<EmbeddedChunk>, edit: &ChunkEdit) -> Vec<EmbeddedChunk> {
    let removed: HashSet<&ChunkId> = edit.remove.iter().collect();
    current.retain(|chunk| !removed.contains(&chunk.chunk.id));
    current.sort_by_key(|chunk| chunk.chunk.ordinal);
    let mut next = current.last().map_or(0, |chunk| chunk.chunk.ordinal + 1);
    let mut places: HashMap<ChunkId, usize> =
        current.iter().enumerate().map(|(at, chunk)| (chunk.chunk.id.clone(), at)).collect();
    for EmbeddedChunk { chunk, vector } in edit.put.iter().cloned() {
        match places.get(&chunk.id).and_then(|at| current.get_mut(*at)) {
            Some(known) => {
                let ordinal = known.chunk.ordinal;
                *known = EmbeddedChunk { chunk: Chunk { ordinal, ..chunk }, vector };
            }
            None => {
                places.insert(chunk.id.clone(), current.len());
                current.push(EmbeddedChunk { chunk: Chunk { ordinal: next, ..chunk }, vector });
                next += 1;
            }
        }
    }
    current
}
