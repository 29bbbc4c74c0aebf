//! What nothing refers to any more, deleted bit by bit: the chunks of deleted datasets, and vectors of embeddings that
//! are searched no more.

use rag_core::StoreError;

use crate::connection::{Connection, column};

/// Rows that are deleted by one statement.
const AT_ONCE: i64 = 2_000;
/// Documents that are looked after in one go.
const DOCUMENTS: i64 = 200;

/// Deletes some of it. Whether there was any.
pub(crate) fn collect(database: &mut Connection) -> Result<bool, StoreError> {
    let documents = collect_documents(database)?;
    let spaces = collect_space(database)?;
    Ok(documents || spaces)
}

fn collect_documents(database: &mut Connection) -> Result<bool, StoreError> {
    let rows = database.query("SELECT document FROM garbage_document LIMIT $1", &[&DOCUMENTS])?;
    let documents: Vec<i64> = rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
    if documents.is_empty() {
        return Ok(false);
    }
    let mut is_rid = true;
    for table in ["chunk", "chunk_terms", "chunk_vector"] {
        let deleted = database.execute(
            &format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                    SELECT ctid FROM {table} WHERE document = ANY($1) LIMIT $2))"
            ),
            &[&documents, &AT_ONCE],
        )?;
        is_rid &= deleted < AT_ONCE.cast_unsigned();
    }
    if is_rid {
        database.execute("DELETE FROM garbage_document WHERE document = ANY($1)", &[&documents])?;
    }
    Ok(true)
}

fn collect_space(database: &mut Connection) -> Result<bool, StoreError> {
    let Some(row) = database.first("SELECT space FROM garbage_space LIMIT 1", &[])? else {
        return Ok(false);
    };
    let space: i64 = column(&row, 0)?;
    let deleted = database.execute(
        "DELETE FROM chunk_vector WHERE space = $1 AND key = ANY(ARRAY(
            SELECT key FROM chunk_vector WHERE space = $1 LIMIT $2))",
        &[&space, &AT_ONCE],
    )?;
    if deleted < AT_ONCE.cast_unsigned() {
        database.execute("DELETE FROM garbage_space WHERE space = $1", &[&space])?;
    }
    Ok(true)
}
