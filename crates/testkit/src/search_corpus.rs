//! [`SearchCorpus`]: chunks to measure searches over, as many as one likes.
//!
//! Texts are drawn from a vocabulary with the frequencies of natural language; vectors from clusters in which the first
//! dimensions vary most, as in real embeddings.

use rag_core::{Chunk, DatasetId, DocumentId, EmbeddedChunk};

use crate::spell;

/// Chunks of each document.
pub const CHUNKS_PER_DOCUMENT: usize = 10;
const WORDS_PER_CHUNK: usize = 90;
const VOCABULARY: usize = 60_000;
const CLUSTERS: usize = 500;

/// The id of a chunk by its number among all.
pub fn chunk_id(chunk: usize) -> String {
    format!("chunk-{chunk:09}")
}

/// Makes texts and vectors by number, the same each time.
#[derive(Debug)]
pub struct SearchCorpus {
    dimensions: usize,
    clusters: Vec<Vec<f32>>,
    /// Sums of the words' frequencies.
    frequencies: Vec<f64>,
}

impl SearchCorpus {
    /// With vectors of so many dimensions.
    pub fn new(dimensions: usize) -> Self {
        let clusters =
            (0..CLUSTERS).map(|cluster| Shares::new(cluster as u64).normals(dimensions)).collect();
        let mut sum = 0.0;
        let frequencies = (1..=VOCABULARY)
            .map(|rank| {
                sum += 1.0 / (rank as f64 + 2.7);
                sum
            })
            .collect();
        Self { dimensions, clusters, frequencies }
    }

    /// Length of the vectors.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The chunks of a document by its number.
    #[allow(clippy::expect_used)]
    pub fn document(
        &self,
        number: usize,
        dataset: &DatasetId,
        document: &DocumentId,
    ) -> Vec<EmbeddedChunk> {
        (0..CHUNKS_PER_DOCUMENT)
            .map(|ordinal| {
                let chunk = number * CHUNKS_PER_DOCUMENT + ordinal;
                let text = self.words(chunk).join(" ");
                EmbeddedChunk {
                    vector: self.vector(chunk),
                    chunk: Chunk {
                        ordinal: ordinal as u32,
                        headings: vec![format!("Chapter {ordinal}")],
                        tokens: WORDS_PER_CHUNK as u32,
                        ..Chunk::new(
                            chunk_id(chunk).parse().expect("an id"),
                            dataset.clone(),
                            document.clone(),
                            text,
                        )
                    },
                }
            })
            .collect()
    }

    /// The words of a chunk.
    pub fn words(&self, chunk: usize) -> Vec<String> {
        let mut numbers = Shares::new(chunk as u64 ^ 0xabcd_ef00);
        (0..WORDS_PER_CHUNK).map(|_| self.word(&mut numbers)).collect()
    }

    fn word(&self, numbers: &mut Shares) -> String {
        let total = self.frequencies.last().copied().unwrap_or(1.0);
        let point = numbers.next_share() * total;
        let rank = self.frequencies.partition_point(|sum| *sum < point);
        spell(rank)
    }

    /// The vector of a chunk, of length 1.
    pub fn vector(&self, chunk: usize) -> Vec<f32> {
        let mut numbers = Shares::new(chunk as u64 ^ 0x1234_5678);
        let cluster = &self.clusters[chunk % CLUSTERS];
        let own = numbers.normals(self.dimensions);
        normalised(cluster.iter().zip(own).map(|(cluster, own)| cluster + own).collect())
    }

    /// A question for one of so many chunks: a few of its words, two common ones, and its vector, disturbed.
    pub fn question(&self, number: usize, chunks: usize) -> (String, Vec<f32>) {
        let chunk = number * 7919 % chunks;
        let words = self.words(chunk);
        let mut asked: Vec<String> = words.iter().step_by(20).cloned().collect();
        asked.extend([spell(0), spell(3)]);
        let noise = Shares::new(number as u64 ^ 0x9999).normals(self.dimensions);
        let near = self.vector(chunk).iter().zip(noise).map(|(v, n)| v + 0.02 * n).collect();
        (asked.join(" "), normalised(near))
    }
}

fn normalised(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length).collect()
}

/// A small generator of shares, the same for the same seed.
struct Shares(u64);

impl Shares {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next_share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normally distributed; later dimensions vary less.
    fn normals(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions)
            .map(|dimension| {
                let sum: f64 = (0..4).map(|_| self.next_share()).sum();
                ((sum - 2.0) / (1.0 + dimension as f64 / 32.0).sqrt()) as f32
            })
            .collect()
    }
}
