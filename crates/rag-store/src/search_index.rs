//! The derived indexes: opened or made anew, changed by each commit, written to files now and then.
//!
//! A commit changes the state in memory, under a lock that is held for microseconds, before it is acknowledged; a
//! search takes a snapshot of the state and holds no lock. So a search sees every acknowledged write, and each
//! document entirely in one version. [`SearchIndex::flush`] moves what has gathered in memory to files; what it wrote
//! becomes visible in the same step in which it leaves memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rag_core::{DatasetId, StoreError};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::chunk_file::ChunkFile;
use crate::datasets::IndexedDataset;
use crate::failure;
use crate::flush::Flusher;
use crate::full_text::{Fields, FullText, Manifest};
use crate::snapshot::{Change, IndexState, Snapshot};
use crate::text_snapshot::TextSnapshot;

/// Index files up to this size altogether are checked byte by byte whenever they are opened; larger ones only after a
/// crash.
const ALWAYS_VERIFIED_BYTES: u64 = 64 << 20;
/// Stands in the directory while nobody has it open and all of it reached the disk.
const CLEAN_MARK: &str = "clean";
const TEXT_DIRECTORY: &str = "text";

/// What the database holds, to compare the indexes with.
pub(crate) struct Truth {
    pub(crate) datasets: Vec<IndexedDataset>,
    /// Numbers and dimensions of what is being gathered for datasets that move to another embedding.
    pub(crate) gathered: Vec<(u32, u32)>,
    pub(crate) live_versions: Vec<u64>,
    pub(crate) sequence: u64,
}

/// The indexes of a directory.
pub(crate) struct SearchIndex {
    directory: PathBuf,
    full_text: FullText,
    state: RwLock<IndexState>,
    flusher: Mutex<Flusher>,
}

impl SearchIndex {
    /// Opens the indexes, or makes empty ones when there are none, or they are damaged, made by another version of
    /// this program, or ahead of the database. They may lack the latest documents: see [`sequence`](Self::sequence).
    pub(crate) fn open(directory: &Path, truth: &Truth) -> Result<Self, StoreError> {
        match Self::open_existing(directory, truth) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => tracing::info!("making the search index"),
            Err(error) => {
                tracing::warn!(error = &*error, "the search index cannot be used and is made anew");
            }
        }
        Self::create(directory, truth)
            .map_err(|error| failure::engine("cannot make the search index", error))
    }

    fn open_existing(
        directory: &Path,
        truth: &Truth,
    ) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>> {
        if !directory.join(TEXT_DIRECTORY).is_dir() {
            return Ok(None);
        }
        let verify = !take_clean_mark(directory)? || size_of(directory)? <= ALWAYS_VERIFIED_BYTES;
        let opened = FullText::open(&directory.join(TEXT_DIRECTORY), verify)?;
        let Some((full_text, manifest)) = opened else {
            return Err("it is damaged or was made by another version".into());
        };
        if manifest.sequence > truth.sequence {
            return Err("it is ahead of the database".into());
        }
        let files = manifest
            .files
            .iter()
            .map(|name| ChunkFile::open(&directory.join(name), verify).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        remove_strangers(directory, &manifest)?;
        Ok(Some(Self::assemble(directory, full_text, manifest.sequence, files, truth)))
    }

    fn create(
        directory: &Path,
        truth: &Truth,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory.join(TEXT_DIRECTORY))?;
        let full_text = FullText::create(&directory.join(TEXT_DIRECTORY))?;
        full_text.reload()?;
        Ok(Self::assemble(directory, full_text, 0, Vec::new(), truth))
    }

    fn assemble(
        directory: &Path,
        full_text: FullText,
        sequence: u64,
        files: Vec<Arc<ChunkFile>>,
        truth: &Truth,
    ) -> Self {
        let live: FxHashSet<u64> = truth.live_versions.iter().copied().collect();
        let gathered: FxHashMap<u32, u32> = truth.gathered.iter().copied().collect();
        let known: FxHashSet<u32> = truth
            .datasets
            .iter()
            .map(|dataset| dataset.no)
            .chain(gathered.keys().copied())
            .collect();
        let mut dead = FxHashMap::default();
        let mut gone_datasets = FxHashSet::default();
        for block in files.iter().flat_map(|file| file.blocks()) {
            if known.contains(&block.dataset) {
                let versions = block.directory().map(|(_, version)| version);
                let lost = versions.filter(|version| !live.contains(version));
                dead.extend(lost.map(|version| (version, block.dataset)));
            } else {
                gone_datasets.insert(block.dataset);
            }
        }
        let datasets =
            truth.datasets.iter().map(|dataset| (dataset.id.clone(), dataset.clone())).collect();
        let state = IndexState {
            datasets,
            gathered,
            text: TextSnapshot::new(full_text.searcher(), None),
            files: Arc::new(files),
            tail: FxHashMap::default(),
            tail_chunks: 0,
            dead: Arc::new(dead),
            gone_datasets,
            sequence,
        };
        Self {
            directory: directory.to_owned(),
            full_text,
            state: RwLock::new(state),
            flusher: Mutex::default(),
        }
    }

    /// Makes committed changes visible; returns how many chunks are in memory now.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> usize {
        let mut state = self.write();
        changes.into_iter().for_each(|change| state.apply(change));
        state.tail_chunks
    }

    pub(crate) fn snapshot(&self, datasets: &[DatasetId]) -> Snapshot {
        self.read().snapshot(datasets)
    }

    pub(crate) fn fields(&self) -> Fields {
        self.full_text.fields()
    }

    /// What the indexes know of a dataset, if it exists.
    pub(crate) fn dataset(&self, id: &DatasetId) -> Option<IndexedDataset> {
        self.read().datasets.get(id).cloned()
    }

    /// The last completed document that the indexes hold.
    pub(crate) fn sequence(&self) -> u64 {
        self.read().sequence
    }

    /// Chunks that are in memory and not in files yet.
    pub(crate) fn tail_chunks(&self) -> usize {
        self.read().tail_chunks
    }

    /// Writes all that is in memory to files, and drops from them what is dead. Searches and writes go on meanwhile.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let mut flusher = self.flusher.lock().unwrap_or_else(PoisonError::into_inner);
        flusher
            .flush(&self.directory, &self.full_text, &self.state)
            .map_err(|error| failure::engine("cannot write the search index", error))
    }

    /// Lets go of the memory that writing needs.
    pub(crate) fn rest(&self) {
        self.flusher.lock().unwrap_or_else(PoisonError::into_inner).rest();
    }

    /// Notes that all of the files reached the disk, after the last [`flush`](Self::flush).
    pub(crate) fn mark_clean(&self) -> Result<(), StoreError> {
        fs::write(self.directory.join(CLEAN_MARK), b"")
            .map_err(|error| failure::engine("cannot mark the search index as complete", error))
    }

    fn read(&self) -> RwLockReadGuard<'_, IndexState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, IndexState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the index was closed in order; from now on it is open.
fn take_clean_mark(directory: &Path) -> std::io::Result<bool> {
    match fs::remove_file(directory.join(CLEAN_MARK)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn size_of(directory: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for directory in [directory.to_owned(), directory.join(TEXT_DIRECTORY)] {
        for entry in fs::read_dir(directory)? {
            size += entry?.metadata()?.len();
        }
    }
    Ok(size)
}

/// Removes files that no manifest names: what a crash left behind.
fn remove_strangers(directory: &Path, manifest: &Manifest) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let named = manifest.files.iter().any(|file| name.to_str() == Some(file));
        if !named && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
