//! Making a data directory from an archive: all of it, or nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use accounts::AccountStore;
use anyhow::{Context, Result, bail, ensure};
use llm_usage::{Retention, UsageStore};
use rag_store::{DirectoryLock, EmbeddedStore, StoreOptions};
use serde::de::DeserializeOwned;
use tar::{Archive, EntryType};

use super::{Entry, HEAD, Hashed, Head, MANIFEST, Manifest, STORE, UPLOADS, VERSION, directory_of};
use crate::{door, usage};

/// How a file of SQLite begins. Backups were one until they held more than documents.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// The largest head and manifest.
const MOST_JSON_BYTES: u64 = 256 << 20;

/// Makes the data directory from a backup, with its indexes. It is put together and checked beside its place first.
///
/// What is in the directory is replaced only when `replace` says so. A failure, or the death of the process, leaves what was
/// there, or what was restored; between two renames the former may be found beside it, with the ending `.replaced`.
///
/// # Errors
/// A directory in use or, without `replace`, one that holds something; a backup that is damaged, of a newer program, or none.
pub(crate) fn restore(backup: &Path, data_dir: &Path, replace: bool) -> Result<()> {
    let mut file = File::open(backup).context("the backup cannot be opened")?;
    if is_database(&mut file)? {
        return Ok(EmbeddedStore::restore(backup, data_dir, replace)?);
    }
    let target = target(data_dir)?;
    let _lock = claim(&target, replace)?;
    let parent = directory_of(&target)?;
    let work = tempfile::Builder::new().prefix(".colloquy-restore").tempdir_in(parent)?;
    let made = work.path().join("data");
    let copy = work.path().join(STORE);
    fs::create_dir(&made)?;
    let head = unpack(io::BufReader::new(file), &made, &copy)?;
    check(&made, &copy, Path::new(&head.data_dir), &target)?;
    take_place(&made, &target)
}

fn is_database(file: &mut File) -> Result<bool> {
    use std::io::Seek;
    let mut magic = Vec::new();
    file.take(SQLITE.len() as u64).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic == SQLITE)
}

/// The directory that is made, as the disk will know it; the one that it is in is there.
fn target(data_dir: &Path) -> Result<PathBuf> {
    if let Ok(there) = data_dir.canonicalize() {
        return Ok(there);
    }
    if let Some(parent) = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    let name = data_dir.file_name().context("the data directory has no name")?;
    Ok(directory_of(data_dir)?.join(name))
}

/// Sees that nobody works in the directory, and that it may be replaced.
fn claim(target: &Path, replace: bool) -> Result<Option<DirectoryLock>> {
    let Ok(mut entries) = fs::read_dir(target) else {
        ensure!(!target.exists(), "`{}` is no directory", target.display());
        return Ok(None);
    };
    if entries.next().is_none() {
        return Ok(None);
    }
    ensure!(
        replace,
        "`{}` holds something already; `--replace` replaces all of it",
        target.display()
    );
    Ok(Some(DirectoryLock::take(target)?))
}

/// Writes the archive's files below `made`, the documents' database to `copy`, and sees that they are what the manifest says.
fn unpack(archive: impl Read, made: &Path, copy: &Path) -> Result<Head> {
    let damaged = "the backup is damaged; take another one";
    let mut archive = Archive::new(archive);
    let mut entries = archive.entries().context(damaged)?;
    let first = entries.next().context("this is no backup")?.context("this is no backup")?;
    ensure!(&*first.path_bytes() == HEAD.as_bytes(), "this is no backup");
    let head: Head = json(first).context("this is no backup")?;
    ensure!(
        head.version <= VERSION,
        "the backup was written by a newer version of this program ({}); use that",
        head.program
    );
    let mut written = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in entries {
        let entry = entry.context(damaged)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).context(damaged)?;
        ensure!(
            entry.header().entry_type() == EntryType::Regular,
            "{damaged}: `{name}` is no file"
        );
        ensure!(seen.insert(name.clone()), "{damaged}: `{name}` is there twice");
        if name == MANIFEST {
            let manifest: Manifest = json(entry).context(damaged)?;
            ensure!(manifest.files == written, "{damaged}: it does not hold what it should");
            ensure!(seen.contains(STORE), "{damaged}: it holds no documents");
            return Ok(head);
        }
        let path = if name == STORE { copy.to_owned() } else { made.join(place(&name)?) };
        written.push(write(entry, &name, &path).with_context(|| format!("writing `{name}`"))?);
    }
    bail!("{damaged}: it was cut off")
}

/// Where a file of an archive goes, below the data directory and nowhere else.
fn place(name: &str) -> Result<&Path> {
    let path = Path::new(name);
    let is_database = [door::FILE, usage::FILE].contains(&name);
    let is_upload = path.starts_with(UPLOADS)
        && path.components().all(|part| matches!(part, Component::Normal(_)));
    ensure!(is_database || is_upload, "the backup names `{name}`, which does not belong into it");
    Ok(path)
}

fn write(content: impl Read, name: &str, path: &Path) -> Result<Entry> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut content = Hashed::new(content);
    let mut file = File::create_new(path)?;
    io::copy(&mut content, &mut file)?;
    file.sync_all()?;
    Ok(content.entry(name))
}

fn json<T: DeserializeOwned>(content: impl Read) -> Result<T> {
    Ok(serde_json::from_reader(io::BufReader::new(content.take(MOST_JSON_BYTES)))?)
}

/// Opens everything as a server would, which also makes the indexes, and tells documents where their files are now.
fn check(made: &Path, copy: &Path, before: &Path, target: &Path) -> Result<()> {
    EmbeddedStore::restore(copy, made, false)?;
    fs::remove_file(copy)?;
    let store = EmbeddedStore::open(made, StoreOptions::default())?;
    store.move_files(&before.join(UPLOADS), &target.join(UPLOADS))?;
    drop(store);
    let (accounts, records) = (made.join(door::FILE), made.join(usage::FILE));
    if accounts.exists() {
        AccountStore::open(&accounts)?;
    }
    if records.exists() {
        UsageStore::open(&records, Retention::default())?;
    }
    Ok(())
}

/// Puts the directory in its place.
fn take_place(made: &Path, target: &Path) -> Result<()> {
    let mut name = target.as_os_str().to_owned();
    name.push(".replaced");
    let replaced = PathBuf::from(name);
    if replaced.exists() {
        fs::remove_dir_all(&replaced)?;
    }
    let was_there = target.exists();
    if was_there {
        fs::rename(target, &replaced).with_context(|| {
            format!("`{}` cannot be renamed; is it a mount point?", target.display())
        })?;
    }
    if let Err(error) = fs::rename(made, target) {
        if was_there {
            fs::rename(&replaced, target)?;
        }
        return Err(error).context("putting the restored directory in its place");
    }
    File::open(directory_of(target)?)?.sync_all()?;
    if was_there {
        fs::remove_dir_all(&replaced)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_below_the_data_directory_only() {
        for name in ["accounts.sqlite", "usage.db", "uploads/a/b.md", "uploads/…"] {
            assert_eq!(place(name).unwrap(), Path::new(name));
        }
        for name in [
            "/etc/passwd",
            "../x",
            "uploads/../../x",
            "lock",
            "index/a",
            "",
            "uploadsx/a",
            "a/uploads/b",
        ] {
            assert!(place(name).is_err(), "{name}");
        }
    }
}
