//! Documents that their owners took out of searches.

use std::sync::{PoisonError, RwLock};

use rag_core::StoreError;
use roaring::RoaringBitmap;
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use crate::document_set::small;
use crate::failure::database;
use crate::snapshot::Change;

/// The hidden documents by the number of their dataset in the database. Numbers of documents are never used again, so
/// those of documents that are gone do no harm.
#[derive(Debug, Default)]
pub(crate) struct Hidden(RwLock<FxHashMap<u32, RoaringBitmap>>);

impl Hidden {
    /// Those that the database knows.
    pub(crate) fn read(connection: &Connection) -> Result<Self, StoreError> {
        let mut by_dataset: FxHashMap<u32, RoaringBitmap> = FxHashMap::default();
        let mut select = connection
            .prepare("SELECT dataset, no FROM document WHERE disabled")
            .map_err(database)?;
        let mut rows = select.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            let document = row.get::<_, i64>(1).map_err(database)?.cast_unsigned();
            let dataset = row.get(0).map_err(database)?;
            by_dataset.entry(dataset).or_default().insert(small(document)?);
        }
        Ok(Self(RwLock::new(by_dataset)))
    }

    /// Takes committed changes into account.
    pub(crate) fn apply_all(&self, changes: &[Change]) {
        for change in changes {
            let all = || self.0.write().unwrap_or_else(PoisonError::into_inner);
            match change {
                Change::Hidden { dataset, document, is_hidden } => {
                    let Ok(document) = small(*document) else { continue };
                    let mut all = all();
                    let hidden = all.entry(*dataset).or_default();
                    match is_hidden {
                        true => hidden.insert(document),
                        false => hidden.remove(document),
                    };
                }
                Change::DatasetGone(dataset) => {
                    all().remove(&dataset.row);
                }
                _ => {}
            }
        }
    }

    /// The hidden documents of these datasets.
    pub(crate) fn of(&self, datasets: impl Iterator<Item = u32>) -> RoaringBitmap {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut hidden = RoaringBitmap::new();
        for of_one in datasets.filter_map(|dataset| all.get(&dataset)) {
            hidden |= of_one;
        }
        hidden
    }
}
