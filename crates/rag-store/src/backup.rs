//! Backups: a copy of the database while it is written, and the way back.
//!
//! The indexes are derived from the database, so its copy alone is a backup.

use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rag_core::{StoreError, StoreErrorKind};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::embedded::{DATABASE, EmbeddedStore, INDEX_DIRECTORY};
use crate::failure::{self, database};
use crate::lock::DirectoryLock;
use crate::schema;

/// Pages that are copied in one go: 4 MiB.
const PAGES_AT_ONCE: i32 = 1024;

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages of the database that are copied.
    pub copied: u64,
    /// All of its pages.
    pub pages: u64,
}

impl EmbeddedStore {
    /// Copies the store as it is now into one file, while searches and writes go on; none of those waits.
    ///
    /// The file appears when it is complete and on the disk, in place of what had its name. `watch` is told of progress,
    /// and may break off; then, and after a failure, nothing is left. A process that is killed meanwhile leaves a file
    /// with the ending `.partial`, which the next backup of that name replaces. What was written to the store since
    /// the copy began stays in the database's log until it ends.
    ///
    /// Whether there is a backup: not if `watch` broke it off.
    ///
    /// # Errors
    /// The disk's and the database's own, and when `path` is a file of this store.
    pub fn backup(
        &self,
        path: impl AsRef<Path>,
        watch: impl FnMut(BackupProgress) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        back_up(&self.inner.database, path.as_ref(), watch)
    }

    /// The same of the store of a directory, whether or not a process has it open.
    ///
    /// # Errors
    /// As [`backup`](Self::backup); [`StoreErrorKind::NotFound`] when there is no store.
    pub fn backup_of(
        directory: impl AsRef<Path>,
        path: impl AsRef<Path>,
        watch: impl FnMut(BackupProgress) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        let database = directory.as_ref().join(DATABASE);
        if !database.exists() {
            let reason = format!("{} holds no store", directory.as_ref().display());
            return Err(StoreError::new(StoreErrorKind::NotFound, reason));
        }
        back_up(&database, path.as_ref(), watch)
    }

    /// Makes the store of a directory from a backup. The next [`open`](Self::open) makes the indexes, which takes about
    /// a second for every ten thousand chunks.
    ///
    /// What is in the directory is replaced only when `replace` says so. A failure, or the death of the process, leaves
    /// either what was there or what was restored.
    ///
    /// # Errors
    /// [`StoreErrorKind::Locked`] while a process has the directory open.
    /// [`StoreErrorKind::Occupied`] when it holds a store already, and `replace` is false.
    /// [`StoreErrorKind::Incompatible`] when the backup is damaged, none of a store, or of a newer version of this
    /// program. Else the disk's own.
    pub fn restore(
        backup: impl AsRef<Path>,
        directory: impl AsRef<Path>,
        replace: bool,
    ) -> Result<(), StoreError> {
        let (backup, directory) = (backup.as_ref(), directory.as_ref());
        fs::create_dir_all(directory).map_err(|error| io("make", directory, error))?;
        let _lock = DirectoryLock::take(directory)?;
        let target = directory.join(DATABASE);
        if target.exists() && !replace {
            return Err(StoreError::new(
                StoreErrorKind::Occupied,
                format!(
                    "{} holds a store already; say that it shall be replaced",
                    directory.display()
                ),
            ));
        }
        let partial = Partial::beside(&target);
        let source = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| failure::engine(format!("cannot open {}", backup.display()), error))?;
        copy(&source, &partial.path, |_| ControlFlow::Continue(()))?;
        check(&partial.path)?;
        remove_derived(directory)?;
        empty_log(&target)?;
        partial.become_file(&target)
    }
}

/// Copies a store's database as it is now into one file.
fn back_up(
    database_path: &Path,
    path: &Path,
    watch: impl FnMut(BackupProgress) -> ControlFlow<()>,
) -> Result<bool, StoreError> {
    refuse_own_directory(database_path, path)?;
    let partial = Partial::beside(path);
    let source = schema::open_reader(database_path)?;
    // One transaction over all steps: the copy is of one moment, and writes do not make it begin again.
    source.execute_batch("BEGIN; SELECT sequence FROM counter;").map_err(database)?;
    let complete = copy(&source, &partial.path, watch)?;
    if complete {
        partial.become_file(path)?;
    }
    Ok(complete)
}

