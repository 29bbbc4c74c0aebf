//! A table with one vector for each word piece, and the mean of a text's vectors.

use crate::word_piece::WordPiece;

const MAGIC: &[u8; 8] = b"CLQYSTAT";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
const MAX_DIMS: usize = 4096;

/// Why the bytes of a table were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The bytes do not begin with the mark of a static table.
    #[error("not a static embedding table")]
    NotATable,
    /// The table was written in a newer or older format.
    #[error("static embedding table has format {found}, this program reads format {VERSION}")]
    Version {
        /// The format that the bytes declare.
        found: u32,
    },
    /// The bytes end early, or go on after the last row.
    #[error("static embedding table has {found} bytes where its header implies {expected}")]
    Length {
        /// What the header implies.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A field of the table holds what no writer would put there.
    #[error("static embedding table has a bad {field}")]
    Field {
        /// The field's name.
        field: &'static str,
    },
}

/// A static embedding: a vocabulary of word pieces and a quantised vector for each of them.
///
/// The embedding of a text is the L2-normalised sum of its pieces' vectors, repeated pieces damped
/// ([`weighted_pieces`]); how much a piece counts otherwise is the length of its vector. A table is a value without interior state: it can be shared
/// between threads and its embeddings depend on the text alone.
///
/// ```
/// use llm_local::static_table::StaticTable;
///
/// let pieces = ["[UNK]", "tea", "coffee", "the"];
/// let rows = [vec![0.0, 0.0], vec![1.0, 0.1], vec![0.9, 0.4], vec![0.0, 0.01]];
/// let bytes = StaticTable::encode(&pieces, &rows)?;
/// let table = StaticTable::parse(&bytes)?;
/// let [tea, coffee] = table.embed(&["The tea", "coffee!"]).try_into().unwrap();
/// let cosine: f32 = tea.iter().zip(&coffee).map(|(a, b)| a * b).sum();
/// assert!(cosine > 0.9);
/// # Ok::<(), llm_local::static_table::TableError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StaticTable<'a> {
    vocabulary: WordPiece<'a>,
    dims: usize,
    scales: Vec<f32>,
    /// `scales.len()` rows of `dims` signed bytes.
    rows: &'a [u8],
}

impl<'a> StaticTable<'a> {
    /// Reads a table, borrowing vocabulary and rows from `bytes`; costs a pass over the vocabulary.
    ///
    /// # Errors
    /// [`TableError`] when the bytes are not exactly one table of this format.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TableError> {
        let header = Header::read(bytes)?;
        let (pieces, rest) = bytes[HEADER_BYTES..].split_at(header.pieces_bytes);
        let (scales, rows) = rest.split_at(header.rows * size_of::<f32>());
        Ok(Self {
            vocabulary: WordPiece::new(read_pieces(pieces, header.rows)?),
            dims: header.dims,
            scales: read_scales(scales)?,
            rows,
        })
    }

    /// Writes a table that [`parse`](Self::parse) reads: one row for each piece, each of the same
    /// length, rounded to 8 bits relative to its largest component.
    ///
    /// # Errors
    /// [`TableError::Field`] when there is not one row for each piece, rows differ in length or
    /// are not finite, or a piece is empty or holds a line break.
    pub fn encode(pieces: &[&str], rows: &[Vec<f32>]) -> Result<Vec<u8>, TableError> {
        let dims = rows.first().map_or(0, Vec::len);
        let writable = |piece: &&str| !piece.is_empty() && !piece.contains('\n');
        ensure(!pieces.is_empty() && pieces.iter().all(writable), "pieces")?;
        ensure(rows.len() == pieces.len(), "rows")?;
        ensure(dims > 0 && dims <= MAX_DIMS, "dims")?;
        ensure(rows.iter().all(|row| row.len() == dims), "row")?;
        ensure(rows.iter().flatten().all(|value| value.is_finite()), "row")?;

        let vocabulary = pieces.join("\n");
        let mut bytes = MAGIC.to_vec();
        for number in [VERSION as usize, rows.len(), dims, vocabulary.len()] {
            let number = u32::try_from(number).map_err(|_| TableError::Field { field: "size" })?;
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(vocabulary.as_bytes());
        for row in rows {
            bytes.extend(scale_of(row).to_le_bytes());
        }
        for row in rows {
            bytes.extend(quantised(row));
        }
        Ok(bytes)
    }

    /// The length of every embedding.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The vocabulary that texts are split with.
    pub fn vocabulary(&self) -> &WordPiece<'a> {
        &self.vocabulary
    }

    /// The embeddings of `texts`, in order: each has [`dims`](Self::dims) finite components and
    /// length 1.
    ///
    /// A text without any known piece (blank, or in a script that the vocabulary lacks) gets the
    /// unit vector along the last axis: a fixed direction that says nothing, so that callers
    /// never meet a zero vector or a NaN.
    pub fn embed(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        texts.iter().map(|text| self.embed_one(text)).collect()
    }

    /// The embedding of one text; see [`embed`](Self::embed).
    pub fn embed_one(&self, text: &str) -> Vec<f32> {
        self.embed_shortened(text, self.dims).0
    }

    /// The first `dims` components of a text's embedding (all of them when there are fewer) at
    /// length 1, and how many word pieces the text has.
    pub fn embed_shortened(&self, text: &str, dims: usize) -> (Vec<f32>, usize) {
        let (mut sum, pieces) = self.sum(text);
        sum.truncate(dims);
        (normalised(sum), pieces)
    }

    /// How much a text says, whatever it says: the length of the sum of its vectors. About 0 for
    /// words that stand in every text, and the larger the rarer its words are.
    pub fn salience(&self, text: &str) -> f32 {
        let (sum, _) = self.sum(text);
        sum.iter().map(|value| value * value).sum::<f32>().sqrt()
    }

    /// The weighted sum of a text's vectors, and how many pieces the text has.
    fn sum(&self, text: &str) -> (Vec<f32>, usize) {
        let mut pieces = self.vocabulary.split(text);
        let count = pieces.len();
        pieces.retain(|piece| Some(*piece) != self.vocabulary.unknown());
        let mut sum = vec![0.0; self.dims];
        for (piece, weight) in weighted_pieces(pieces) {
            self.add_row(piece, weight, &mut sum);
        }
        (sum, count)
    }

    fn add_row(&self, piece: u32, weight: f32, sum: &mut [f32]) {
        let index = piece as usize;
        let (Some(scale), Some(row)) =
            (self.scales.get(index), self.rows.get(index * self.dims..(index + 1) * self.dims))
        else {
            return;
        };
        for (total, &byte) in sum.iter_mut().zip(row) {
            *total += scale * weight * f32::from(byte.cast_signed());
        }
    }
}

