//! Hashes of files and bytes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rag_core::ContentHash;

/// Hash and length of a file's bytes, read in pieces.
pub(crate) fn of_file(path: &Path) -> io::Result<(ContentHash, u64)> {
    of(&mut File::open(path)?)
}

/// The same of an open file, from where it is to its end.
pub(crate) fn of(file: &mut File) -> io::Result<(ContentHash, u64)> {
    const PIECE: usize = 128 << 10;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((ContentHash(*hasher.finalize().as_bytes()), length));
        }
        hasher.update(piece.get(..count).unwrap_or_default());
        length += count as u64;
    }
}

pub(crate) fn of_bytes(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}
