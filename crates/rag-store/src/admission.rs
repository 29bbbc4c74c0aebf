//! Which documents a filter lets through.

use rag_core::{ChunkFilter, PreparedFilter, StoreError, StoreErrorKind};
use roaring::RoaringBitmap;
use rusqlite::Connection;

use crate::document_set::{DocumentSet, small};
use crate::documents;
use crate::metadata_index::{MetadataIndex, too_large};
use crate::metadata_indexes::MetadataIndexes;
use crate::readers::Readers;
use crate::snapshot::Snapshot;

/// Decides which documents may be found.
#[derive(Clone, Copy)]
pub(crate) struct Admission<'a> {
    pub(crate) readers: &'a Readers,
    pub(crate) metadata: &'a MetadataIndexes,
}

impl Admission<'_> {
    /// The documents of the snapshot's datasets that a filter lets through, and maybe some of others; `None`: all.
    pub(crate) fn of(
        self,
        filter: &ChunkFilter,
        snapshot: &Snapshot,
    ) -> Result<Option<DocumentSet>, StoreError> {
        let prepared = filter.metadata.as_ref().map(|filter| filter.prepare()).transpose()?;
        let named = match &filter.documents {
            Some(ids) => Some(self.readers.read(|connection| documents::numbers(connection, ids))?),
            None => None,
        };
        let Some(prepared) = prepared else { return Ok(named.map(DocumentSet::from)) };
        let mut admitted = RoaringBitmap::new();
        for dataset in &snapshot.datasets {
            self.add_passing(dataset.row, &prepared, &mut admitted)?;
        }
        if let Some(named) = &named {
            admitted &= named;
        }
        Ok(Some(admitted.into()))
    }

    fn add_passing(
        self,
        dataset: u32,
        filter: &PreparedFilter,
        admitted: &mut RoaringBitmap,
    ) -> Result<(), StoreError> {
        let make = || {
            self.readers.read(|connection| index(connection, dataset, self.metadata.most_bytes()))
        };
        match self.metadata.ask(dataset, make, |index| index.passing(filter)) {
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
