//! Moves of datasets to another embedding, in the database.
//!
//! Beside each document a second version is gathered, of the same chunks with new vectors, under a number of its own in
//! the indexes that no search asks for. When every document has one, the dataset takes that number, the documents take
//! those versions, and what was before becomes garbage: one transaction, and one change of the indexes' state.

use rag_core::{
    ChunkSlot, ChunkToReembed, DatasetId, EmbeddingIdentity, NewVector, Reembedding,
    ReembeddingProgress, StoreError, StoreErrorKind,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::chunks::vector_column;
use crate::datasets::{IndexedDataset, described};
use crate::failure::{damaged, database, not_found};
use crate::key::ChunkKey;
use crate::second_versions::{self, FirstVersion};
use crate::snapshot::Change;
use crate::{chunks, claims, datasets};

/// A move that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    /// What callers know of it.
    pub(crate) public: Reembedding,
    /// The dataset's number in the database.
    pub(crate) row: u32,
    /// The number in the indexes where it gathers.
    pub(crate) index_no: u32,
}

const SELECT: &str = "SELECT dataset.id, reembedding.no, reembedding.model, reembedding.dimensions,
        reembedding.document_prefix, reembedding.query_prefix, dataset.no, reembedding.index_no
    FROM reembedding JOIN dataset ON dataset.no = reembedding.dataset";

/// The move of a dataset, if one is under way.
pub(crate) fn find(
    connection: &Connection,
    dataset: &DatasetId,
) -> Result<Option<Move>, StoreError> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE dataset.id = ?1"))
        .map_err(database)?
        .query_row([dataset.as_str()], |row| Ok(moved(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

/// This very move, which must be under way.
pub(crate) fn find_same(connection: &Connection, wanted: &Reembedding) -> Result<Move, StoreError> {
    let found = find(connection, &wanted.dataset)?;
    found.filter(|found| found.public == *wanted).ok_or_else(|| {
        not_found(format!(
            "dataset {} is not being moved to that embedding any more",
            wanted.dataset
        ))
    })
}

/// Numbers in the indexes where moves gather, with the dimensions there.
pub(crate) fn gathered(connection: &Connection) -> Result<Vec<(u32, u32)>, StoreError> {
    connection
        .prepare("SELECT index_no, dimensions FROM reembedding")
        .map_err(database)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(database)?
        .map(|row| row.map_err(database))
        .collect()
}

/// Begins a move, or finds that it has begun; and what changed.
pub(crate) fn begin(
    connection: &Connection,
    id: &DatasetId,
    embedding: &EmbeddingIdentity,
) -> Result<(Reembedding, Option<Change>), StoreError> {
    if let Some(under_way) = find(connection, id)? {
        return match under_way.public.embedding == *embedding {
            true => Ok((under_way.public, None)),
            false => Err(mismatch(format!(
                "dataset {id} is being moved to {}; finish or abandon that first",
                described(&under_way.public.embedding)
            ))),
        };
    }
    let dataset = datasets::find_indexed(connection, id)?
        .ok_or_else(|| not_found(format!("there is no dataset {id}")))?;
    if has_embedding(connection, dataset.row, embedding)? {
        return Err(mismatch(format!("dataset {id} has the embedding {}", described(embedding))));
    }
    let to = next_index_number(connection)?;
    let number = connection
        .prepare_cached(
            "INSERT INTO reembedding
                (dataset, index_no, model, dimensions, document_prefix, query_prefix)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING no",
        )
        .map_err(database)?
        .query_row(
            params![
                dataset.row,
                to,
                embedding.model,
                embedding.dimensions,
                embedding.document_prefix,
                embedding.query_prefix
            ],
            |row| row.get(0),
        )
        .map_err(database)?;
    let change = Change::MoveBegun { to, dimensions: embedding.dimensions };
    Ok((Reembedding { dataset: id.clone(), number, embedding: embedding.clone() }, Some(change)))
}

fn has_embedding(
    connection: &Connection,
    row: u32,
    embedding: &EmbeddingIdentity,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM dataset WHERE no = ?1 AND model = ?2
                AND dimensions = ?3 AND document_prefix = ?4 AND query_prefix = ?5)",
        )
        .map_err(database)?
        .query_row(
            params![
                row,
                embedding.model,
                embedding.dimensions,
                embedding.document_prefix,
                embedding.query_prefix
            ],
            |row| row.get(0),
        )
        .map_err(database)
}

/// A number that no dataset had or will have: taken from the counter of datasets, which is an ordinary table.
fn next_index_number(connection: &Connection) -> Result<u32, StoreError> {
    connection
        .prepare_cached(
            "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'dataset' RETURNING seq",
        )
        .map_err(database)?
        .query_row([], |row| row.get(0))
        .map_err(database)
}

/// How far a move is.
pub(crate) fn progress(
    connection: &Connection,
    under_way: &Move,
) -> Result<ReembeddingProgress, StoreError> {
    let (all, complete, others) = connection
        .prepare_cached(
            "SELECT (SELECT coalesce(sum(chunks), 0) FROM document
                     WHERE dataset = ?1 AND version > 0),
                    (SELECT coalesce(sum(chunks), 0) FROM reembedded
                     JOIN document ON document.no = reembedded.document WHERE dataset = ?1),
                    (SELECT count(*) FROM new_vector
                     JOIN document ON document.version = new_vector.key >> 24 WHERE dataset = ?1)",
        )
        .map_err(database)?
        .query_row([under_way.row], |row| {
            let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok((count(0)?, count(1)?, count(2)?))
        })
        .map_err(database)?;
    let done = all.min(complete + others);
    Ok(ReembeddingProgress { done, left: all - done })
}

