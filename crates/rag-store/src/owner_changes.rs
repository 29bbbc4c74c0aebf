//! What owners change of their documents, in the database.

use rag_core::{DocumentChange, DocumentId, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::clock;
use crate::failure::{damaged, database, occupied};
use crate::snapshot::Change;

/// Changes a document. `None`: there is none; else what changed for searches, if anything.
pub(crate) fn apply(
    connection: &Connection,
    id: &DocumentId,
    change: &DocumentChange,
) -> Result<Option<Option<Change>>, StoreError> {
    let known: Option<(i64, u32)> = connection
        .prepare_cached("SELECT no, dataset FROM document WHERE id = ?1")
        .map_err(database)?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(database)?;
    let Some((no, dataset)) = known else { return Ok(None) };
    if let Some(name) = &change.name {
        rename(connection, no, dataset, name)?;
    }
    if let Some(chunking) = &change.chunking {
        let column = chunking.as_ref().map(serde_json::to_string).transpose();
        let column = column.map_err(|error| damaged("chunking options", error))?;
        set(connection, "chunking", no, column)?;
    }
    let Some(is_hidden) = change.disabled else { return Ok(Some(None)) };
    set(connection, "disabled", no, is_hidden)?;
    let document = no.cast_unsigned();
    Ok(Some(Some(Change::Hidden { dataset, document, is_hidden })))
}

fn rename(connection: &Connection, no: i64, dataset: u32, name: &str) -> Result<(), StoreError> {
    let taken: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM document WHERE dataset = ?1 AND name = ?2 AND no <> ?3)",
        )
        .map_err(database)?
        .query_row(params![dataset, name, no], |row| row.get(0))
        .map_err(database)?;
    match taken {
        true => Err(occupied(format!("the dataset has a document `{name}` already"))),
        false => set(connection, "name", no, name),
    }
}

fn set(
    connection: &Connection,
    column: &str,
    no: i64,
    value: impl rusqlite::ToSql,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "UPDATE document SET {column} = ?2, updated_at = ?3 WHERE no = ?1"
        ))
        .map_err(database)?
        .execute(params![no, value, clock::now()])
        .map_err(database)?;
    Ok(())
}
