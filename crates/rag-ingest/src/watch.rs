//! Watching folders: a dataset follows what is in them.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use rag_core::{ContentHash, DatasetId};
use tokio::sync::Notify;

use crate::pipeline::Pipeline;
use crate::{IngestError, ScanOptions, SubmitOptions, Urgency};

/// How folders are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// How long nothing must have changed before changes are taken in: writing a file is many changes.
    pub quiet: Duration,
    /// How long changes wait at most, when they never cease.
    pub longest: Duration,
    /// How often folders are looked through that the system cannot watch (network drives, too many folders).
    pub poll: Duration,
    /// How files are found.
    pub scan: ScanOptions,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(1),
            longest: Duration::from_secs(10),
            poll: Duration::from_secs(5),
            scan: ScanOptions::default(),
        }
    }
}

impl Pipeline {
    /// Mirrors the folders (and files) in the dataset until `stop` completes: what is new or changed is submitted, with
    /// the lowest urgency, and documents whose files are gone are removed. Documents that came from elsewhere stay, and
    /// so do all of a folder that cannot be reached as a whole. Something must [run](Self::run) the pipeline.
    ///
    /// A change costs a look at the names and times of all files of the folders, and a reading of those that changed.
    ///
    /// # Errors
    /// The store's and the pool's.
    pub async fn watch(
        &self,
        dataset: &DatasetId,
        paths: Vec<PathBuf>,
        options: WatchOptions,
        stop: impl Future<Output = ()>,
    ) -> Result<(), IngestError> {
        let changes = Arc::new(Changes::default());
        // Before the first look, so that nothing falls between them.
        let (watched, told) = (paths.clone(), changes.clone());
        let watching = self.shared().on_pool(move || begin_watching(&watched, told)).await?;
        let seen = Arc::new(Seen::default());
        let follow = async {
            loop {
                let count = changes.count();
                self.look(dataset, &paths, &options, &seen).await?;
                match &watching {
                    Some(_) => changes.settled(count, &options).await,
                    None => tokio::time::sleep(options.poll).await,
                }
            }
        };
        tokio::select! {
            ended = follow => ended,
            () = stop => Ok(()),
        }
    }

    /// Takes in what differs from the last look.
    async fn look(
        &self,
        dataset: &DatasetId,
        paths: &[PathBuf],
        options: &WatchOptions,
        seen: &Arc<Seen>,
    ) -> Result<(), IngestError> {
        let scan = self.scan(paths.to_vec(), options.scan.clone()).await?;
        let submit =
            SubmitOptions { prune: true, urgency: Urgency::Watch, ..SubmitOptions::default() };
        let submission = self.submit_seen(dataset, scan, submit, Some(seen.clone())).await?;
        tracing::debug!(
            queued = submission.queued,
            removed = submission.missing.len(),
            "watched folders were looked through"
        );
        Ok(())
    }
}

/// Tells `changes` of what happens at the paths for as long as the result is kept; `None` when the system cannot. Blocks
/// for as long as it takes to list the folders.
fn begin_watching(paths: &[PathBuf], changes: Arc<Changes>) -> Option<RecommendedWatcher> {
    let tell = move |event: notify::Result<notify::Event>| match event {
        // Reading is no change; an error may hide one.
        Ok(event) if event.kind.is_access() => {}
        _ => changes.tell(),
    };
    let watch = || {
        let mut watcher = notify::recommended_watcher(tell)?;
        for path in paths {
            match path.is_dir() {
                true => watcher.watch(path, RecursiveMode::Recursive)?,
                // Editors replace files, so it is their folder that is watched.
                false => {
                    watcher.watch(path.parent().unwrap_or(path), RecursiveMode::NonRecursive)?;
                }
            }
        }
        Ok::<_, notify::Error>(watcher)
    };
    watch().inspect_err(|error| tracing::warn!(%error, "folders are looked through instead")).ok()
}

/// Counts changes, so that none is missed and a flood of them takes no memory.
#[derive(Debug, Default)]
struct Changes {
    count: AtomicU64,
    told: Notify,
}

impl Changes {
    fn tell(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.told.notify_one();
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Waits for a change after the first `count`, then until there are no more for a while.
    async fn settled(&self, count: u64, options: &WatchOptions) {
        while self.count() == count {
            self.told.notified().await;
        }
        let calm = async {
            let mut count = self.count();
            loop {
                tokio::time::sleep(options.quiet).await;
                match self.count() {
                    same if same == count => return,
                    more => count = more,
                }
            }
        };
        // Whatever goes on is taken in with the next look.
        drop(tokio::time::timeout(options.longest, calm).await);
    }
}

/// Files as they were when their content was hashed last, so that looking again does not read them again.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<PathBuf, Stamp>>);

#[derive(Clone, Copy, Debug)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
    content: ContentHash,
}

/// A file that changed so shortly before it was read may change again within one tick of the file system's clock.
const TICK: Duration = Duration::from_secs(2);

impl Seen {
    /// Content and size of the file, if it cannot have changed.
    pub(crate) fn content(&self, path: &Path) -> Option<(ContentHash, u64)> {
        let known = self.0.lock().ok()?.get(path).copied()?;
        let (modified, bytes) = stamp(path)?;
        (modified == known.modified && bytes == known.bytes).then_some((known.content, bytes))
    }

    /// Notes what a file with that stamp holds.
    pub(crate) fn note(
        &self,
        path: &Path,
        before: Option<(SystemTime, u64)>,
        content: ContentHash,
    ) {
        let Some((modified, bytes)) = before else { return };
        let settled = modified.elapsed().is_ok_and(|age| age > TICK);
        if let Ok(mut seen) = self.0.lock() {
            match settled && seen.len() < MOST_SEEN {
                true => drop(seen.insert(path.to_owned(), Stamp { modified, bytes, content })),
                false => drop(seen.remove(path)),
            }
        }
    }
}

/// As many files as a scan finds. Those beyond it are read each time.
const MOST_SEEN: usize = 1_000_000;

/// When the file changed last, and its size.
pub(crate) fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
