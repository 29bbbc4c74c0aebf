//! [`DocumentTerms`]: which chunks of a document hold a term, while the document is in memory.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use rag_terms::{ChunkWords, TextField};

/// Which chunks of a document hold a term.
///
/// A question looks for a few terms in each of a thousand documents, so it is the memory touched by one that counts: hashes
/// spread evenly, and their first bits tell where to look.
#[derive(Debug)]
pub(crate) struct DocumentTerms {
    /// Ascending.
    entries: Box<[TermEntry]>,
    /// Where in `entries` the hashes begin that have these first bits, and where the last ones end.
    buckets: Box<[u32]>,
    /// Bits of a hash behind those first ones.
    rest: u32,
}

/// A term in a field of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TermEntry {
    hash: u64,
    /// The chunk's place in the document.
    pub(crate) chunk: u32,
    pub(crate) field: TextField,
    /// How often it is there.
    pub(crate) count: u16,
}

impl DocumentTerms {
    /// Of a document with these chunks.
    pub(crate) fn of(chunks: &[ChunkWords]) -> Self {
        let entry = |chunk: u32, field: TextField, term: &str| TermEntry {
            hash: term_hash(term),
            chunk,
            field,
            count: 1,
        };
        let mut entries = Vec::new();
        for (chunk, words) in (0..).zip(chunks) {
            for field in TextField::ALL {
                let terms = words.of(field).places();
                entries.extend(terms.map(|(_, term)| entry(chunk, field, term)));
            }
        }
        entries.sort_unstable();
        entries.dedup_by(|next, first| {
            let same =
                next.hash == first.hash && next.chunk == first.chunk && next.field == first.field;
            if same {
                first.count = first.count.saturating_add(1);
            }
            same
        });
        Self::over(entries.into())
    }

    fn over(entries: Box<[TermEntry]>) -> Self {
        let bits = entries.len().max(2).ilog2();
        let rest = u64::BITS - bits;
        let mut buckets = vec![0_u32; (1 << bits) + 1];
        for entry in &entries {
            buckets[(entry.hash >> rest) as usize + 1] += 1;
        }
        let mut before = 0;
        for bucket in &mut buckets {
            before += *bucket;
            *bucket = before;
        }
        Self { entries, buckets: buckets.into(), rest }
    }

    /// Where the term of this hash is, chunk by chunk, field by field.
    pub(crate) fn entries(&self, hash: u64) -> impl Iterator<Item = &TermEntry> {
        let bucket = (hash >> self.rest) as usize;
        let (start, end) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        self.entries[start..end].iter().filter(move |entry| entry.hash == hash)
    }
}

/// Stands for a term in memory. 64 bits: among a billion terms two meet with a chance of a few per cent, and then one
/// passage scores a little wrong until it is written to the index.
pub(crate) fn term_hash(term: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(term)
}
