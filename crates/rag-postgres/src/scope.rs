//! [`Scope`]: what of the database a filter lets through.

use rag_core::{ChunkFilter, DatasetId, DocumentId, PreparedFilter, StoreError};
use tokio_postgres::Row;

use crate::connection::{Connection, column, count, small};
use crate::filter_sql::{Parameters, condition};
use crate::graph;

/// Which chunks may be found.
pub(crate) struct Scope {
    pub(crate) datasets: Vec<ScopedDataset>,
    pub(crate) documents: Documents,
    /// Chunks that may be found.
    pub(crate) chunks: u64,
}

/// A dataset that is searched.
pub(crate) struct ScopedDataset {
    pub(crate) no: i64,
    /// Where its vectors are.
    pub(crate) space: i64,
    pub(crate) dimensions: u32,
    /// Whether there is an approximate index of its vectors.
    pub(crate) has_graph: bool,
}

/// Which documents may be found.
pub(crate) enum Documents {
    /// All but these, whose owners took them out.
    AllBut(Vec<i64>),
    /// Only these.
    Only(Vec<i64>),
}

impl Scope {
    pub(crate) fn of(database: &mut Connection, filter: &ChunkFilter) -> Result<Self, StoreError> {
        let metadata = filter.metadata.as_ref().map(|metadata| metadata.prepare()).transpose()?;
        let datasets = datasets(database, &filter.datasets)?;
        let numbers: Vec<i64> = datasets.iter().map(|dataset| dataset.no).collect();
        let documents = filter.documents.as_deref();
        let (documents, chunks) = if datasets.is_empty() {
            (Documents::Only(Vec::new()), 0)
        } else if documents.is_none() && metadata.is_none() {
            all(database, &numbers)?
        } else {
            some(database, numbers, documents, metadata.as_ref())?
        };
        Ok(Self { datasets, documents, chunks })
    }

    pub(crate) fn numbers(&self) -> Vec<i64> {
        self.datasets.iter().map(|dataset| dataset.no).collect()
    }

    /// The condition on a column of documents' numbers, with `AND` before it.
    pub(crate) fn condition(&self, document: &str, parameters: &mut Parameters) -> String {
        match &self.documents {
            Documents::AllBut(hidden) if hidden.is_empty() => String::new(),
            Documents::AllBut(hidden) => {
                let hidden = parameters.add(hidden.clone());
                format!(" AND NOT {document} = ANY({hidden}::bigint[])")
            }
            Documents::Only(documents) => {
                let documents = parameters.add(documents.clone());
                format!(" AND {document} = ANY({documents}::bigint[])")
            }
        }
    }
}

fn datasets(
    database: &mut Connection,
    ids: &[DatasetId],
) -> Result<Vec<ScopedDataset>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(DatasetId::as_str).collect();
    let sql = format!(
        "SELECT no, space, dimensions, EXISTS (SELECT 1 FROM pg_index
            WHERE indisvalid AND indexrelid = to_regclass('{}' || space))
         FROM dataset WHERE id = ANY($1) ORDER BY no",
        graph::NAME
    );
    let dataset = |row: &Row| {
        Ok(ScopedDataset {
            no: column(row, 0)?,
            space: column(row, 1)?,
            dimensions: small(row, 2)?,
            has_graph: column(row, 3)?,
        })
    };
    database.query(&sql, &[&ids])?.iter().map(dataset).collect()
}

fn all(database: &mut Connection, datasets: &[i64]) -> Result<(Documents, u64), StoreError> {
    let hidden = database
        .query("SELECT no FROM document WHERE dataset = ANY($1) AND disabled", &[&datasets])?;
    let hidden = hidden.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
    let chunks = database.one(
        "SELECT coalesce(sum(chunks), 0)::bigint FROM document
         WHERE dataset = ANY($1) AND NOT disabled",
        &[&datasets],
    )?;
    Ok((Documents::AllBut(hidden), count(&chunks, 0)?))
}

fn some(
    database: &mut Connection,
    datasets: Vec<i64>,
    documents: Option<&[DocumentId]>,
    metadata: Option<&PreparedFilter>,
) -> Result<(Documents, u64), StoreError> {
    let mut parameters = Parameters::new();
    let datasets = parameters.add(datasets);
    let mut sql = format!(
        "SELECT document.no, document.chunks FROM document
         WHERE document.dataset = ANY({datasets}::bigint[]) AND document.chunks > 0
            AND NOT document.disabled"
    );
    if let Some(documents) = documents {
        let ids: Vec<String> = documents.iter().map(|id| id.as_str().to_owned()).collect();
        sql += &format!(" AND document.id = ANY({}::text[])", parameters.add(ids));
    }
    if let Some(metadata) = metadata {
        sql += " AND ";
        sql += &condition(metadata, &datasets, &mut parameters);
    }
    let (mut numbers, mut chunks) = (Vec::new(), 0);
    for row in database.query(&sql, &parameters.values())? {
        numbers.push(column(&row, 0)?);
        chunks += count(&row, 1)?;
    }
    Ok((Documents::Only(numbers), chunks))
}
