//! Datasets in the database.

use rag_core::{
    Dataset, DatasetId, DatasetSettings, DatasetTotals, EmbeddingIdentity, StoreError, StoreStats,
    TenantId,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::connection::{Connection, column, count, small, storable};
use crate::failure::{damaged, is_taken, mismatch, not_found, occupied};

const SELECT: &str = "SELECT id, tenant, name, model, dimensions, document_prefix, query_prefix,
    settings, created_at FROM dataset";

pub(crate) fn find(
    database: &mut Connection,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Dataset>, StoreError> {
    let sql = format!("{SELECT} WHERE tenant = $1 AND name = $2");
    database.first(&sql, &[&tenant.as_str(), &storable(name)])?.as_ref().map(dataset).transpose()
}

pub(crate) fn find_by_id(
    database: &mut Connection,
    tenant: &TenantId,
    id: &DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    let sql = format!("{SELECT} WHERE tenant = $1 AND id = $2");
    database.first(&sql, &[&tenant.as_str(), &id.as_str()])?.as_ref().map(dataset).transpose()
}

pub(crate) fn list(
    database: &mut Connection,
    tenant: &TenantId,
) -> Result<Vec<Dataset>, StoreError> {
    let sql = format!("{SELECT} WHERE tenant = $1 ORDER BY name");
    database.query(&sql, &[&tenant.as_str()])?.iter().map(dataset).collect()
}

/// The dataset of that name, made if there is none.
pub(crate) fn ensure(
    database: &mut Connection,
    tenant: &TenantId,
    name: &str,
    embedding: &EmbeddingIdentity,
    settings: &DatasetSettings,
) -> Result<Dataset, StoreError> {
    let id: DatasetId = new_id()?;
    database.execute(
        "INSERT INTO dataset (id, tenant, name, model, dimensions, document_prefix, query_prefix,
                              settings, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, colloquy_now())
         ON CONFLICT (tenant, name) DO NOTHING",
        &[
            &id.as_str(),
            &tenant.as_str(),
            &storable(name),
            &embedding.model,
            &i64::from(embedding.dimensions),
            &embedding.document_prefix,
            &embedding.query_prefix,
            &settings_column(settings)?,
        ],
    )?;
    let dataset = find(database, tenant, name)?
        .ok_or_else(|| not_found(format!("dataset `{name}` was deleted meanwhile")))?;
    check_embedding(&dataset, embedding)?;
    Ok(dataset)
}

/// Removes a dataset with its documents and jobs; its chunks become garbage. Whether it existed.
pub(crate) fn delete(database: &mut Connection, id: &DatasetId) -> Result<bool, StoreError> {
    let known = database
        .first("SELECT no, space FROM dataset WHERE id = $1 FOR UPDATE", &[&id.as_str()])?;
    let Some(row) = known else { return Ok(false) };
    let (no, space): (i64, i64) = (column(&row, 0)?, column(&row, 1)?);
    database.execute("INSERT INTO garbage_space VALUES ($1)", &[&space])?;
    database.execute(
        "INSERT INTO garbage_space SELECT space FROM reembedding WHERE dataset = $1",
        &[&no],
    )?;
    // Whoever completes one of these now is waited for, and what it leaves is garbage, too.
    database.query("SELECT no FROM document WHERE dataset = $1 ORDER BY no FOR UPDATE", &[&no])?;
    database.execute(
        "INSERT INTO garbage_document SELECT no FROM document WHERE dataset = $1",
        &[&no],
    )?;
    database.execute("DELETE FROM dataset WHERE no = $1", &[&no])?;
    Ok(true)
}

/// Changes a dataset's settings.
pub(crate) fn update(
    database: &mut Connection,
    id: &DatasetId,
    settings: &DatasetSettings,
) -> Result<(), StoreError> {
    let settings = settings_column(settings)?;
    let sql = "UPDATE dataset SET settings = $2 WHERE id = $1";
    found(database.execute(sql, &[&id.as_str(), &settings])?, id)
}

/// Calls a dataset otherwise.
pub(crate) fn rename(
    database: &mut Connection,
    id: &DatasetId,
    name: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE dataset SET name = $2 WHERE id = $1";
    let renamed = database.execute(sql, &[&id.as_str(), &storable(name)]);
    let renamed = renamed.map_err(|error| match is_taken(&error) {
        true => occupied(format!("there is a dataset `{name}` already")),
        false => error,
    });
    found(renamed?, id)
}

fn found(changed: u64, id: &DatasetId) -> Result<(), StoreError> {
    match changed {
        0 => Err(not_found(format!("there is no dataset {id}"))),
        _ => Ok(()),
    }
}

/// How much a dataset holds.
pub(crate) fn totals(
    database: &mut Connection,
    id: &DatasetId,
) -> Result<DatasetTotals, StoreError> {
    let row = database.one(
        "SELECT count(*), coalesce(sum(chunks), 0)::bigint, coalesce(sum(tokens), 0)::bigint,
                coalesce(max(updated_at), 0)
         FROM document WHERE dataset = (SELECT no FROM dataset WHERE id = $1)",
        &[&id.as_str()],
    )?;
    Ok(DatasetTotals {
        documents: count(&row, 0)?,
        chunks: count(&row, 1)?,
        tokens: count(&row, 2)?,
        updated_at: column(&row, 3)?,
    })
}

/// How much is stored.
pub(crate) fn stats(database: &mut Connection) -> Result<StoreStats, StoreError> {
    let row = database.one(
        "SELECT (SELECT count(*) FROM dataset), (SELECT count(*) FROM document),
                (SELECT coalesce(sum(chunks), 0)::bigint FROM document), (SELECT count(*) FROM job)",
        &[],
    )?;
    Ok(StoreStats {
        datasets: count(&row, 0)?,
        documents: count(&row, 1)?,
        chunks: count(&row, 2)?,
        pending_jobs: count(&row, 3)?,
    })
}

fn settings_column(settings: &DatasetSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|error| damaged("a dataset's settings", error))
}

