//! Datasets in the database.

use rag_core::{
    Dataset, DatasetId, DatasetSettings, DatasetTotals, EmbeddingIdentity, StoreError,
    StoreErrorKind, TenantId,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::failure::{damaged, database, not_found, occupied};
use crate::{clock, documents};

const COLUMNS: &str =
    "id, tenant, name, model, dimensions, document_prefix, query_prefix, settings, created_at";

/// A dataset as the indexes know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexedDataset {
    pub(crate) id: DatasetId,
    /// Its number in the indexes, another one when it has moved to another embedding. Never used again once the
    /// dataset is gone or has moved.
    pub(crate) no: u32,
    /// Its number in the database.
    pub(crate) row: u32,
    pub(crate) dimensions: u32,
}

pub(crate) fn find(
    connection: &Connection,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Dataset>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM dataset WHERE tenant = ?1 AND name = ?2"))
        .map_err(database)?
        .query_row(params![tenant.as_str(), name], |row| Ok(dataset(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn find_by_id(
    connection: &Connection,
    tenant: &TenantId,
    id: &DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM dataset WHERE tenant = ?1 AND id = ?2"))
        .map_err(database)?
        .query_row([tenant.as_str(), id.as_str()], |row| Ok(dataset(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

pub(crate) fn list(connection: &Connection, tenant: &TenantId) -> Result<Vec<Dataset>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM dataset WHERE tenant = ?1 ORDER BY name"))
        .map_err(database)?
        .query_map([tenant.as_str()], |row| Ok(dataset(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

/// All datasets of all tenants.
pub(crate) fn indexed(connection: &Connection) -> Result<Vec<IndexedDataset>, StoreError> {
    connection
        .prepare("SELECT id, index_no, no, dimensions FROM dataset")
        .map_err(database)?
        .query_map([], |row| Ok(indexed_dataset(row)))
        .map_err(database)?
        .map(|row| row.map_err(database)?)
        .collect()
}

/// One dataset as the indexes know it, if it exists.
pub(crate) fn find_indexed(
    connection: &Connection,
    id: &DatasetId,
) -> Result<Option<IndexedDataset>, StoreError> {
    connection
        .prepare_cached("SELECT id, index_no, no, dimensions FROM dataset WHERE id = ?1")
        .map_err(database)?
        .query_row([id.as_str()], |row| Ok(indexed_dataset(row)))
        .optional()
        .map_err(database)?
        .transpose()
}

fn indexed_dataset(row: &Row<'_>) -> Result<IndexedDataset, StoreError> {
    let id: String = row.get(0).map_err(database)?;
    Ok(IndexedDataset {
        id: id.parse().map_err(|error| damaged("a dataset id", error))?,
        no: row.get(1).map_err(database)?,
        row: row.get(2).map_err(database)?,
        dimensions: row.get(3).map_err(database)?,
    })
}

/// The dataset of that name, and whether it was made just now.
pub(crate) fn ensure(
    connection: &Connection,
    tenant: &TenantId,
    name: &str,
    embedding: &EmbeddingIdentity,
    settings: &DatasetSettings,
) -> Result<(Dataset, Option<IndexedDataset>), StoreError> {
    if let Some(existing) = find(connection, tenant, name)? {
        check_embedding(&existing, embedding)?;
        return Ok((existing, None));
    }
    let dataset = Dataset {
        id: new_id()?,
        tenant: tenant.clone(),
        name: name.to_owned(),
        embedding: embedding.clone(),
        settings: settings.clone(),
        created_at: clock::now(),
    };
    let no = insert(connection, &dataset)?;
    let (id, dimensions) = (dataset.id.clone(), embedding.dimensions);
    let indexed = IndexedDataset { id, no, row: no, dimensions };
    Ok((dataset, Some(indexed)))
}

/// Removes a dataset with its documents and jobs; its chunks become garbage. What it was, if it existed.
pub(crate) fn delete(
    connection: &Connection,
    id: &DatasetId,
) -> Result<Option<IndexedDataset>, StoreError> {
    let Some(dataset) = find_indexed(connection, id)? else { return Ok(None) };
    documents::discard_all(connection, dataset.row)?;
    connection
        .prepare_cached("DELETE FROM dataset WHERE no = ?1")
        .map_err(database)?
        .execute([dataset.row])
        .map_err(database)?;
    Ok(Some(dataset))
}

fn insert(connection: &Connection, dataset: &Dataset) -> Result<u32, StoreError> {
    let settings = settings_column(&dataset.settings)?;
    let no = connection
        .prepare_cached(&format!(
            "INSERT INTO dataset ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING no"
        ))
        .map_err(database)?
        .query_row(
            params![
                dataset.id.as_str(),
                dataset.tenant.as_str(),
                dataset.name,
                dataset.embedding.model,
                dataset.embedding.dimensions,
                dataset.embedding.document_prefix,
                dataset.embedding.query_prefix,
                settings,
                dataset.created_at,
            ],
            |row| row.get(0),
        )
        .map_err(database)?;
    connection
        .prepare_cached("UPDATE dataset SET index_no = no WHERE no = ?1")
        .map_err(database)?
        .execute([no])
        .map_err(database)?;
    Ok(no)
}

/// Changes a dataset's settings. Whether it exists.
pub(crate) fn update(
    connection: &Connection,
    id: &DatasetId,
    settings: &DatasetSettings,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached("UPDATE dataset SET settings = ?2 WHERE id = ?1")
        .map_err(database)?
        .execute(params![id.as_str(), settings_column(settings)?])
        .map_err(database)?;
    Ok(changed > 0)
}

/// How much a dataset holds.
pub(crate) fn totals(connection: &Connection, id: &DatasetId) -> Result<DatasetTotals, StoreError> {
    connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(chunks), 0), coalesce(sum(tokens), 0),
                    coalesce(max(updated_at), 0)
             FROM document WHERE dataset = (SELECT no FROM dataset WHERE id = ?1)",
        )
        .map_err(database)?
        .query_row([id.as_str()], |row| {
            let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(DatasetTotals {
                documents: count(0)?,
                chunks: count(1)?,
                tokens: count(2)?,
                updated_at: row.get(3)?,
            })
        })
        .map_err(database)
}

/// Calls a dataset otherwise.
pub(crate) fn rename(
    connection: &Connection,
    id: &DatasetId,
    name: &str,
) -> Result<(), StoreError> {
    let taken: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM dataset JOIN dataset AS renamed
                ON renamed.tenant = dataset.tenant AND renamed.no <> dataset.no
             WHERE renamed.id = ?1 AND dataset.name = ?2)",
        )
        .map_err(database)?
        .query_row([id.as_str(), name], |row| row.get(0))
        .map_err(database)?;
    if taken {
        return Err(occupied(format!("there is a dataset `{name}` already")));
    }
    let renamed = connection
        .prepare_cached("UPDATE dataset SET name = ?2 WHERE id = ?1")
        .map_err(database)?
        .execute([id.as_str(), name])
        .map_err(database)?;
    match renamed {
        0 => Err(not_found(format!("there is no dataset {id}"))),
        _ => Ok(()),
    }
}

fn settings_column(settings: &DatasetSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|error| damaged("a dataset's settings", error))
}

fn check_embedding(dataset: &Dataset, wanted: &EmbeddingIdentity) -> Result<(), StoreError> {
    let bound = &dataset.embedding;
    if bound == wanted {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::EmbeddingMismatch,
        format!(
            "dataset `{}` holds vectors of {}, not of {}; use that, or another dataset, or move this one by `api-server reembed`",
            dataset.name,
            described(bound),
            described(wanted)
        ),
    ))
}

/// An identity in words.
pub(crate) fn described(embedding: &EmbeddingIdentity) -> String {
    let EmbeddingIdentity { model, dimensions, document_prefix, query_prefix } = embedding;
    match (document_prefix.is_empty(), query_prefix.is_empty()) {
        (true, true) => format!("{model} ({dimensions} numbers)"),
        _ => format!(
            "{model} ({dimensions} numbers, prefixes `{document_prefix}` and `{query_prefix}`)"
        ),
    }
}

/// A dataset from the columns of [`COLUMNS`].
fn dataset(row: &Row<'_>) -> Result<Dataset, StoreError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(database);
    Ok(Dataset {
        id: text(0)?.parse().map_err(|error| damaged("a dataset id", error))?,
        tenant: text(1)?.parse().map_err(|error| damaged("a tenant id", error))?,
        name: text(2)?,
        embedding: EmbeddingIdentity {
            model: text(3)?,
            dimensions: row.get(4).map_err(database)?,
            document_prefix: text(5)?,
            query_prefix: text(6)?,
        },
        settings: serde_json::from_str(&text(7)?)
            .map_err(|error| damaged("a dataset's settings", error))?,
        created_at: row.get(8).map_err(database)?,
    })
}

/// An identifier that nothing else has, ascending in time.
pub(crate) fn new_id<I>() -> Result<I, StoreError>
where
    I: TryFrom<String, Error = rag_core::InvalidId>,
{
    I::try_from(Uuid::now_v7().simple().to_string()).map_err(|error| damaged("an id", error))
}
