//! Writing an archive while a server may go on serving and ingesting.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use accounts::AccountStore;
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use llm_usage::UsageStore;
use rag_store::EmbeddedStore;
use response_store::ResponseStore;
use tar::{Builder, EntryType, Header};

use super::{Entry, HEAD, Hashed, Head, MANIFEST, Manifest, STORE, UPLOADS, VERSION, directory_of};
use crate::{door, responses, usage};

/// How far a backup is.
pub(crate) enum Progress {
    /// Pages of the database that are copied, and all of its pages.
    Pages(u64, u64),
    /// A file is in the archive.
    File,
}

/// Writes all of a data directory into one file, which appears when it is complete and on the disk. What has been in use for a
/// moment before the end is in it as it was at some moment since the beginning: the documents first, and the files that
/// they were made of after them, so that none is missing that was not deleted meanwhile.
///
/// # Errors
/// A directory without data, a file within it, and the disk's own. Then nothing is left.
pub(crate) fn back_up(data_dir: &Path, file: &Path, mut watch: impl FnMut(Progress)) -> Result<()> {
    ensure!(data_dir.join(STORE).exists(), "`{}` holds no data", data_dir.display());
    let data_dir = data_dir.canonicalize()?;
    let folder = directory_of(file)?;
    ensure!(
        !folder.starts_with(&data_dir),
        "a backup does not belong into the data directory itself; name a file outside of `{}`",
        data_dir.display()
    );
    // Beside the file, so that it can be renamed; copies of databases are as large as they are.
    let work = tempfile::Builder::new().prefix(".colloquy-backup").tempdir_in(&folder)?;
    let partial = work.path().join("archive");
    let mut archive = Archive::begin(&partial, &data_dir)?;
    let databases: [(&str, Copy); 3] = [
        (door::FILE, |from, to| Ok(AccountStore::copy(from, to)?)),
        (usage::FILE, |from, to| Ok(UsageStore::copy(from, to)?)),
        (responses::FILE, |from, to| Ok(ResponseStore::copy(from, to)?)),
    ];
    for (name, copy) in databases {
        let (from, to) = (data_dir.join(name), work.path().join(name));
        if from.exists() {
            copy(&from, &to)?;
            archive.append_moved(name, &to)?;
            watch(Progress::File);
        }
    }
    let copy = work.path().join(STORE);
    EmbeddedStore::backup_of(&data_dir, &copy, |progress| {
        watch(Progress::Pages(progress.copied, progress.pages));
        ControlFlow::Continue(())
    })?;
    archive.append_moved(STORE, &copy)?;
    archive.append_folder(UPLOADS, &data_dir.join(UPLOADS), &mut watch)?;
    archive.finish()?.sync_all()?;
    fs::rename(&partial, file)?;
    File::open(&folder)?.sync_all()?;
    Ok(())
}

/// Copies a database as it is now.
type Copy = fn(&Path, &Path) -> Result<()>;

struct Archive {
    tar: Builder<File>,
    manifest: Manifest,
}

impl Archive {
    fn begin(path: &Path, data_dir: &Path) -> Result<Self> {
        let mut options = File::options();
        options.write(true).create_new(true);
        // It holds what accounts are opened with, if only hashed.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut tar = Builder::new(options.open(path)?);
        let head = Head {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            made_at: Timestamp::now(),
            data_dir: text(data_dir)?.to_owned(),
        };
        append(&mut tar, HEAD, serde_json::to_vec_pretty(&head)?.as_slice())?;
        Ok(Self { tar, manifest: Manifest::default() })
    }

    /// Puts a file into the archive, and removes it where it was.
    fn append_moved(&mut self, name: &str, path: &Path) -> Result<()> {
        self.append_file(name, &File::open(path)?)?;
        Ok(fs::remove_file(path)?)
    }

    /// Puts what a folder holds into the archive, folders within it included. What is removed meanwhile is left out.
    fn append_folder(
        &mut self,
        name: &str,
        folder: &Path,
        watch: &mut impl FnMut(Progress),
    ) -> Result<()> {
        let Some(entries) = found(fs::read_dir(folder))? else { return Ok(()) };
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = format!("{name}/{}", text(Path::new(&entry.file_name()))?);
            let Some(kind) = found(entry.file_type())? else { continue };
            if kind.is_dir() {
                self.append_folder(&name, &path, watch)?;
            } else if kind.is_file()
                && let Some(file) = found(File::open(&path))?
            {
                self.append_file(&name, &file)
                    .with_context(|| format!("copying `{}`", path.display()))?;
                watch(Progress::File);
            }
        }
        Ok(())
    }

    fn append_file(&mut self, name: &str, file: &File) -> Result<()> {
        let bytes = file.metadata()?.len();
        // One that grows is one that is being sent, and no document's yet.
        let mut content = Hashed::new(file.take(bytes));
        append_sized(&mut self.tar, name, bytes, &mut content)?;
        let entry: Entry = content.entry(name);
        ensure!(entry.bytes == bytes, "the file became shorter while it was copied; try again");
        self.manifest.files.push(entry);
        Ok(())
    }

    fn finish(mut self) -> Result<File> {
        append(&mut self.tar, MANIFEST, serde_json::to_vec(&self.manifest)?.as_slice())?;
        Ok(self.tar.into_inner()?)
    }
}

fn append(tar: &mut Builder<File>, name: &str, content: &[u8]) -> Result<()> {
    append_sized(tar, name, content.len() as u64, content)
}

fn append_sized(tar: &mut Builder<File>, name: &str, bytes: u64, content: impl Read) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(Timestamp::now().as_second().unsigned_abs());
    Ok(tar.append_data(&mut header, name, content)?)
}

/// What there is; `None` where it is gone.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("`{}` is no name in UTF-8", path.display()))
}