fn check_embedding(dataset: &Dataset, wanted: &EmbeddingIdentity) -> Result<(), StoreError> {
    let bound = &dataset.embedding;
    if bound == wanted {
        return Ok(());
    }
    Err(mismatch(format!(
        "dataset `{}` holds vectors of {}, not of {}; use that, or another dataset, or move this one by `api-server \
         reembed`",
        dataset.name,
        described(bound),
        described(wanted)
    )))
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

fn dataset(row: &Row) -> Result<Dataset, StoreError> {
    let text = |at: usize| column::<String>(row, at);
    Ok(Dataset {
        id: text(0)?.parse().map_err(|error| damaged("a dataset id", error))?,
        tenant: text(1)?.parse().map_err(|error| damaged("a tenant id", error))?,
        name: text(2)?,
        embedding: embedding(row, 3)?,
        settings: serde_json::from_str(&text(7)?)
            .map_err(|error| damaged("a dataset's settings", error))?,
        created_at: column(row, 8)?,
    })
}

/// An embedding from four columns: model, dimensions, prefixes of documents and of questions.
pub(crate) fn embedding(row: &Row, at: usize) -> Result<EmbeddingIdentity, StoreError> {
    Ok(EmbeddingIdentity {
        model: column(row, at)?,
        dimensions: small(row, at + 1)?,
        document_prefix: column(row, at + 2)?,
        query_prefix: column(row, at + 3)?,
    })
}

/// An identifier that nothing else has, ascending in time.
pub(crate) fn new_id<I>() -> Result<I, StoreError>
where
    I: TryFrom<String, Error = rag_core::InvalidId>,
{
    I::try_from(Uuid::now_v7().simple().to_string()).map_err(|error| damaged("an id", error))
}