/// Chunks without a new vector, from a slot on.
pub(crate) fn pending(
    connection: &Connection,
    under_way: &Move,
    from: ChunkSlot,
    limit: usize,
) -> Result<Vec<ChunkToReembed>, StoreError> {
    let mut pending = Vec::new();
    let mut from = from.0.max(0);
    while pending.len() < limit {
        let versions = second_versions::to_do(
            connection,
            under_way,
            ChunkKey(from.cast_unsigned()).version(),
        )?;
        let Some(last) = versions.last().map(|document| document.version) else { break };
        for document in versions {
            let left = limit - pending.len();
            for key in
                second_versions::keys_without_vector(connection, document.version, from, left)?
            {
                let chunk = chunks::by_key(connection, ChunkKey(key.cast_unsigned()))?;
                pending.extend(chunk.map(|chunk| ChunkToReembed { slot: ChunkSlot(key), chunk }));
            }
            if pending.len() >= limit {
                break;
            }
        }
        from = ChunkKey::new(last + 1, 0).0.cast_signed();
    }
    Ok(pending)
}

/// Keeps new vectors of chunks that can still be found, and tells the documents that have all of theirs now.
pub(crate) fn put(
    connection: &Connection,
    under_way: &Move,
    vectors: &[NewVector],
) -> Result<Vec<FirstVersion>, StoreError> {
    let mut insert = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO new_vector
             SELECT vector.key, ?2 FROM vector
             JOIN document ON document.version = vector.key >> 24
             WHERE vector.key = ?1 AND document.dataset = ?3
                AND NOT EXISTS (SELECT 1 FROM reembedded WHERE reembedded.document = document.no)",
        )
        .map_err(database)?;
    let mut versions = Vec::new();
    for new in vectors {
        insert
            .execute(params![new.slot.0, vector_column(&new.vector), under_way.row])
            .map_err(database)?;
        versions.push(ChunkKey(new.slot.0.cast_unsigned()).version());
    }
    versions.sort_unstable();
    versions.dedup();
    let mut complete = Vec::new();
    for version in versions {
        complete.extend(second_versions::if_complete(connection, under_way, version)?);
    }
    Ok(complete)
}

/// Switches the dataset to what was gathered; `None`: a document has no new version yet.
pub(crate) fn finish(
    connection: &Connection,
    reembedding: &Reembedding,
) -> Result<Option<Change>, StoreError> {
    let under_way = find_same(connection, reembedding)?;
    if !second_versions::to_do(connection, &under_way, 0)?.is_empty() {
        return Ok(None);
    }
    let from = datasets::find_indexed(connection, &reembedding.dataset)?
        .ok_or_else(|| not_found(format!("there is no dataset {}", reembedding.dataset)))?;
    let Move { row, index_no, .. } = under_way;
    for step in [
        "INSERT INTO garbage SELECT version FROM document WHERE dataset = ?1 AND version > 0",
        "UPDATE document SET version = reembedded.version FROM reembedded
         WHERE reembedded.document = document.no AND dataset = ?1",
    ] {
        connection.prepare_cached(step).map_err(database)?.execute([row]).map_err(database)?;
    }
    connection
        .prepare_cached(
            "UPDATE dataset SET (index_no, model, dimensions, document_prefix, query_prefix) =
                (SELECT index_no, model, dimensions, document_prefix, query_prefix
                 FROM reembedding WHERE reembedding.dataset = dataset.no)
             WHERE no = ?1",
        )
        .map_err(database)?
        .execute([row])
        .map_err(database)?;
    remove(connection, &under_way)?;
    // Whoever embeds for this dataset does it with the old embedding.
    claims::release_all(connection, Some(row))?;
    let dimensions = reembedding.embedding.dimensions;
    let to = IndexedDataset { id: from.id, no: index_no, row, dimensions };
    Ok(Some(Change::Moved { from: from.no, to }))
}

/// Gives up the move of a dataset. What changed, if there was one.
pub(crate) fn abandon(
    connection: &Connection,
    dataset: &DatasetId,
) -> Result<Option<Change>, StoreError> {
    let Some(under_way) = find(connection, dataset)? else { return Ok(None) };
    for step in [
        "INSERT INTO garbage SELECT reembedded.version FROM reembedded
         JOIN document ON document.no = reembedded.document WHERE dataset = ?1",
        "DELETE FROM new_vector WHERE key IN (SELECT new_vector.key FROM new_vector
         JOIN document ON document.version = new_vector.key >> 24 WHERE dataset = ?1)",
    ] {
        connection
            .prepare_cached(step)
            .map_err(database)?
            .execute([under_way.row])
            .map_err(database)?;
    }
    remove(connection, &under_way)?;
    Ok(Some(Change::MoveAbandoned { to: under_way.index_no }))
}

fn remove(connection: &Connection, under_way: &Move) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM reembedding WHERE no = ?1")
        .map_err(database)?
        .execute([under_way.public.number])
        .map_err(database)?;
    Ok(())
}

fn mismatch(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::EmbeddingMismatch, message)
}

/// A move from the columns of [`SELECT`].
fn moved(row: &Row<'_>) -> Result<Move, StoreError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(database);
    Ok(Move {
        public: Reembedding {
            dataset: text(0)?.parse().map_err(|error| damaged("a dataset id", error))?,
            number: row.get(1).map_err(database)?,
            embedding: EmbeddingIdentity {
                model: text(2)?,
                dimensions: row.get(3).map_err(database)?,
                document_prefix: text(4)?,
                query_prefix: text(5)?,
            },
        },
        row: row.get(6).map_err(database)?,
        index_no: row.get(7).map_err(database)?,
    })
}
