//! [`original`]: the file that a document was made of.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::Path;

use rag_core::{Document, DocumentSource};

use crate::hash;

/// Opens the file that a document was submitted from last, at its start. `None` when its place is not known, or there is
/// no such file any more, or one with other bytes. Reads all of it: call it on a thread.
///
/// # Errors
/// The disk's.
pub fn original(document: &Document) -> io::Result<Option<File>> {
    let Some(DocumentSource::File { path }) = &document.source else { return Ok(None) };
    let same = opened(path, document);
    match same {
        Err(error) if is_missing(&error) => Ok(None),
        same => same,
    }
}

fn opened(path: &Path, document: &Document) -> io::Result<Option<File>> {
    let is_same_size = |file: &fs::Metadata| file.is_file() && file.len() == document.bytes;
    // Before it is opened: a pipe would wait for somebody who writes into it.
    if !is_same_size(&fs::metadata(path)?) {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    if !is_same_size(&file.metadata()?) {
        return Ok(None);
    }
    let (content, _) = hash::of(&mut file)?;
    file.rewind()?;
    Ok((content == document.content).then_some(file))
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}
