//! Approximate indexes of vectors: one for each set of vectors that is large enough.

use rag_core::StoreError;

use crate::connection::{Connection, column};

/// What the indexes' names begin with; the number of the set of vectors follows.
pub(crate) const NAME: &str = "chunk_vector_graph_";
/// More numbers of a vector than an index takes.
pub(crate) const MOST_DIMENSIONS: u32 = 4000;

/// Makes one index that is missing, for a set of more than `exact_chunks` vectors, and removes those of sets that are
/// gone. Takes minutes; searches and writers go on meanwhile.
pub(crate) fn keep_up(database: &mut Connection, exact_chunks: u64) -> Result<(), StoreError> {
    for name in superfluous(database)? {
        database.batch_of_any_length(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))?;
    }
    let missing = database.first(
        &format!(
            "SELECT space, dimensions FROM dataset
             WHERE dimensions <= $2
                AND (SELECT sum(chunks) FROM document WHERE document.dataset = dataset.no) > $1::bigint
                AND to_regclass('{NAME}' || space) IS NULL
             ORDER BY no LIMIT 1"
        ),
        &[&i64::try_from(exact_chunks).unwrap_or(i64::MAX), &i64::from(MOST_DIMENSIONS)],
    )?;
    let Some(row) = missing else { return Ok(()) };
    let (space, dimensions): (i64, i64) = (column(&row, 0)?, column(&row, 1)?);
    tracing::info!(space, "making an approximate index of vectors");
    database.batch_of_any_length(&format!(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS {NAME}{space} ON chunk_vector
         USING hnsw ((value::halfvec({dimensions})) halfvec_ip_ops) WHERE space = {space}"
    ))
}

/// Indexes of sets that no dataset has any more, and those that were not made to the end.
fn superfluous(database: &mut Connection) -> Result<Vec<String>, StoreError> {
    let rows = database.query(
        "SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE indrelid = 'chunk_vector'::regclass AND starts_with(relname, $1)
            AND (NOT indisvalid OR NOT EXISTS
                (SELECT 1 FROM dataset WHERE relname = $1 || space))",
        &[&NAME],
    )?;
    rows.iter().map(|row| column(row, 0)).collect()
}
