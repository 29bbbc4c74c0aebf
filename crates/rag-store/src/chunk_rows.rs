//! Documents as rows: for each chunk its id and its vector. Borrowed from memory or from a mapped file.

use crate::vectors::VectorRows;

/// The rows of one document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentRows<'a> {
    /// The document's number.
    pub(crate) no: u64,
    pub(crate) version: u64,
    /// Terms of all bodies together, and of all titles.
    pub(crate) tokens: [u64; 2],
    pub(crate) ids: ChunkIds<'a>,
    pub(crate) vectors: VectorRows<'a>,
}

impl DocumentRows<'_> {
    pub(crate) fn len(&self) -> usize {
        self.vectors.len()
    }
}

/// Chunk ids, one after another in one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkIds<'a> {
    /// Where the first one begins.
    pub(crate) start: u32,
    /// Where each one ends.
    pub(crate) ends: &'a [u32],
    pub(crate) text: &'a [u8],
}

impl<'a> ChunkIds<'a> {
    /// The id of a row; `None` when there is no such row.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        let end = *self.ends.get(row)? as usize;
        let start = match row.checked_sub(1) {
            Some(previous) => *self.ends.get(previous)?,
            None => self.start,
        };
        std::str::from_utf8(self.text.get(start as usize..end)?).ok()
    }
}

/// Chunk ids that own their memory.
#[derive(Debug, Default)]
pub(crate) struct OwnedIds {
    ends: Vec<u32>,
    text: String,
}

impl OwnedIds {
    pub(crate) fn all(&self) -> ChunkIds<'_> {
        ChunkIds { start: 0, ends: &self.ends, text: self.text.as_bytes() }
    }
}

impl<'a> FromIterator<&'a str> for OwnedIds {
    fn from_iter<T: IntoIterator<Item = &'a str>>(ids: T) -> Self {
        let mut all = Self::default();
        for id in ids {
            all.text.push_str(id);
            all.ends.push(all.text.len() as u32);
        }
        all
    }
}
