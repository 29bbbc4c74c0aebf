//! Datasets in the database.

use rag_core::{
    Dataset, DatasetId, DatasetSettings, EmbeddingIdentity, StoreError, StoreErrorKind, TenantId,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::clock;
use crate::failure::{damaged, database};

const COLUMNS: &str =
    "id, tenant, name, model, dimensions, document_prefix, query_prefix, settings, created_at";

/// A dataset as the indexes know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexedDataset {
    pub(crate) id: DatasetId,
    /// Never used again once the dataset is gone.
    pub(crate) no: u32,
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
        .prepare("SELECT id, no, dimensions FROM dataset")
        .map_err(database)?
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))
        .map_err(database)?
        .map(|row| {
            let (id, no, dimensions) = row.map_err(database)?;
            let id = id.parse().map_err(|error| damaged("a dataset id", error))?;
            Ok(IndexedDataset { id, no, dimensions })
        })
        .collect()
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
    let indexed = IndexedDataset { id: dataset.id.clone(), no, dimensions: embedding.dimensions };
    Ok((dataset, Some(indexed)))
}

/// Removes a dataset with its documents and jobs; its chunks become garbage. Its number, if it existed.
pub(crate) fn delete(connection: &Connection, id: &DatasetId) -> Result<Option<u32>, StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO garbage SELECT version FROM document
             WHERE version > 0 AND dataset = (SELECT no FROM dataset WHERE id = ?1)",
        )
        .map_err(database)?
        .execute([id.as_str()])
        .map_err(database)?;
    connection
        .prepare_cached("DELETE FROM dataset WHERE id = ?1 RETURNING no")
        .map_err(database)?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
        .map_err(database)
}

fn insert(connection: &Connection, dataset: &Dataset) -> Result<u32, StoreError> {
    let settings = settings_column(&dataset.settings)?;
    connection
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
        .map_err(database)
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
            "dataset `{}` holds vectors of {} ({} numbers), not of {} ({}); use that model or another dataset",
            dataset.name, bound.model, bound.dimensions, wanted.model, wanted.dimensions
        ),
    ))
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
