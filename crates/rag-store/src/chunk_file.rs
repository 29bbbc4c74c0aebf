//! Files of vectors and chunk ids: written once, mapped into memory, never changed.
//!
//! A file holds one block for each dataset, ascending by the dataset's number, then a directory of the blocks, then a
//! footer. In a block the rows of a document lie together, and documents ascend by version; each kind of column lies
//! in one piece, so that a search touches only the columns that it needs. All numbers are in the machine's own byte
//! order: the files are derived from the database, and a machine that reads them differently rebuilds them.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::chunk_rows::{ChunkIds, DocumentRows};
use crate::vectors::{VectorRows, code_words};

/// Tells such a file, its format and its byte order.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"colchnk1");
/// Blocks begin at multiples of this, so that every column is aligned.
pub(crate) const BLOCK_ALIGNMENT: u64 = 64;
/// Columns begin at multiples of this.
pub(crate) const COLUMN_ALIGNMENT: usize = 8;

/// Why a file cannot be used; it is rebuilt then.
#[derive(Debug, thiserror::Error)]
#[error("the index file {} is damaged: {reason}", path.display())]
pub(crate) struct DamagedFile {
    path: PathBuf,
    reason: String,
}

/// The end of a file.
pub(crate) type Footer = [u64; 8];
/// One block: dataset, dimensions, rows, documents, offset, length, terms of all bodies, terms of all titles.
pub(crate) type BlockRecord = [u64; 8];
/// One document: version, number, first row, rows, tokens of the body, tokens of the title.
pub(crate) type DocumentRecord = [u64; 6];

/// A mapped file.
#[derive(Debug)]
pub(crate) struct ChunkFile {
    path: PathBuf,
    map: Mmap,
    directory: Vec<BlockPlace>,
}

#[derive(Clone, Debug)]
struct BlockPlace {
    dataset: u32,
    dimensions: usize,
    tokens: [u64; 2],
    documents: Range<usize>,
    codes: Range<usize>,
    ends: Range<usize>,
    scales: Range<usize>,
    bytes: Range<usize>,
    ids: Range<usize>,
}

/// The chunks of one dataset in one file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) dataset: u32,
    /// Terms of all bodies, and of all titles.
    pub(crate) tokens: [u64; 2],
    /// Ascending by version.
    records: &'a [DocumentRecord],
    ends: &'a [u32],
    ids: &'a [u8],
    pub(crate) vectors: VectorRows<'a>,
}

impl ChunkFile {
    /// Maps a file and checks its structure; with `verify` also that no byte has changed since it was written, which
    /// reads all of it.
    pub(crate) fn open(path: &Path, verify: bool) -> Result<Self, DamagedFile> {
        let damaged = |reason: String| DamagedFile { path: path.to_owned(), reason };
        let map = map(path).map_err(|error| damaged(error.to_string()))?;
        let directory = read_directory(&map, verify).map_err(|reason| damaged(reason.into()))?;
        Ok(Self { path: path.to_owned(), map, directory })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Chunks in it, dead ones too.
    pub(crate) fn rows(&self) -> usize {
        self.blocks().map(|block| block.vectors.len()).sum()
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        self.directory.iter().map(|place| self.block_at(place))
    }

    /// The chunks of a dataset, if any.
    pub(crate) fn block(&self, dataset: u32) -> Option<Block<'_>> {
        let at = self.directory.binary_search_by_key(&dataset, |place| place.dataset).ok()?;
        self.directory.get(at).map(|place| self.block_at(place))
    }

    fn block_at(&self, place: &BlockPlace) -> Block<'_> {
        Block {
            dataset: place.dataset,
            tokens: place.tokens,
            records: self.column(&place.documents),
            ends: self.column(&place.ends),
            ids: self.column(&place.ids),
            vectors: VectorRows {
                dimensions: place.dimensions,
                codes: self.column(&place.codes),
                scales: self.column(&place.scales),
                bytes: self.column(&place.bytes),
            },
        }
    }

    fn column<T>(&self, range: &Range<usize>) -> &[T]
    where
        [T]: FromBytes + KnownLayout + Immutable,
    {
        column(&self.map, range).unwrap_or(<&[T]>::default())
    }
}

