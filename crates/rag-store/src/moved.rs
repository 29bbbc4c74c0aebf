//! Documents whose files have moved.

use std::path::{Path, PathBuf};

use rag_core::{DocumentSource, StoreError};
use rusqlite::{Connection, params};

use crate::embedded::EmbeddedStore;
use crate::failure::{damaged, database};

impl EmbeddedStore {
    /// Tells the documents whose files were below one folder that these are below another one now, under the same names. How
    /// many they are.
    ///
    /// # Errors
    /// The database's own.
    pub fn move_files(&self, from: &Path, to: &Path) -> Result<usize, StoreError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.inner.write(move |connection, _| moved(connection, &from, &to))
    }
}

fn moved(connection: &Connection, from: &Path, to: &Path) -> Result<usize, StoreError> {
    let mut places: Vec<(i64, PathBuf)> = Vec::new();
    let mut statement = connection
        .prepare("SELECT no, source FROM document WHERE source IS NOT NULL")
        .map_err(database)?;
    let mut rows = statement.query([]).map_err(database)?;
    while let Some(row) = rows.next().map_err(database)? {
        let (no, source): (i64, String) =
            (row.get(0).map_err(database)?, row.get(1).map_err(database)?);
        let Ok(DocumentSource::File { path }) = serde_json::from_str(&source) else { continue };
        if let Ok(rest) = path.strip_prefix(from) {
            places.push((no, to.join(rest)));
        }
    }
    for (no, path) in &places {
        let source = serde_json::to_string(&DocumentSource::File { path: path.clone() });
        let source = source.map_err(|error| damaged("the place of a file", error))?;
        connection
            .execute("UPDATE document SET source = ?2 WHERE no = ?1", params![no, source])
            .map_err(database)?;
    }
    Ok(places.len())
}
