//! What a search sees: one state of all indexes, which no later write changes.

use std::sync::Arc;

use rag_core::DatasetId;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::chunk_file::ChunkFile;
use crate::chunk_rows::DocumentRows;
use crate::datasets::IndexedDataset;
use crate::document_set::DocumentSet;
use crate::key::ChunkKey;
use crate::metadata_index::MetadataChange;
use crate::prepared::PreparedDocument;
use crate::text_snapshot::TextSnapshot;

/// A document that is not in the index files yet.
#[derive(Clone, Debug)]
pub(crate) struct TailDocument {
    pub(crate) no: u64,
    pub(crate) version: u64,
    pub(crate) content: Arc<PreparedDocument>,
}

impl TailDocument {
    pub(crate) fn rows(&self) -> DocumentRows<'_> {
        self.content.rows(self.no, self.version)
    }
}

/// What a committed write changes in the indexes.
#[derive(Debug)]
pub(crate) enum Change {
    DatasetMade(IndexedDataset),
    DatasetGone(IndexedDataset),
    /// A dataset's documents are gathered under another number, with vectors of so many dimensions.
    MoveBegun {
        to: u32,
        dimensions: u32,
    },
    /// What was gathered under another number is dropped.
    MoveAbandoned {
        to: u32,
    },
    /// A dataset is found under the number where it was gathered, in place of this one.
    Moved {
        from: u32,
        to: IndexedDataset,
    },
    /// A document's version in place of another (0: none).
    DocumentStored {
        dataset: u32,
        document: TailDocument,
        replaced: u64,
    },
    DocumentGone {
        dataset: u32,
        version: u64,
    },
    /// What is known of a document besides its text.
    Metadata(MetadataChange),
    /// A document is left out by searches, or not any more. The dataset's number is that in the database.
    Hidden {
        dataset: u32,
        document: u64,
        is_hidden: bool,
    },
}

/// The state of the indexes: what is in files, what came since, and what of the former is dead. Its parts are shared
/// with the searches that run; a write copies a part only when a search still holds it.
pub(crate) struct IndexState {
    pub(crate) datasets: FxHashMap<DatasetId, IndexedDataset>,
    /// Numbers and dimensions of what is being gathered for datasets, and cannot be found yet.
    pub(crate) gathered: FxHashMap<u32, u32>,
    pub(crate) text: TextSnapshot,
    pub(crate) files: Arc<Vec<Arc<ChunkFile>>>,
    /// By dataset; the documents of each ascend by version.
    pub(crate) tail: FxHashMap<u32, Arc<Vec<TailDocument>>>,
    pub(crate) tail_chunks: usize,
    /// Versions that may be in files, but cannot be found any more, with their datasets.
    pub(crate) dead: Arc<FxHashMap<u64, u32>>,
    /// Datasets that may be in files, but do not exist any more.
    pub(crate) gone_datasets: FxHashSet<u32>,
    /// The last completed document of all that the state holds.
    pub(crate) sequence: u64,
}