/// Each piece of a text once, in the order of their indexes, with its weight: 1 + ln of how often
/// it occurs. So a long text is not ruled by the words that it repeats.
pub fn weighted_pieces(mut pieces: Vec<u32>) -> Vec<(u32, f32)> {
    pieces.sort_unstable();
    let runs = pieces.chunk_by(|left, right| left == right);
    runs.filter_map(|run| Some((*run.first()?, 1.0 + (run.len() as f32).ln()))).collect()
}

struct Header {
    rows: usize,
    dims: usize,
    pieces_bytes: usize,
}

impl Header {
    /// Reads the header and checks that the sizes in it add up to the bytes that are there.
    fn read(bytes: &[u8]) -> Result<Self, TableError> {
        let (magic, rest) = bytes.split_first_chunk().ok_or(TableError::NotATable)?;
        if magic != MAGIC {
            return Err(TableError::NotATable);
        }
        let (numbers, _) = rest
            .split_first_chunk::<{ HEADER_BYTES - 8 }>()
            .ok_or(TableError::Length { expected: HEADER_BYTES, found: bytes.len() })?;
        let number = |at: usize| {
            u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]])
        };
        let (found, header) = (
            number(0),
            Self {
                rows: number(4) as usize,
                dims: number(8) as usize,
                pieces_bytes: number(12) as usize,
            },
        );
        if found != VERSION {
            return Err(TableError::Version { found });
        }
        ensure(header.dims > 0 && header.dims <= MAX_DIMS, "dims")?;
        let expected = header.total_bytes().ok_or(TableError::Field { field: "size" })?;
        if expected != bytes.len() {
            return Err(TableError::Length { expected, found: bytes.len() });
        }
        Ok(header)
    }

    fn total_bytes(&self) -> Option<usize> {
        let row_bytes = self.dims.checked_add(size_of::<f32>())?;
        let rows_bytes = self.rows.checked_mul(row_bytes)?;
        rows_bytes.checked_add(self.pieces_bytes)?.checked_add(HEADER_BYTES)
    }
}

fn ensure(holds: bool, field: &'static str) -> Result<(), TableError> {
    if holds { Ok(()) } else { Err(TableError::Field { field }) }
}

fn read_pieces(bytes: &[u8], rows: usize) -> Result<impl Iterator<Item = &str>, TableError> {
    let text = str::from_utf8(bytes).map_err(|_| TableError::Field { field: "pieces" })?;
    ensure(text.split('\n').count() == rows, "pieces")?;
    Ok(text.split('\n'))
}