/// A file under a name that tells that it is not complete; removed when dropped before it is.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn beside(path: &Path) -> Self {
        let mut name = path.file_name().map(OsString::from).unwrap_or_default();
        name.push(".partial");
        Self { path: path.with_file_name(name) }
    }

    /// Brings the file to the disk, then gives it its name.
    fn become_file(self, path: &Path) -> Result<(), StoreError> {
        let on_disk = File::open(&self.path).and_then(|file| file.sync_all());
        on_disk
            .and_then(|()| fs::rename(&self.path, path))
            .and_then(|()| sync_directory_of(path))
            .map_err(|error| io("complete", path, error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for path in [
            self.path.clone(),
            beside(&self.path, "-journal"),
            beside(&self.path, "-wal"),
            beside(&self.path, "-shm"),
        ] {
            // It has another name by now, or never was.
            let _ = fs::remove_file(path);
        }
    }
}

/// Copies a database into a new file. Whether all of it.
fn copy(
    source: &Connection,
    path: &Path,
    mut watch: impl FnMut(BackupProgress) -> ControlFlow<()>,
) -> Result<bool, StoreError> {
    if path.exists() {
        fs::remove_file(path).map_err(|error| io("replace", path, error))?;
    }
    let mut target = Connection::open(path).map_err(database)?;
    // It is brought to the disk at the end, at once.
    target.pragma_update(None, "synchronous", "OFF").map_err(database)?;
    let complete = copy_pages(source, &mut target, &mut watch)?;
    // One file, without a log beside it.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(database)?;
    Ok(complete)
}

fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    watch: &mut impl FnMut(BackupProgress) -> ControlFlow<()>,
) -> Result<bool, StoreError> {
    let backup = Backup::new(source, target).map_err(database)?;
    loop {
        let step = backup.step(PAGES_AT_ONCE).map_err(database)?;
        let progress = backup.progress();
        let pages = u64::try_from(progress.pagecount).unwrap_or(0);
        let left = u64::try_from(progress.remaining).unwrap_or(0);
        let told = watch(BackupProgress { copied: pages.saturating_sub(left), pages });
        match step {
            StepResult::Done => return Ok(true),
            _ if told.is_break() => return Ok(false),
            StepResult::More => {}
            _ => {
                return Err(failure::engine(
                    "cannot write the copy",
                    "another process has it open",
                ));
            }
        }
    }
}

/// Whether a copy is a sound store that this program can read.
fn check(path: &Path) -> Result<(), StoreError> {
    let connection = schema::open_reader(path)?;
    let version = schema::version(&connection)?;
    schema::check_version(version)?;
    let stores =
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('dataset', 'document', 'chunk')";
    let tables: i64 = connection.query_row(stores, [], |row| row.get(0)).map_err(database)?;
    let sound: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(database)?;
    if version == 0 || tables != 3 {
        return Err(incompatible("the backup is not of a store"));
    }
    if sound != "ok" {
        return Err(incompatible("the backup is damaged; take another one").with_source(sound));
    }
    Ok(())
}

fn incompatible(message: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Incompatible, message)
}

/// Removes the indexes of what was in the directory: they are not of what is restored.
fn remove_derived(directory: &Path) -> Result<(), StoreError> {
    let index = directory.join(INDEX_DIRECTORY);
    match fs::remove_dir_all(&index) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove", &index, error))
        }
        _ => Ok(()),
    }
}

/// Brings the log of a database into it and removes it, lest it be taken for the log of what takes the database's
/// place. What is damaged is given up.
fn empty_log(target: &Path) -> Result<(), StoreError> {
    if target.exists() {
        let emptied = schema::open_checkpointer(target).and_then(|connection| {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            connection.query_row(sql, [], |_| Ok(())).map_err(database)
        });
        if let Err(error) = emptied {
            tracing::warn!(%error, "the store that is replaced was damaged");
        }
    }
    for log in [beside(target, "-wal"), beside(target, "-shm")] {
        match fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("remove", &log, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The file whose name goes on like this.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn refuse_own_directory(own: &Path, path: &Path) -> Result<(), StoreError> {
    let directory = |path: &Path| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::canonicalize(directory.unwrap_or(Path::new("."))).ok()
    };
    let named = path.file_name().is_some();
    if named && directory(path).is_some_and(|target| Some(target) != directory(own)) {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Occupied,
        format!(
            "cannot write a backup to {}; name a file in an existing directory that is not the store's",
            path.display()
        ),
    ))
}

/// Brings a file's name to the disk.
fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|parent| cfg!(unix) && !parent.as_os_str().is_empty()) {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn io(doing: &str, path: &Path, error: std::io::Error) -> StoreError {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            StoreErrorKind::ReadOnly
        }
        _ => StoreErrorKind::Engine,
    };
    StoreError::new(kind, format!("cannot {doing} {}", path.display())).with_source(error)
}
