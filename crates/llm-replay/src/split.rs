//! [`split`]: bytes cut as a network might cut them, repeatably.

/// Cuts bytes into chunks of 1 to `longest` bytes, at places that depend on `seed` alone.
///
/// ```
/// let chunks = llm_replay::split(b"hello world", 4, 7);
/// assert_eq!(chunks.concat(), b"hello world");
/// assert!(chunks.iter().all(|chunk| (1..=4).contains(&chunk.len())));
/// ```
pub fn split(mut bytes: &[u8], longest: usize, seed: u64) -> Vec<&[u8]> {
    let mut random = Random(seed);
    let mut chunks = Vec::new();
    while !bytes.is_empty() {
        let length = 1 + (random.next() % longest.max(1) as u64) as usize;
        let (chunk, rest) = bytes.split_at(length.min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
