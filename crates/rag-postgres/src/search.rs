//! Answers a [`SearchQuery`] from one state of the database.

use rag_core::{ChunkHit, SearchQuery, SearchResults, StoreError};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::connection::{Connection, column};
use crate::failure::{damaged, mismatch};
use crate::pg_vector::PgVector;
use crate::scope::{Scope, ScopedDataset};
use crate::statistics::Statistics;
use crate::text_search::TextMatches;
use crate::{text_search, vector_search};

/// More hits than this are not given.
const MOST_HITS: usize = 16_384;

pub(crate) fn search(
    database: &mut Connection,
    statistics: &Statistics,
    exact_chunks: u64,
    query: &SearchQuery,
) -> Result<SearchResults, StoreError> {
    let scope = Scope::of(database, &query.filter)?;
    let vector = query.vector.as_deref().map(PgVector::normalised);
    if let Some(vector) = &vector {
        check_dimensions(vector, &scope.datasets)?;
    }
    let limit = query.limit.min(MOST_HITS);
    if scope.chunks == 0 || limit == 0 {
        return Ok(SearchResults::default());
    }
    let matching = match &query.text {
        Some(text) => {
            text_search::search(database, statistics, &scope, text, query.phrases, limit)?
        }
        None => TextMatches::default(),
    };
    let near = match (&vector, &matching.admitted) {
        (None, _) => Vec::new(),
        (Some(vector), None) => {
            vector_search::search(database, &scope, vector, exact_chunks, limit)?
        }
        (Some(vector), Some(admitted)) => {
            vector_search::among(database, &scope, vector, admitted, limit)?
        }
    };
    let rest = match &vector {
        Some(vector) => remaining_cosines(database, &scope, vector, &matching.hits, &near)?,
        None => Vec::new(),
    };
    let ids = ids(database, [&matching.hits, &near, &rest])?;
    Ok(SearchResults {
        text: hits(&ids, matching.hits)?,
        text_ceiling: matching.ceiling,
        vector: hits(&ids, near)?,
        remaining_cosines: hits(&ids, rest)?,
    })
}

fn check_dimensions(vector: &PgVector, datasets: &[ScopedDataset]) -> Result<(), StoreError> {
    let length = vector.dimensions();
    match datasets.iter().find(|dataset| dataset.dimensions as usize != length) {
        None => Ok(()),
        Some(dataset) => Err(mismatch(format!(
            "the question's vector has {length} numbers, the dataset's have {}; embed it with the dataset's model",
            dataset.dimensions
        ))),
    }
}

/// The cosines of the chunks that only the text search found.
fn remaining_cosines(
    database: &mut Connection,
    scope: &Scope,
    vector: &PgVector,
    matching: &[(f32, i64)],
    near: &[(f32, i64)],
) -> Result<Vec<(f32, i64)>, StoreError> {
    let near: FxHashSet<i64> = near.iter().map(|(_, key)| *key).collect();
    let missing = matching.iter().map(|(_, key)| *key).filter(|key| !near.contains(key));
    let missing: Vec<i64> = missing.collect();
    vector_search::among(database, scope, vector, &missing, missing.len())
}

/// The chunks' ids by key.
fn ids(
    database: &mut Connection,
    found: [&Vec<(f32, i64)>; 3],
) -> Result<FxHashMap<i64, String>, StoreError> {
    let mut keys: Vec<i64> = found.into_iter().flatten().map(|(_, key)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    let rows = database.query("SELECT key, id FROM chunk WHERE key = ANY($1)", &[&keys])?;
    rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
}

/// The chunks by id, best first, ties by id.
fn hits(ids: &FxHashMap<i64, String>, found: Vec<(f32, i64)>) -> Result<Vec<ChunkHit>, StoreError> {
    let with_id = found.into_iter().filter_map(|(score, key)| Some((score, ids.get(&key)?)));
    let mut hits = with_id
        .map(|(score, id)| {
            let chunk = id.parse().map_err(|error| damaged("a chunk id", error))?;
            Ok(ChunkHit { chunk, score })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
    Ok(hits)
}