fn read_scales(bytes: &[u8]) -> Result<Vec<f32>, TableError> {
    let (scales, _) = bytes.as_chunks::<4>();
    let scales: Vec<f32> = scales.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    ensure(scales.iter().all(|scale| scale.is_finite()), "scale")?;
    Ok(scales)
}

/// What the largest component of a row, 127 when quantised, is multiplied with.
fn scale_of(row: &[f32]) -> f32 {
    row.iter().fold(0.0, |largest: f32, value| largest.max(value.abs())) / 127.0
}

fn quantised(row: &[f32]) -> impl Iterator<Item = u8> {
    let scale = scale_of(row);
    let factor = if scale > 0.0 { scale.recip() } else { 0.0 };
    row.iter()
        .map(move |value| ((value * factor).round().clamp(-127.0, 127.0) as i8).cast_unsigned())
}

/// The vector at length 1; the last axis for a vector that has no direction.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length.is_normal() {
        vector.iter_mut().for_each(|value| *value /= length);
    } else {
        vector.fill(0.0);
        if let Some(last) = vector.last_mut() {
            *last = 1.0;
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: [&str; 5] = ["[UNK]", "tea", "##pot", "the", "車"];

    fn table_bytes() -> Vec<u8> {
        let rows = [
            vec![9.0, 9.0, 9.0],
            vec![1.0, 0.5, 0.0],
            vec![0.0, 1.0, 0.0],
            vec![0.0, 0.0, 0.0],
            vec![-2.0, 0.0, 0.0],
        ];
        StaticTable::encode(&PIECES, &rows).unwrap()
    }

    fn check(text: &str, expected: [f32; 3]) {
        let bytes = table_bytes();
        let embedding = StaticTable::parse(&bytes).unwrap().embed_one(text);
        let close =
            embedding.iter().zip(expected).all(|(found, value)| (found - value).abs() < 0.01);
        assert!(close, "{text:?} gave {embedding:?}");
    }

    #[test]
    fn a_text_is_the_direction_of_the_sum_of_its_pieces() {
        check("tea", [0.894, 0.447, 0.0]);
        check("the TEA the", [0.894, 0.447, 0.0]);
        check("teapot", [0.555, 0.832, 0.0]);
        check("車", [-1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_text_without_known_pieces_has_a_fixed_direction() {
        for text in ["", " \n", "zebra", "the", "!?"] {
            check(text, [0.0, 0.0, 1.0]);
        }
        check("zebra tea", [0.894, 0.447, 0.0]);
    }

    #[test]
    fn refuses_bytes_that_are_no_table() {
        let bytes = table_bytes();
        let refused = |bytes: &[u8]| StaticTable::parse(bytes).unwrap_err();
        assert_eq!(refused(b""), TableError::NotATable);
        assert_eq!(refused(&bytes[1..]), TableError::NotATable);
        let (expected, found) = (bytes.len(), bytes.len() - 1);
        assert_eq!(refused(&bytes[..found]), TableError::Length { expected, found });
        let mut newer = bytes.clone();
        newer[8] = 2;
        assert_eq!(refused(&newer), TableError::Version { found: 2 });
    }

    #[test]
    fn refuses_to_write_rows_that_do_not_fit() {
        let field = |rows: &[Vec<f32>]| StaticTable::encode(&["a", "b"], rows).unwrap_err();
        assert_eq!(field(&[vec![1.0]]), TableError::Field { field: "rows" });
        assert_eq!(field(&[vec![1.0], vec![]]), TableError::Field { field: "row" });
        assert_eq!(field(&[vec![1.0], vec![f32::NAN]]), TableError::Field { field: "row" });
        assert_eq!(field(&[vec![], vec![]]), TableError::Field { field: "dims" });
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in 0usize..80, byte: u8, keep in 0usize..120) {
            let mut bytes = table_bytes();
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            bytes.truncate(keep);
            if let Ok(table) = StaticTable::parse(&bytes) {
                prop_assert_eq!(table.embed_one("tea pot 車").len(), table.dims());
            }
        }

        #[test]
        fn every_embedding_is_finite_and_of_length_one(text in ".{0,100}") {
            let bytes = table_bytes();
            let embedding = StaticTable::parse(&bytes).unwrap().embed_one(&text);
            let length: f32 = embedding.iter().map(|value| value * value).sum();
            prop_assert!((length - 1.0).abs() < 1e-4);
        }
    }
}
