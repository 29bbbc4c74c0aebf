//! What is known of documents besides their texts, value by value, as filters compare it.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use rag_core::{
    DatasetId, FieldValue, KnownField, Metadata, Scalar, ScalarKind, StoreError, StoreErrorKind,
};
use rustc_hash::{FxHashMap, FxHasher};
use tokio_postgres::Row;

use crate::connection::{Connection, column, count, storable};

/// Fields that are told of at most.
const MOST_FIELDS: usize = 10_000;

/// Replaces the values of a document.
pub(crate) fn replace(
    database: &mut Connection,
    document: i64,
    dataset: i64,
    metadata: &Metadata,
) -> Result<(), StoreError> {
    database.execute("DELETE FROM document_field WHERE document = $1", &[&document])?;
    let values: BTreeSet<(&str, Scalar)> = metadata
        .iter()
        .flat_map(|(name, value)| value.scalars().into_iter().map(|scalar| (name.as_str(), scalar)))
        .collect();
    if values.is_empty() {
        return Ok(());
    }
    let hashes: Vec<i64> = values.iter().map(|(name, _)| field_hash(name)).collect();
    let names: Vec<String> = values.iter().map(|(name, _)| storable(name)).collect();
    let kinds: Vec<i16> = values.iter().map(|(_, scalar)| kind(scalar)).collect();
    let keys: Vec<Option<String>> = values.iter().map(|(_, scalar)| scalar.sort_key()).collect();
    let texts: Vec<String> = values.iter().map(|(_, scalar)| storable(scalar.as_str())).collect();
    database.execute(
        "INSERT INTO document_field (document, dataset, field_hash, field, kind, key, value)
         SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::text[])",
        &[&document, &dataset, &hashes, &names, &kinds, &keys, &texts],
    )?;
    Ok(())
}

/// The number of a scalar's kind in the database, in their order.
pub(crate) fn kind(scalar: &Scalar) -> i16 {
    match scalar.scalar_kind() {
        ScalarKind::Number => 0,
        ScalarKind::Moment => 1,
        ScalarKind::Text => 2,
    }
}

/// Stands for a field's name in the database's index. The same in every process and version.
pub(crate) fn field_hash(name: &str) -> i64 {
    let mut hasher = FxHasher::default();
    storable(name).as_bytes().hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// The fields that documents of these datasets have, with the values that most of them have.
pub(crate) fn known(
    database: &mut Connection,
    datasets: &[DatasetId],
    most_values: usize,
) -> Result<Vec<KnownField>, StoreError> {
    let ids: Vec<&str> = datasets.iter().map(DatasetId::as_str).collect();
    let fields = database.query(
        "SELECT field, sum(documents)::bigint, max(distinct_values)
         FROM (SELECT f.dataset, f.field, count(DISTINCT f.document) AS documents,
                      count(DISTINCT (f.kind, f.key, f.value)) AS distinct_values
               FROM document_field AS f JOIN document ON document.no = f.document
                    JOIN dataset ON dataset.no = f.dataset
               WHERE dataset.id = ANY($1) AND document.is_complete
               GROUP BY f.dataset, f.field) AS of_dataset
         GROUP BY field ORDER BY field LIMIT $2",
        &[&ids, &(MOST_FIELDS as i64 + 1)],
    )?;
    if fields.len() > MOST_FIELDS {
        return Err(StoreError::new(
            StoreErrorKind::Full,
            format!("the documents have more than {MOST_FIELDS} fields"),
        ));
    }
    let values = database.query(
        "SELECT field, value, documents
         FROM (SELECT f.field, f.kind, f.key, f.value, count(*) AS documents,
                      row_number() OVER (PARTITION BY f.field
                          ORDER BY count(*) DESC, f.kind, f.key, f.value) AS rank
               FROM document_field AS f JOIN document ON document.no = f.document
                    JOIN dataset ON dataset.no = f.dataset
               WHERE dataset.id = ANY($1) AND document.is_complete
               GROUP BY f.field, f.kind, f.key, f.value) AS counted
         WHERE rank <= $2 ORDER BY field, rank",
        &[&ids, &i64::try_from(most_values).unwrap_or(i64::MAX)],
    )?;
    gathered(&fields, &values)
}

fn gathered(fields: &[Row], values: &[Row]) -> Result<Vec<KnownField>, StoreError> {
    let mut of_field: FxHashMap<&str, Vec<FieldValue>> = FxHashMap::default();
    for row in values {
        let value = FieldValue { value: column(row, 1)?, documents: count(row, 2)? };
        of_field.entry(column(row, 0)?).or_default().push(value);
    }
    let field = |row: &Row| {
        let name: &str = column(row, 0)?;
        let values = of_field.remove(name).unwrap_or_default();
        let (documents, distinct) = (count(row, 1)?, count(row, 2)?);
        Ok(KnownField { name: name.to_owned(), documents, distinct, values })
    };
    fields.iter().map(field).collect()
}
