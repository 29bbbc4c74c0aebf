//! Writes [`ChunkFile`]s.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use zerocopy::{Immutable, IntoBytes};

use crate::chunk_file::{
    BLOCK_ALIGNMENT, BlockRecord, COLUMN_ALIGNMENT, DocumentRecord, Footer, MAGIC, hash_words,
};
use crate::chunk_rows::DocumentRows;

/// Writes a file block by block. Without [`finish`](Self::finish) it is no valid file.
pub(crate) struct ChunkFileWriter {
    output: BufWriter<File>,
    hasher: blake3::Hasher,
    position: u64,
    directory: Vec<BlockRecord>,
    rows: u64,
}

impl ChunkFileWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            output: BufWriter::with_capacity(1 << 18, File::create(path)?),
            hasher: blake3::Hasher::new(),
            position: 0,
            directory: Vec::new(),
            rows: 0,
        })
    }

    /// Writes the chunks of a dataset. Datasets come in ascending order, documents in ascending order of version, and
    /// all have vectors of `dimensions` numbers.
    pub(crate) fn block(
        &mut self,
        dataset: u32,
        dimensions: u32,
        documents: &[DocumentRows<'_>],
    ) -> io::Result<()> {
        self.pad(BLOCK_ALIGNMENT)?;
        let offset = self.position;
        self.document_records(documents)?;
        self.columns(documents.iter().map(|document| document.vectors.codes))?;
        self.ends(documents)?;
        self.columns(documents.iter().map(|document| document.vectors.scales))?;
        self.columns(documents.iter().map(|document| document.vectors.bytes))?;
        self.ids(documents)?;
        let sum = |of: fn(&DocumentRows<'_>) -> u64| documents.iter().map(of).sum();
        let rows = sum(|document| document.len() as u64);
        self.rows += rows;
        self.directory.push([
            u64::from(dataset),
            u64::from(dimensions),
            rows,
            documents.len() as u64,
            offset,
            self.position - offset,
            sum(|document| document.tokens[0]),
            sum(|document| document.tokens[1]),
        ]);
        Ok(())
    }

    /// Writes directory and footer, and brings the file to the disk.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.pad(BLOCK_ALIGNMENT)?;
        let directory = std::mem::take(&mut self.directory);
        let start = self.position;
        self.write(directory.as_bytes())?;
        let hash = hash_words(self.hasher.finalize());
        let footer: Footer =
            [MAGIC, start, directory.len() as u64, self.rows, hash[0], hash[1], hash[2], hash[3]];
        self.output.write_all(footer.as_bytes())?;
        self.output.into_inner()?.sync_data()
    }

    fn document_records(&mut self, documents: &[DocumentRows<'_>]) -> io::Result<()> {
        let mut first = 0;
        for document in documents {
            let rows = document.len() as u64;
            let [body, title] = document.tokens;
            let record: DocumentRecord = [document.version, document.no, first, rows, body, title];
            self.write(record.as_bytes())?;
            first += rows;
        }
        Ok(())
    }

    fn columns<'a, T: IntoBytes + Immutable + 'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [T]>,
    ) -> io::Result<()> {
        self.pad(COLUMN_ALIGNMENT as u64)?;
        for piece in pieces {
            self.write(piece.as_bytes())?;
        }
        Ok(())
    }

    fn ends(&mut self, documents: &[DocumentRows<'_>]) -> io::Result<()> {
        self.pad(COLUMN_ALIGNMENT as u64)?;
        let mut end = 0_u32;
        for document in documents {
            for row in 0..document.len() {
                let length = document.ids.get(row).unwrap_or_default().len() as u32;
                end = end.checked_add(length).ok_or(io::ErrorKind::FileTooLarge)?;
                self.write(end.as_bytes())?;
            }
        }
        Ok(())
    }

    fn ids(&mut self, documents: &[DocumentRows<'_>]) -> io::Result<()> {
        self.pad(COLUMN_ALIGNMENT as u64)?;
        for document in documents {
            for row in 0..document.len() {
                self.write(document.ids.get(row).unwrap_or_default().as_bytes())?;
            }
        }
        Ok(())
    }

    fn pad(&mut self, alignment: u64) -> io::Result<()> {
        let missing = self.position.next_multiple_of(alignment) - self.position;
        self.write(&[0; BLOCK_ALIGNMENT as usize][..missing as usize])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        self.output.write_all(bytes)
    }
}
