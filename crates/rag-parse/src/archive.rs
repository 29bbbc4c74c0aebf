//! Archives that documents are packed in, within bounds: what is small on the disk may be endless when unpacked.

use std::io::{Cursor, Read};

use rag_core::{ParseError, ParseErrorKind};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::ParseLimits;
use crate::limits::size;

/// More entries than any document has.
const MOST_ENTRIES: usize = 65_536;

/// An opened archive.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be unpacked, all entries together.
    left: u64,
    limit: u64,
}

impl<'a> Archive<'a> {
    /// Opens an archive; what is unpacked of it altogether is bounded by `limits.output_bytes`.
    ///
    /// # Errors
    /// `Damaged`, and `TooLarge` for one of very many entries.
    pub(crate) fn open(bytes: &'a [u8], limits: &ParseLimits) -> Result<Self, ParseError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
        if zip.len() > MOST_ENTRIES {
            let reason = format!("the file holds {} parts, {MOST_ENTRIES} are allowed", zip.len());
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        let limit = limits.output_bytes;
        Ok(Self { zip, left: limit, limit })
    }

    /// The bytes of an entry; `None` when there is none.
    ///
    /// # Errors
    /// `Damaged`, `Encrypted`, and `TooLarge` when too much was unpacked.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let mut entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(damaged(&error)),
        };
        let mut bytes = Vec::new();
        let read = entry.by_ref().take(self.left.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| {
            let reason = format!("the part `{name}` of the file is broken: {error}");
            ParseError::new(ParseErrorKind::Damaged, reason)
        })?;
        let length = bytes.len() as u64;
        if length > self.left {
            let reason = format!("the file expands to more than {}", size(self.limit));
            return Err(ParseError::new(ParseErrorKind::TooLarge, reason));
        }
        self.left -= length;
        Ok(Some(bytes))
    }

    /// The same for an entry without which the file is nothing.
    ///
    /// # Errors
    /// As [`read`](Self::read); `Damaged` when it is missing.
    pub(crate) fn need(&mut self, name: &str) -> Result<Vec<u8>, ParseError> {
        self.read(name)?.ok_or_else(|| {
            let reason = format!("the file lacks its part `{name}`");
            ParseError::new(ParseErrorKind::Damaged, reason)
        })
    }
}

/// Whether an archive has a part whose name begins so. Of one whose list of parts is lost, whether the name stands in it.
pub(crate) fn holds_part(bytes: &[u8], prefix: &str) -> bool {
    match ZipArchive::new(Cursor::new(bytes)) {
        Ok(zip) => zip.file_names().flatten().any(|name| name.starts_with(prefix)),
        Err(_) => memchr::memmem::find(bytes, prefix.as_bytes()).is_some(),
    }
}

fn damaged(error: &ZipError) -> ParseError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            let reason = "the file needs a password; save it without one";
            ParseError::new(ParseErrorKind::Encrypted, reason)
        }
        error => {
            let reason = format!("the file is broken: {error}").replace('\n', " ");
            ParseError::new(ParseErrorKind::Damaged, reason)
        }
    }
}

/// A name within an archive, as one part refers to another: relative to the referring part's folder, or from the root.
pub(crate) fn resolve(base: &str, target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    if let Some(rooted) = target.strip_prefix('/') {
        return rooted.to_owned();
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_part_that_says_them() {
        let check = |base: &str, target: &str, expected: &str| {
            assert_eq!(resolve(base, target), expected, "{target} in {base}");
        };
        check("word/document.xml", "styles.xml", "word/styles.xml");
        check("ppt/slides/slide1.xml", "../notes/n.xml", "ppt/notes/n.xml");
        check("ppt/slides/slide1.xml", "/docProps/core.xml", "docProps/core.xml");
        check("a.opf", "../../x.html#top", "x.html");
    }
}
