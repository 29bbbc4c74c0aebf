//! Vectors in the two forms in which they are searched: one bit a dimension to find candidates, one byte a dimension
//! to score them.

use crate::kernel;

/// 64-bit words of the code of a vector.
pub(crate) fn code_words(dimensions: usize) -> usize {
    dimensions.div_ceil(64)
}

/// Rows of vectors of one length, as columns. Borrowed from memory or from a mapped file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VectorRows<'a> {
    pub(crate) dimensions: usize,
    /// Signs, [`code_words`] a row.
    pub(crate) codes: &'a [u64],
    /// What the bytes of a row are to be multiplied with.
    pub(crate) scales: &'a [f32],
    /// The numbers, `dimensions` a row.
    pub(crate) bytes: &'a [i8],
}

impl VectorRows<'_> {
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    /// How many signs differ from the query's, for rows from `first` on: one for each element of `distances`.
    pub(crate) fn distances(&self, query: &QueryVector, first: usize, distances: &mut [u32]) {
        let words = code_words(self.dimensions);
        let codes = &self.codes[first * words..(first + distances.len()) * words];
        kernel::distances(&query.code, codes, distances);
    }

    /// The cosine of a row and the query.
    pub(crate) fn cosine(&self, query: &QueryVector, row: usize) -> f32 {
        let bytes = &self.bytes[row * self.dimensions..(row + 1) * self.dimensions];
        kernel::dot(&query.numbers, bytes) * self.scales[row]
    }
}

/// Rows that own their memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedVectors {
    dimensions: usize,
    codes: Vec<u64>,
    scales: Vec<f32>,
    bytes: Vec<i8>,
}

impl OwnedVectors {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    /// Adds a vector, normalised to length 1. It has the right length.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        let vector = normalised(vector);
        let largest = vector.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        self.codes.extend(code(&vector));
        self.scales.push(scale);
        self.bytes.extend(vector.iter().map(|number| (number / scale).round() as i8));
    }

    pub(crate) fn rows(&self) -> VectorRows<'_> {
        VectorRows {
            dimensions: self.dimensions,
            codes: &self.codes,
            scales: &self.scales,
            bytes: &self.bytes,
        }
    }
}

/// A query in both forms.
#[derive(Clone, Debug)]
pub(crate) struct QueryVector {
    code: Vec<u64>,
    numbers: Vec<f32>,
}

impl QueryVector {
    pub(crate) fn new(vector: &[f32]) -> Self {
        let numbers = normalised(vector);
        Self { code: code(&numbers).collect(), numbers }
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.numbers.len()
    }
}

/// The vector at length 1; the zero vector, and what holds infinities, as zeros.
fn normalised(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    let factor = if length.is_normal() { 1.0 / length } else { 0.0 };
    vector.iter().map(|number| if factor > 0.0 { number * factor } else { 0.0 }).collect()
}

fn code(vector: &[f32]) -> impl Iterator<Item = u64> {
    vector.chunks(64).map(|numbers| {
        numbers.iter().enumerate().fold(0, |code, (at, n)| code | u64::from(*n > 0.0) << at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_cosines() {
        let vectors = [[0.6_f32, -0.8, 0.0], [1.0, 2.0, -2.0], [0.0; 3], [f32::INFINITY, 0.0, 1.0]];
        let mut rows = OwnedVectors::new(3);
        vectors.iter().for_each(|vector| rows.push(vector));
        let query = QueryVector::new(&[3.0, -4.0, 0.0]);
        let cosines: Vec<f32> = (0..4).map(|row| rows.rows().cosine(&query, row)).collect();
        for (found, exact) in cosines.iter().zip([1.0, -1.0 / 3.0, 0.0, 0.0]) {
            assert!((found - exact).abs() < 0.01, "{cosines:?}");
        }
    }
}
