//! Moves of datasets to another embedding, in the database.
//!
//! New vectors are gathered as a set of their own, which nobody searches. When every chunk has one, the dataset takes
//! that set, and the one before becomes garbage: one transaction, however large the dataset is.

use rag_core::{
    ChunkSlot, ChunkToReembed, DatasetId, EmbeddingIdentity, NewVector, Reembedding,
    ReembeddingProgress, StoreError,
};
use tokio_postgres::Row;

use crate::connection::{Connection, column, count};
use crate::datasets::{described, embedding};
use crate::failure::{damaged, mismatch, not_found};
use crate::pg_vector::PgVector;
use crate::{chunks, claims};

/// A move that is under way.
pub(crate) struct Move {
    /// What callers know of it.
    pub(crate) public: Reembedding,
    /// The dataset's number.
    dataset: i64,
    /// The set of vectors that is searched.
    from: i64,
    /// The set that is gathered.
    to: i64,
}

const SELECT: &str = "SELECT dataset.id, reembedding.no, reembedding.model, reembedding.dimensions,
        reembedding.document_prefix, reembedding.query_prefix, dataset.no, dataset.space,
        reembedding.space
    FROM reembedding JOIN dataset ON dataset.no = reembedding.dataset";

/// The move of a dataset, if one is under way.
pub(crate) fn find(
    database: &mut Connection,
    dataset: &DatasetId,
) -> Result<Option<Move>, StoreError> {
    let sql = format!("{SELECT} WHERE dataset.id = $1");
    database.first(&sql, &[&dataset.as_str()])?.as_ref().map(moved).transpose()
}

/// This very move, which must be under way.
pub(crate) fn find_same(
    database: &mut Connection,
    wanted: &Reembedding,
) -> Result<Move, StoreError> {
    let found = find(database, &wanted.dataset)?;
    found.filter(|found| found.public == *wanted).ok_or_else(|| {
        let dataset = &wanted.dataset;
        not_found(format!("dataset {dataset} is not being moved to that embedding any more"))
    })
}

/// Begins a move, or finds that it has begun.
pub(crate) fn begin(
    database: &mut Connection,
    id: &DatasetId,
    wanted: &EmbeddingIdentity,
) -> Result<Reembedding, StoreError> {
    let row = lock(database, id, "FOR UPDATE")?;
    let row = row.ok_or_else(|| not_found(format!("there is no dataset {id}")))?;
    if let Some(under_way) = find(database, id)? {
        return match under_way.public.embedding == *wanted {
            true => Ok(under_way.public),
            false => Err(mismatch(format!(
                "dataset {id} is being moved to {}; finish or abandon that first",
                described(&under_way.public.embedding)
            ))),
        };
    }
    if embedding(&row, 1)? == *wanted {
        return Err(mismatch(format!("dataset {id} has the embedding {}", described(wanted))));
    }
    let begun = database.one(
        "INSERT INTO reembedding (dataset, model, dimensions, document_prefix, query_prefix)
         VALUES ($1, $2, $3, $4, $5) RETURNING no",
        &[
            &column::<i64>(&row, 0)?,
            &wanted.model,
            &i64::from(wanted.dimensions),
            &wanted.document_prefix,
            &wanted.query_prefix,
        ],
    )?;
    let number = column(&begun, 0)?;
    Ok(Reembedding { dataset: id.clone(), number, embedding: wanted.clone() })
}

/// The dataset's number and embedding; it stays as it is until the transaction ends.
fn lock(database: &mut Connection, id: &DatasetId, how: &str) -> Result<Option<Row>, StoreError> {
    let sql = format!(
        "SELECT no, model, dimensions, document_prefix, query_prefix FROM dataset WHERE id = $1 {how}"
    );
    database.first(&sql, &[&id.as_str()])
}

/// How far a move is.
pub(crate) fn progress(
    database: &mut Connection,
    under_way: &Move,
) -> Result<ReembeddingProgress, StoreError> {
    let row = database.one(
        "SELECT (SELECT coalesce(sum(chunks), 0)::bigint FROM document WHERE dataset = $1),
                (SELECT count(*) FROM chunk_vector WHERE space = $2)",
        &[&under_way.dataset, &under_way.to],
    )?;
    let (all, done) = (count(&row, 0)?, count(&row, 1)?);
    let done = done.min(all);
    Ok(ReembeddingProgress { done, left: all - done })
}