impl<'a> Block<'a> {
    /// Documents in it, dead ones too.
    pub(crate) fn documents(&self) -> impl Iterator<Item = DocumentRows<'a>> {
        let block = *self;
        self.records.iter().map(move |record| block.document(record))
    }

    pub(crate) fn document_count(&self) -> usize {
        self.records.len()
    }

    /// Numbers and versions of the documents in it.
    pub(crate) fn directory(&self) -> impl Iterator<Item = (u64, u64)> {
        self.records.iter().map(|record| (record[1], record[0]))
    }

    /// The document of a version, if it is here.
    pub(crate) fn find(&self, version: u64) -> Option<DocumentRows<'a>> {
        let at = self.records.binary_search_by_key(&version, |record| record[0]).ok()?;
        self.records.get(at).map(|record| self.document(record))
    }

    /// Version and position of a row.
    pub(crate) fn owner(&self, row: usize) -> Option<(u64, usize)> {
        let after = self.records.partition_point(|record| record[2] as usize <= row);
        let record = self.records.get(after.checked_sub(1)?)?;
        let rows = rows_of(record);
        rows.contains(&row).then(|| (record[0], row - rows.start))
    }

    fn document(&self, record: &DocumentRecord) -> DocumentRows<'a> {
        let rows = rows_of(record);
        let words = code_words(self.vectors.dimensions);
        let dimensions = self.vectors.dimensions;
        let start = rows.start.checked_sub(1).and_then(|row| self.ends.get(row).copied());
        DocumentRows {
            no: record[1],
            version: record[0],
            tokens: [record[4], record[5]],
            ids: ChunkIds {
                start: start.unwrap_or(0),
                ends: &self.ends[rows.clone()],
                text: self.ids,
            },
            vectors: VectorRows {
                dimensions,
                codes: &self.vectors.codes[rows.start * words..rows.end * words],
                scales: &self.vectors.scales[rows.clone()],
                bytes: &self.vectors.bytes[rows.start * dimensions..rows.end * dimensions],
            },
        }
    }
}

fn rows_of(record: &DocumentRecord) -> Range<usize> {
    record[2] as usize..(record[2] + record[3]) as usize
}

fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the file lies in a directory that this process holds a lock on, and is never written again once it has
    // its name; removing it keeps the mapping alive.
    unsafe { Mmap::map(&file) }
}

fn column<'a, T>(map: &'a [u8], range: &Range<usize>) -> Option<&'a [T]>
where
    [T]: FromBytes + KnownLayout + Immutable,
{
    <[T]>::ref_from_bytes(map.get(range.clone())?).ok()
}

fn read_directory(map: &[u8], verify: bool) -> Result<Vec<BlockPlace>, &'static str> {
    let body = map.len().checked_sub(size_of::<Footer>()).ok_or("it is too short")?;
    let [footer] = column::<Footer>(map, &(body..map.len())).ok_or("its length is odd")? else {
        return Err("it has no footer");
    };
    let [magic, directory, blocks, _, hash @ ..] = footer;
    if *magic != MAGIC {
        return Err("it is of another format");
    }
    if verify && content_hash(&map[..body]) != *hash {
        return Err("its checksum is wrong");
    }
    let records = usize::try_from(*directory).ok().and_then(|start| {
        (start
            .checked_add(usize::try_from(*blocks).ok()?.checked_mul(size_of::<BlockRecord>())?)?
            == body)
            .then_some(start..body)
    });
    let records = records.and_then(|range| column::<BlockRecord>(map, &range));
    let places: Vec<_> = records
        .ok_or("its directory is broken")?
        .iter()
        .map(|record| block_place(map, record).ok_or("a block is broken"))
        .collect::<Result<_, _>>()?;
    let ascending = places.is_sorted_by(|left, right| left.dataset < right.dataset);
    ascending.then_some(places).ok_or("its directory is out of order")
}

/// Where the columns of a block are; `None` when they are not all inside of the file, or its documents not inside of
/// the block.
fn block_place(map: &[u8], record: &BlockRecord) -> Option<BlockPlace> {
    let [dataset, dimensions, rows, documents, offset, length, ..] =
        record.map(|number| usize::try_from(number).ok());
    let (dimensions, rows, offset) = (dimensions?, rows?, offset?);
    let mut end = offset;
    let mut next = |count: Option<usize>, size: usize| {
        let start = end.checked_next_multiple_of(COLUMN_ALIGNMENT)?;
        end = start.checked_add(count?.checked_mul(size)?)?;
        Some(start..end)
    };
    let documents = next(documents, size_of::<DocumentRecord>())?;
    let codes = next(rows.checked_mul(code_words(dimensions)), size_of::<u64>())?;
    let ends = next(Some(rows), size_of::<u32>())?;
    let scales = next(Some(rows), size_of::<f32>())?;
    let bytes = next(rows.checked_mul(dimensions), 1)?;
    let ids_length = column::<u32>(map, &ends)?.last().copied().unwrap_or(0);
    let ids = next(usize::try_from(ids_length).ok(), 1)?;
    let inside = end <= offset.checked_add(length?)? && end <= map.len();
    let mut next_row = 0;
    let documents_fit = column::<DocumentRecord>(map, &documents)?.iter().all(|document| {
        let fits = document[2] == next_row;
        next_row = next_row.saturating_add(document[3]);
        fits
    });
    let complete = inside && documents_fit && next_row == rows as u64;
    let dataset = u32::try_from(dataset?).ok()?;
    complete.then_some(BlockPlace {
        dataset,
        dimensions,
        tokens: [record[6], record[7]],
        documents,
        codes,
        ends,
        scales,
        bytes,
        ids,
    })
}

/// The hash that a footer holds of all that stands before it.
pub(crate) fn content_hash(content: &[u8]) -> [u64; 4] {
    hash_words(blake3::hash(content))
}

pub(crate) fn hash_words(hash: blake3::Hash) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}
