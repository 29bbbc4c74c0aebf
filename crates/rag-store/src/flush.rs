//! Moves what has gathered in memory to files.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::chunk_file::ChunkFile;
use crate::chunk_file_writer::ChunkFileWriter;
use crate::chunk_rows::DocumentRows;
use crate::full_text::{FullText, FullTextWriter, Manifest};
use crate::snapshot::{IndexState, TailDocument};
use crate::text_snapshot::TextSnapshot;

type BoxError = Box<dyn Error + Send + Sync>;

/// A file is merged into the new one when it is at most this many times as large: then there are few files (their
/// sizes at least double from one to the next older one), and each chunk is written few times.
const MERGED_UP_TO: usize = 2;

/// Writes files; one flush at a time.
#[derive(Default)]
pub(crate) struct Flusher {
    writer: Option<FullTextWriter>,
    /// Dead versions and datasets that the full-text index is rid of already.
    erased: FxHashSet<u64>,
    erased_datasets: FxHashSet<u32>,
    files_written: u64,
}

/// The state when a flush began.
struct Cut {
    sequence: u64,
    /// Dimensions of the datasets that exist, by number.
    datasets: FxHashMap<u32, u32>,
    tail: BTreeMap<u32, Arc<Vec<TailDocument>>>,
    tail_chunks: usize,
    files: Arc<Vec<Arc<ChunkFile>>>,
    dead: Arc<FxHashMap<u64, u32>>,
    gone_datasets: FxHashSet<u32>,
}

/// What becomes of the files of a cut.
struct Plan {
    kept: Vec<Arc<ChunkFile>>,
    merged: Vec<Arc<ChunkFile>>,
}

impl Flusher {
    pub(crate) fn flush(
        &mut self,
        directory: &Path,
        full_text: &FullText,
        state: &RwLock<IndexState>,
    ) -> Result<(), BoxError> {
        let cut = Cut::of(&state.read().unwrap_or_else(PoisonError::into_inner));
        if self.is_done(&cut) {
            return Ok(());
        }
        let plan = cut.plan();
        let written = self.write_chunks(directory, &cut, &plan)?;
        let files: Vec<Arc<ChunkFile>> = plan.kept.iter().chain(&written).cloned().collect();
        if let Err(error) = self.write_text(full_text, &cut, &files) {
            self.writer = None;
            written.iter().for_each(|file| remove(file));
            return Err(error);
        }
        let text = full_text.reload()?;
        {
            let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
            state.text = TextSnapshot::new(text, Some(&state.text));
            state.files = Arc::new(files);
            state.forget_tail(cut.sequence);
            let kept = |version: &u64, dataset: &u32| {
                !cut.dead.contains_key(version) || is_in(&plan.kept, *dataset, *version)
            };
            Arc::make_mut(&mut state.dead).retain(|version, dataset| kept(version, dataset));
            state.gone_datasets.retain(|dataset| {
                !cut.gone_datasets.contains(dataset)
                    || plan.kept.iter().any(|file| file.block(*dataset).is_some())
            });
            self.erased.retain(|version| state.dead.contains_key(version));
            self.erased_datasets.retain(|dataset| state.gone_datasets.contains(dataset));
        }
        plan.merged.iter().for_each(|file| remove(file));
        Ok(())
    }

    /// Lets go of the writer's memory and threads until the next flush.
    pub(crate) fn rest(&mut self) {
        self.writer = None;
    }

    fn is_done(&self, cut: &Cut) -> bool {
        cut.tail.is_empty()
            && cut.dead.keys().all(|version| self.erased.contains(version))
            && cut.gone_datasets.is_subset(&self.erased_datasets)
    }

    fn write_chunks(
        &mut self,
        directory: &Path,
        cut: &Cut,
        plan: &Plan,
    ) -> Result<Option<Arc<ChunkFile>>, BoxError> {
        let documents = cut.documents(&plan.merged);
        if documents.is_empty() {
            return Ok(None);
        }
        let path = self.new_path(directory, cut.sequence);
        let mut writer = ChunkFileWriter::create(&path)?;
        for (dataset, mut documents) in documents {
            documents.sort_unstable_by_key(|document| document.version);
            let dimensions = cut.datasets.get(&dataset).copied().unwrap_or(0);
            writer.block(dataset, dimensions, &documents)?;
        }
        writer.finish()?;
        sync_directory(directory)?;
        Ok(Some(Arc::new(ChunkFile::open(&path, false)?)))
    }

