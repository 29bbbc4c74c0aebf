//! Backups: everything that a data directory holds and nothing could make again, in one archive.
//!
//! An archive is a tar file, so that it can be looked into with what is at hand: [`HEAD`] tells first what it is, the
//! [`MANIFEST`] at the end what must be in it. Indexes are left out, since they are made of the rest.

mod restore;
mod write;

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use restore::restore;
pub(crate) use write::{Progress, back_up};

/// The first file of an archive.
const HEAD: &str = "colloquy-backup.json";
/// The last one. An archive without it was cut off.
const MANIFEST: &str = "manifest.json";
/// The copy of the documents' database.
const STORE: &str = "store.sqlite";
/// The folder of files that were sent.
const UPLOADS: &str = crate::uploads::FOLDER;

/// The form of the archives that this program writes, and the newest that it reads.
const VERSION: u32 = 1;

/// What an archive is.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u32,
    /// The version of the program that wrote it.
    program: String,
    made_at: Timestamp,
    /// Where the data was: documents name their files by it.
    data_dir: String,
}

/// What is in an archive besides its head.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    files: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    path: String,
    bytes: u64,
    blake3: String,
}

/// A reader that hashes and counts what is read.
struct Hashed<R> {
    inner: R,
    hash: blake3::Hasher,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    fn new(inner: R) -> Self {
        Self { inner, hash: blake3::Hasher::new(), bytes: 0 }
    }

    fn entry(&self, path: &str) -> Entry {
        let blake3 = self.hash.finalize().to_hex().to_string();
        Entry { path: path.to_owned(), bytes: self.bytes, blake3 }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The directory that a file or folder of this name is in, as the disk knows it.
fn directory_of(path: &Path) -> Result<std::path::PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    ensure!(path.file_name().is_some(), "`{}` names no file", path.display());
    parent.canonicalize().with_context(|| format!("there is no folder `{}`", parent.display()))
}
