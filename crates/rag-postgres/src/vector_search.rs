//! Vector search: exact over what is not much, by an approximate index and exact scores over what is.

use rag_core::StoreError;
use tokio_postgres::Row;

use crate::connection::{Connection, column};
use crate::filter_sql::Parameters;
use crate::pg_vector::PgVector;
use crate::scope::{Scope, ScopedDataset};

/// Candidates of an approximate index for each hit asked for, and besides.
const CANDIDATES_PER_HIT: usize = 3;
const MORE_CANDIDATES: usize = 40;
/// How many neighbours an approximate index keeps in sight, for each candidate and at most.
const SIGHT_PER_CANDIDATE: usize = 2;
const MOST_SIGHT: usize = 1000;

/// The chunks nearest to the question, nearest first, of up to `exact_chunks` all are compared.
pub(crate) fn search(
    database: &mut Connection,
    scope: &Scope,
    vector: &PgVector,
    exact_chunks: u64,
    limit: usize,
) -> Result<Vec<(f32, i64)>, StoreError> {
    let by_graph = |dataset: &&ScopedDataset| dataset.has_graph && scope.chunks > exact_chunks;
    let (graphs, exact): (Vec<_>, Vec<_>) = scope.datasets.iter().partition(by_graph);
    let mut found = Vec::new();
    if !exact.is_empty() {
        let spaces = exact.iter().map(|dataset| dataset.space).collect();
        found.extend(nearest(database, scope, vector, spaces, limit)?);
    }
    for dataset in graphs {
        found.extend(near_in_graph(database, scope, vector, dataset, limit)?);
    }
    found.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.cmp(y)));
    found.truncate(limit);
    Ok(found)
}

fn nearest(
    database: &mut Connection,
    scope: &Scope,
    vector: &PgVector,
    spaces: Vec<i64>,
    limit: usize,
) -> Result<Vec<(f32, i64)>, StoreError> {
    let mut parameters = Parameters::new();
    let vector = parameters.add(vector.clone());
    let spaces = parameters.add(spaces);
    let documents = scope.condition("v.document", &mut parameters);
    let limit = parameters.add(limit as i64);
    let sql = format!(
        "SELECT v.key, v.value <#> {vector}::vector AS distance FROM chunk_vector AS v
         WHERE v.space = ANY({spaces}::bigint[]){documents} ORDER BY distance, v.key LIMIT {limit}"
    );
    database.query(&sql, &parameters.values())?.iter().map(near).collect()
}

fn near_in_graph(
    database: &mut Connection,
    scope: &Scope,
    vector: &PgVector,
    dataset: &ScopedDataset,
    limit: usize,
) -> Result<Vec<(f32, i64)>, StoreError> {
    let candidates = limit.saturating_mul(CANDIDATES_PER_HIT).saturating_add(MORE_CANDIDATES);
    let sight = candidates.saturating_mul(SIGHT_PER_CANDIDATE).min(MOST_SIGHT);
    // Where a filter leaves few of the neighbours, the index goes on looking.
    database.batch(&format!(
        "SET LOCAL hnsw.ef_search = {sight}; SET LOCAL hnsw.iterative_scan = relaxed_order"
    ))?;
    let mut parameters = Parameters::new();
    let vector = parameters.add(vector.clone());
    let documents = scope.condition("v.document", &mut parameters);
    let candidates = parameters.add(i64::try_from(candidates).unwrap_or(i64::MAX));
    let limit = parameters.add(limit as i64);
    let ScopedDataset { space, dimensions, .. } = dataset;
    let sql = format!(
        "SELECT near.key, near.value <#> {vector}::vector AS distance
         FROM (SELECT v.key, v.value FROM chunk_vector AS v WHERE v.space = {space}{documents}
               ORDER BY v.value::halfvec({dimensions})
                   <#> {vector}::vector::halfvec({dimensions}) LIMIT {candidates}) AS near
         ORDER BY distance, near.key LIMIT {limit}"
    );
    database.query(&sql, &parameters.values())?.iter().map(near).collect()
}

/// The nearest of these chunks, which may all be found; or the cosines of all of them.
pub(crate) fn among(
    database: &mut Connection,
    scope: &Scope,
    vector: &PgVector,
    keys: &[i64],
    limit: usize,
) -> Result<Vec<(f32, i64)>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let spaces: Vec<i64> = scope.datasets.iter().map(|dataset| dataset.space).collect();
    let rows = database.query(
        "SELECT v.key, v.value <#> $1::vector AS distance FROM chunk_vector AS v
         WHERE v.space = ANY($2) AND v.key = ANY($3) ORDER BY distance, v.key LIMIT $4",
        &[vector, &spaces, &keys, &(limit as i64)],
    )?;
    rows.iter().map(near).collect()
}

/// A chunk and its cosine, which is the inner product of vectors of length 1.
fn near(row: &Row) -> Result<(f32, i64), StoreError> {
    let distance: f64 = column(row, 1)?;
    Ok((-distance as f32, column(row, 0)?))
}