    /// A name that no file has, dead or alive.
    fn new_path(&mut self, directory: &Path, sequence: u64) -> std::path::PathBuf {
        loop {
            self.files_written += 1;
            let path = directory.join(format!("{sequence:012}-{}.chunks", self.files_written));
            if !path.exists() {
                return path;
            }
        }
    }

    fn write_text(
        &mut self,
        full_text: &FullText,
        cut: &Cut,
        files: &[Arc<ChunkFile>],
    ) -> Result<(), BoxError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(full_text.writer()?),
        };
        for version in cut.dead.keys().filter(|version| !self.erased.contains(version)) {
            writer.delete_version(*version);
        }
        for dataset in cut.gone_datasets.difference(&self.erased_datasets) {
            writer.delete_dataset(*dataset);
        }
        for (dataset, documents) in &cut.tail {
            for document in documents.iter() {
                writer.add(*dataset, document.version, &document.content)?;
            }
        }
        let names = files.iter().filter_map(|file| file.path().file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned()).collect();
        writer.commit(&Manifest::new(cut.sequence, names))?;
        self.erased.extend(cut.dead.keys());
        self.erased_datasets.extend(&cut.gone_datasets);
        Ok(())
    }
}

impl Cut {
    fn of(state: &IndexState) -> Self {
        Self {
            sequence: state.sequence,
            datasets: state.dimensions(),
            tail: state.tail.iter().map(|(no, documents)| (*no, documents.clone())).collect(),
            tail_chunks: state.tail_chunks,
            files: state.files.clone(),
            dead: state.dead.clone(),
            gone_datasets: state.gone_datasets.clone(),
        }
    }

    /// Which files to merge into the new one: the newest as long as they are not much larger than all that comes
    /// after them, and any that is dead for the most part.
    fn plan(&self) -> Plan {
        let mut plan = Plan { kept: Vec::new(), merged: Vec::new() };
        let mut gathered = self.tail_chunks;
        let mut newest = true;
        for file in self.files.iter().rev() {
            let rows = file.rows();
            let alive = rows - self.dead_rows(file).min(rows);
            newest &= alive <= MERGED_UP_TO * gathered;
            if newest || alive * 2 <= rows {
                gathered += alive;
                plan.merged.push(file.clone());
            } else {
                plan.kept.push(file.clone());
            }
        }
        plan.kept.reverse();
        plan
    }

    fn dead_rows(&self, file: &ChunkFile) -> usize {
        let versions = self
            .dead
            .iter()
            .filter_map(|(version, dataset)| Some(file.block(*dataset)?.find(*version)?.len()));
        let datasets = self.gone_datasets.iter().filter_map(|dataset| file.block(*dataset));
        versions.sum::<usize>() + datasets.map(|block| block.vectors.len()).sum::<usize>()
    }

    /// The living documents of these files and of the tail, by dataset.
    fn documents<'a>(
        &'a self,
        files: &'a [Arc<ChunkFile>],
    ) -> BTreeMap<u32, Vec<DocumentRows<'a>>> {
        let mut all: BTreeMap<u32, Vec<DocumentRows<'a>>> = BTreeMap::new();
        for block in files.iter().flat_map(|file| file.blocks()) {
            if self.datasets.contains_key(&block.dataset) {
                let alive =
                    block.documents().filter(|document| !self.dead.contains_key(&document.version));
                all.entry(block.dataset).or_default().extend(alive);
            }
        }
        for (dataset, documents) in &self.tail {
            all.entry(*dataset).or_default().extend(documents.iter().map(TailDocument::rows));
        }
        all.retain(|_, documents| !documents.is_empty());
        all
    }
}

fn is_in(files: &[Arc<ChunkFile>], dataset: u32, version: u64) -> bool {
    files.iter().filter_map(|file| file.block(dataset)).any(|block| block.find(version).is_some())
}

/// Removes a file that is of no use any more. Searches that still read it go on; what cannot be removed now is at the
/// next start.
fn remove(file: &ChunkFile) {
    if let Err(error) = fs::remove_file(file.path()) {
        tracing::warn!(path = %file.path().display(), %error, "cannot remove an index file");
    }
}

/// Brings the names of new files to the disk.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(directory)?.sync_all() } else { Ok(()) }
}