impl IndexState {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::DatasetMade(dataset) => {
                self.datasets.insert(dataset.id.clone(), dataset);
            }
            Change::DatasetGone(dataset) => {
                self.datasets.remove(&dataset.id);
                self.bury_dataset(dataset.no);
            }
            Change::MoveBegun { to, dimensions } => {
                self.gathered.insert(to, dimensions);
            }
            Change::MoveAbandoned { to } => {
                self.gathered.remove(&to);
                self.bury_dataset(to);
            }
            Change::Moved { from, to } => {
                self.gathered.remove(&to.no);
                self.datasets.insert(to.id.clone(), to);
                self.bury_dataset(from);
            }
            Change::DocumentStored { dataset, document, replaced } => {
                self.bury(dataset, replaced);
                self.sequence = document.version;
                self.tail_chunks += document.content.len();
                Arc::make_mut(self.tail.entry(dataset).or_default()).push(document);
            }
            Change::DocumentGone { dataset, version } => self.bury(dataset, version),
            // Filters are answered from an index of their own.
            Change::Metadata(_) | Change::Hidden { .. } => {}
        }
    }

    /// Dimensions of all that there is, by number.
    pub(crate) fn dimensions(&self) -> FxHashMap<u32, u32> {
        let datasets = self.datasets.values().map(|dataset| (dataset.no, dataset.dimensions));
        datasets.chain(self.gathered.iter().map(|(no, dimensions)| (*no, *dimensions))).collect()
    }

    fn bury_dataset(&mut self, no: u32) {
        self.gone_datasets.insert(no);
        if let Some(documents) = self.tail.remove(&no) {
            self.tail_chunks -= chunks_in(&documents);
        }
    }

    fn bury(&mut self, dataset: u32, version: u64) {
        if version == 0 {
            return;
        }
        Arc::make_mut(&mut self.dead).insert(version, dataset);
        let Some(documents) = self.tail.get_mut(&dataset) else { return };
        if let Ok(at) = documents.binary_search_by_key(&version, |document| document.version) {
            let removed = Arc::make_mut(documents).remove(at);
            self.tail_chunks -= removed.content.len();
        }
    }

    /// Drops from the tail what the files hold up to `sequence`.
    pub(crate) fn forget_tail(&mut self, sequence: u64) {
        self.tail.retain(|_, documents| {
            Arc::make_mut(documents).retain(|document| document.version > sequence);
            !documents.is_empty()
        });
        self.tail_chunks = self.tail.values().map(|documents| chunks_in(documents)).sum();
    }

    /// The state as far as these datasets go; those that do not exist are left out.
    pub(crate) fn snapshot(&self, datasets: &[DatasetId]) -> Snapshot {
        let mut views: Vec<DatasetView> = datasets
            .iter()
            .filter_map(|id| self.datasets.get(id))
            .map(|dataset| DatasetView {
                no: dataset.no,
                row: dataset.row,
                dimensions: dataset.dimensions as usize,
                tail: self.tail.get(&dataset.no).cloned().unwrap_or_default(),
            })
            .collect();
        views.sort_unstable_by_key(|view| view.no);
        views.dedup_by_key(|view| view.no);
        Snapshot {
            datasets: views,
            text: self.text.clone(),
            files: self.files.clone(),
            dead: self.dead.clone(),
        }
    }
}

fn chunks_in(documents: &[TailDocument]) -> usize {
    documents.iter().map(|document| document.content.len()).sum()
}

/// Some datasets at one moment.
pub(crate) struct Snapshot {
    pub(crate) datasets: Vec<DatasetView>,
    pub(crate) text: TextSnapshot,
    pub(crate) files: Arc<Vec<Arc<ChunkFile>>>,
    pub(crate) dead: Arc<FxHashMap<u64, u32>>,
}

/// One dataset at one moment.
pub(crate) struct DatasetView {
    pub(crate) no: u32,
    /// Its number in the database.
    pub(crate) row: u32,
    pub(crate) dimensions: usize,
    pub(crate) tail: Arc<Vec<TailDocument>>,
}

impl Snapshot {
    pub(crate) fn is_dead(&self, version: u64) -> bool {
        !self.dead.is_empty() && self.dead.contains_key(&version)
    }

    /// Chunks that can be found, of these documents or of all.
    pub(crate) fn count(&self, documents: Option<&DocumentSet>) -> u64 {
        let counted = |rows: DocumentRows<'_>| {
            let admitted = documents.is_none_or(|documents| documents.contains(rows.no));
            if admitted && !self.is_dead(rows.version) { rows.len() as u64 } else { 0 }
        };
        let mut count = 0;
        for dataset in &self.datasets {
            for block in self.files.iter().filter_map(|file| file.block(dataset.no)) {
                count += block.documents().map(counted).sum::<u64>();
            }
            count += dataset.tail.iter().map(|document| counted(document.rows())).sum::<u64>();
        }
        count
    }

    /// The document that a chunk is of, if it can be found.
    pub(crate) fn document(&self, key: ChunkKey) -> Option<DocumentRows<'_>> {
        let version = key.version();
        if self.is_dead(version) {
            return None;
        }
        self.datasets.iter().find_map(|dataset| {
            let in_tail = dataset.tail.binary_search_by_key(&version, |document| document.version);
            match in_tail {
                Ok(at) => dataset.tail.get(at).map(TailDocument::rows),
                Err(_) => self
                    .files
                    .iter()
                    .filter_map(|file| file.block(dataset.no))
                    .find_map(|block| block.find(version)),
            }
        })
    }
}
