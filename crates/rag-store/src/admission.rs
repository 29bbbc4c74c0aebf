//! Which documents a filter lets through.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rag_core::{ChunkFilter, KnownField, PreparedFilter, StoreError, StoreErrorKind};
use roaring::RoaringBitmap;
use rusqlite::Connection;

use crate::document_set::{DocumentSet, small};
use crate::documents;
use crate::hidden::Hidden;
use crate::metadata_index::{MetadataIndex, too_large};
use crate::metadata_indexes::MetadataIndexes;
use crate::readers::Readers;
use crate::snapshot::Snapshot;

/// Values that are counted of each dataset besides those that are told, so that what is frequent in all is seen.
const MORE_VALUES: usize = 1_000;

/// Decides which documents may be found.
#[derive(Clone, Copy)]
pub(crate) struct Admission<'a> {
    pub(crate) readers: &'a Readers,
    pub(crate) metadata: &'a MetadataIndexes,
    pub(crate) hidden: &'a Hidden,
}

impl Admission<'_> {
    /// The documents of the snapshot's datasets that a filter lets through and their owners did not take out of searches,
    /// and maybe some of other datasets; `None`: all.
    pub(crate) fn of(
        self,
        filter: &ChunkFilter,
        snapshot: &Snapshot,
    ) -> Result<Option<DocumentSet>, StoreError> {
        let hidden = self.hidden.of(snapshot.datasets.iter().map(|dataset| dataset.row));
        Ok(match self.passing(filter, snapshot)? {
            Some(passing) => Some((passing - hidden).into()),
            None if hidden.is_empty() => None,
            None => Some(DocumentSet::AllBut(hidden)),
        })
    }

    /// Those that the filter lets through; `None`: all.
    fn passing(
        self,
        filter: &ChunkFilter,
        snapshot: &Snapshot,
    ) -> Result<Option<RoaringBitmap>, StoreError> {
        let prepared = filter.metadata.as_ref().map(|filter| filter.prepare()).transpose()?;
        let named = match &filter.documents {
            Some(ids) => Some(self.readers.read(|connection| documents::numbers(connection, ids))?),
            None => None,
        };
        let Some(prepared) = prepared else { return Ok(named) };
        let mut admitted = RoaringBitmap::new();
        for dataset in &snapshot.datasets {
            self.add_passing(dataset.row, &prepared, &mut admitted)?;
        }
        if let Some(named) = &named {
            admitted &= named;
        }
        Ok(Some(admitted))
    }

    /// The fields that the documents of the snapshot's datasets have, by name.
    pub(crate) fn fields(
        self,
        snapshot: &Snapshot,
        most_values: usize,
    ) -> Result<Vec<KnownField>, StoreError> {
        let mut fields: BTreeMap<String, KnownField> = BTreeMap::new();
        for dataset in &snapshot.datasets {
            let of_one = most_values.saturating_add(MORE_VALUES);
            for field in self.ask(dataset.row, |index| index.fields(of_one))? {
                match fields.entry(field.name.clone()) {
                    Entry::Vacant(place) => drop(place.insert(field)),
                    Entry::Occupied(mut known) => join(known.get_mut(), field),
                }
            }
        }
        let shortened = |mut field: KnownField| {
            field.values.truncate(most_values);
            field
        };
        Ok(fields.into_values().map(shortened).collect())
    }

    fn ask<T>(self, dataset: u32, ask: impl FnOnce(&MetadataIndex) -> T) -> Result<T, StoreError> {
        let make = || {
            self.readers.read(|connection| index(connection, dataset, self.metadata.most_bytes()))
        };
        self.metadata.ask(dataset, make, ask)
    }

    fn add_passing(
        self,
        dataset: u32,
        filter: &PreparedFilter,
        admitted: &mut RoaringBitmap,
    ) -> Result<(), StoreError> {
        match self.ask(dataset, |index| index.passing(filter)) {
            Ok(passing) => {
                *admitted |= passing;
                Ok(())
            }
            // Too large to be kept: each document is looked at.
            Err(error) if error.kind() == StoreErrorKind::Full => {
                self.readers.read(|connection| scan(connection, dataset, filter, admitted))
            }
            Err(error) => Err(error),
        }
    }
}

/// Adds what another dataset has of a field.
fn join(known: &mut KnownField, other: KnownField) {
    known.documents += other.documents;
    known.distinct = known.distinct.max(other.distinct);
    for value in other.values {
        match known.values.iter_mut().find(|one| one.value == value.value) {
            Some(one) => one.documents += value.documents,
            None => known.values.push(value),
        }
    }
    known.distinct = known.distinct.max(known.values.len() as u64);
    known.values.sort_by_key(|value| Reverse(value.documents));
}

fn index(
    connection: &Connection,
    dataset: u32,
    most_bytes: usize,
) -> Result<MetadataIndex, StoreError> {
    let mut index = MetadataIndex::default();
    let sequence = documents::each_metadata(connection, dataset, |document, metadata| {
        index.insert(document, metadata)?;
        if index.bytes() > most_bytes { Err(too_large()) } else { Ok(()) }
    })?;
    index.set_sequence(sequence);
    Ok(index)
}

fn scan(
    connection: &Connection,
    dataset: u32,
    filter: &PreparedFilter,
    admitted: &mut RoaringBitmap,
) -> Result<(), StoreError> {
    documents::each_metadata(connection, dataset, |document, metadata| {
        if filter.matches(metadata) {
            admitted.insert(small(document)?);
        }
        Ok(())
    })
    .map(drop)
}