/// Chunks without a new vector, from a slot on.
pub(crate) fn pending(
    database: &mut Connection,
    under_way: &Move,
    from: ChunkSlot,
    limit: usize,
) -> Result<Vec<ChunkToReembed>, StoreError> {
    let rows = database.query(
        "SELECT old.key FROM chunk_vector AS old
         WHERE old.space = $1 AND old.key >= $3 AND NOT EXISTS
            (SELECT 1 FROM chunk_vector AS new WHERE new.space = $2 AND new.key = old.key)
         ORDER BY old.key LIMIT $4",
        &[&under_way.from, &under_way.to, &from.0, &(limit as i64)],
    )?;
    let keys: Vec<i64> = rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
    let chunks = chunks::by_key(database, &keys)?.into_iter();
    Ok(chunks.map(|(key, chunk)| ChunkToReembed { slot: ChunkSlot(key), chunk }).collect())
}

/// Keeps new vectors of chunks that are still there.
pub(crate) fn put(
    database: &mut Connection,
    reembedding: &Reembedding,
    vectors: &[NewVector],
) -> Result<(), StoreError> {
    lock(database, &reembedding.dataset, "FOR SHARE")?;
    let under_way = find_same(database, reembedding)?;
    let keys: Vec<i64> = vectors.iter().map(|new| new.slot.0).collect();
    let vectors: Vec<PgVector> = vectors.iter().map(|new| PgVector::new(&new.vector)).collect();
    // Nobody replaces the documents meanwhile; what was replaced before is seen by the next statement.
    database.query(
        "SELECT no FROM document WHERE no IN
            (SELECT document FROM chunk_vector WHERE space = $1 AND key = ANY($2))
         ORDER BY no FOR SHARE",
        &[&under_way.from, &keys],
    )?;
    database.execute(
        "INSERT INTO chunk_vector (space, key, document, value)
         SELECT DISTINCT ON (old.key) $1, old.key, old.document, new.value
         FROM unnest($3::bigint[], $4::vector[]) AS new (key, value)
         JOIN chunk_vector AS old ON old.space = $2 AND old.key = new.key ORDER BY old.key
         ON CONFLICT (space, key) DO UPDATE SET value = excluded.value",
        &[&under_way.to, &under_way.from, &keys, &vectors],
    )?;
    Ok(())
}

/// Switches the dataset to what was gathered. Whether it did: not when a chunk has no new vector yet.
pub(crate) fn finish(
    database: &mut Connection,
    reembedding: &Reembedding,
) -> Result<bool, StoreError> {
    // Whoever completes a document of it is waited for.
    lock(database, &reembedding.dataset, "FOR UPDATE")?;
    let under_way = find_same(database, reembedding)?;
    if !pending(database, &under_way, ChunkSlot::FIRST, 1)?.is_empty() {
        return Ok(false);
    }
    database.execute("INSERT INTO garbage_space VALUES ($1)", &[&under_way.from])?;
    database.execute(
        "UPDATE dataset SET (space, model, dimensions, document_prefix, query_prefix) =
            (SELECT space, model, dimensions, document_prefix, query_prefix FROM reembedding
             WHERE reembedding.dataset = dataset.no)
         WHERE no = $1",
        &[&under_way.dataset],
    )?;
    remove(database, &under_way)?;
    // Whoever embeds for this dataset does it with the old embedding.
    claims::release_dataset(database, under_way.dataset)?;
    Ok(true)
}

/// Gives up the move of a dataset. Whether there was one.
pub(crate) fn abandon(database: &mut Connection, id: &DatasetId) -> Result<bool, StoreError> {
    lock(database, id, "FOR UPDATE")?;
    let Some(under_way) = find(database, id)? else { return Ok(false) };
    database.execute("INSERT INTO garbage_space VALUES ($1)", &[&under_way.to])?;
    remove(database, &under_way)?;
    Ok(true)
}

fn remove(database: &mut Connection, under_way: &Move) -> Result<(), StoreError> {
    database.execute("DELETE FROM reembedding WHERE no = $1", &[&under_way.public.number])?;
    Ok(())
}

fn moved(row: &Row) -> Result<Move, StoreError> {
    let id: String = column(row, 0)?;
    Ok(Move {
        public: Reembedding {
            dataset: id.parse().map_err(|error| damaged("a dataset id", error))?,
            number: column(row, 1)?,
            embedding: embedding(row, 2)?,
        },
        dataset: column(row, 6)?,
        from: column(row, 7)?,
        to: column(row, 8)?,
    })
}
