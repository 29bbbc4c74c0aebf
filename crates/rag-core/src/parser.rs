//! The traits of parsers and chunkers, and why a file cannot be read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Chunk, ChunkingOptions, DatasetId, DocumentId, ParsedDocument};

/// Turns files into structured text. May compute for seconds: call it on threads made for that.
pub trait DocumentParser: Send + Sync {
    /// Reads a file.
    ///
    /// # Errors
    /// Never panics, hangs or grows without bound, whatever the bytes are.
    fn parse(&self, request: &ParseRequest<'_>) -> Result<ParsedDocument, ParseError>;

    /// Whether a file of this name is worth trying, so that folders can hold other things.
    fn takes(&self, name: &str) -> bool;

    /// Another number whenever the same bytes may be read differently: what was kept of an earlier reading is not used
    /// then.
    fn revision(&self) -> u32 {
        0
    }
}

/// A file to read.
#[derive(Clone, Debug)]
pub struct ParseRequest<'a> {
    /// Its name: the ending is a hint, the content decides.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// Pages to read, each range from its first to its last, from 1; none: all. Formats without pages are read whole.
    pub pages: &'a [(u32, u32)],
    /// Whether [pictures](ParsedDocument::pictures) are wanted, because a model is there to read them. Without, a file
    /// of nothing else ends as [`NoText`](ParseErrorKind::NoText).
    pub pictures: bool,
}

impl<'a> ParseRequest<'a> {
    /// The whole file, without pictures.
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { name, bytes, pages: &[], pictures: false }
    }
}

/// Cuts structured text into chunks. Pure.
pub trait DocumentChunker: Send + Sync {
    /// The chunks in order. Every byte of the document's blocks is in at least one of them; each chunk's text is
    /// exactly its span.
    fn chunk(
        &self,
        dataset: &DatasetId,
        document: &DocumentId,
        parsed: &ParsedDocument,
        options: &ChunkingOptions,
    ) -> Vec<Chunk>;
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// There are no bytes.
    Empty,
    /// The format is not known or not read here.
    Unsupported,
    /// It needs a password.
    Encrypted,
    /// It is larger, deeper or more expanding than allowed.
    TooLarge,
    /// It is broken.
    Damaged,
    /// It holds no text (a scan, say); an OCR or vision model is needed.
    NoText,
    /// Reading it took longer than allowed.
    Timeout,
    /// Reading it brought the parser down.
    Crashed,
}

/// A file that cannot be read, with a reason for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseError {
    /// Why.
    pub kind: ParseErrorKind,
    /// One line that says what is wrong and, where something can be done, what.
    pub reason: String,
}

impl ParseError {
    /// A failure with its reason.
    pub fn new(kind: ParseErrorKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ParseError {}
