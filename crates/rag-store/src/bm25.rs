//! BM25 as tantivy computes it, for what is scored without its queries: the same constants and the same rounding of
//! lengths, so that a chunk scores the same however it was found.

use tantivy::fieldnorm::FieldNormReader;

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// What no score of a term reaches that occurs in `matching` of `chunks` chunks.
pub(crate) fn ceiling(matching: u64, chunks: u64) -> f32 {
    let (matching, chunks) = (matching as f32, chunks as f32);
    let rarity = (1.0 + (chunks - matching + 0.5) / (matching + 0.5)).ln();
    rarity * (1.0 + K1)
}

/// How the length of a field dampens its scores.
pub(crate) struct Lengths {
    /// By the rounded length's id.
    norms: [f32; 256],
}

impl Lengths {
    /// For fields of so many terms on average.
    pub(crate) fn around(average: f32) -> Self {
        let norm = |id: usize| {
            let length = FieldNormReader::id_to_fieldnorm(id as u8);
            K1 * (1.0 - B + B * length as f32 / average)
        };
        Self { norms: std::array::from_fn(norm) }
    }

    /// The score of a field that holds a term `count` times, given its length's id and the term's [`ceiling`].
    pub(crate) fn score(&self, ceiling: f32, count: u32, length: u8) -> f32 {
        let count = count as f32;
        ceiling * count / (count + self.norms[usize::from(length)])
    }
}
