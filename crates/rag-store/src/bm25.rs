//! BM25 as tantivy computes it, for chunks that are not in its index yet: the same constants, the same rounding of
//! lengths, so that a chunk's score does not change when it moves to the index.

use tantivy::fieldnorm::FieldNormReader;

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// What no score of a term reaches that occurs in `matching` of `chunks` chunks.
pub(crate) fn ceiling(matching: u64, chunks: u64) -> f32 {
    rarity(matching, chunks) * (1.0 + K1)
}

fn rarity(matching: u64, chunks: u64) -> f32 {
    let (matching, chunks) = (matching as f32, chunks as f32);
    (1.0 + (chunks - matching + 0.5) / (matching + 0.5)).ln()
}

/// Scores one term in one field.
pub(crate) struct Bm25 {
    weight: f32,
    average_length: f32,
}

impl Bm25 {
    /// For a term that occurs in `matching` of `chunks` chunks, whose field is `average_length` terms long.
    pub(crate) fn new(matching: u64, chunks: u64, average_length: f32, boost: f32) -> Self {
        Self { weight: boost * ceiling(matching, chunks), average_length }
    }

    /// The score of a chunk whose field has `length` terms, `count` of them this one.
    pub(crate) fn score(&self, count: u32, length: u32) -> f32 {
        let length = FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(length));
        let norm = K1 * (1.0 - B + B * length as f32 / self.average_length);
        let count = count as f32;
        self.weight * count / (count + norm)
    }
}
