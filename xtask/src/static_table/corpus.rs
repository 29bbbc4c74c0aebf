//! Plain text to learn from, as word pieces.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use llm_local::word_piece::WordPiece;

/// The most pieces of a paragraph that are learned from.
const PARAGRAPH_PIECES: usize = 128;
/// The most and the fewest pieces of a sentence that stands for a question.
const SENTENCE_PIECES: std::ops::RangeInclusive<usize> = 5..=24;

/// Paragraphs of real text: the material for frequencies and for lessons.
pub struct Corpus {
    /// For each file the word pieces of its paragraphs.
    files: Vec<Vec<Vec<u32>>>,
    full_stops: HashSet<u32>,
}

/// A paragraph and one of its sentences, as word pieces.
pub struct Excerpt {
    /// The beginning of a paragraph.
    pub paragraph: Vec<u32>,
    /// A sentence of the paragraph, or its beginning where it has no shorter sentence.
    pub sentence: Vec<u32>,
}

impl Corpus {
    /// Reads the `.txt` files of the directories and splits them at blank lines.
    pub fn load(directories: &[PathBuf], words: &WordPiece<'_>) -> Result<Self> {
        let mut files = Vec::new();
        for path in text_files(directories)? {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let mut paragraphs: Vec<Vec<u32>> =
                text.split("\n\n").map(|paragraph| words.split(paragraph)).collect();
            paragraphs.retain(|pieces| !pieces.is_empty());
            files.push(paragraphs);
        }
        ensure!(files.iter().any(|file| !file.is_empty()), "no text in {directories:?}");
        let full_stops = [".", "?", "!", ";"].iter().flat_map(|stop| words.split(stop)).collect();
        Ok(Self { files, full_stops })
    }

    /// How many paragraphs there are.
    pub fn paragraphs(&self) -> usize {
        self.files.iter().map(Vec::len).sum()
    }

    /// In how many paragraphs each piece of a vocabulary of this size occurs.
    pub fn document_frequencies(&self, vocabulary: usize) -> Vec<u32> {
        let mut frequencies = vec![0; vocabulary];
        for paragraph in self.files.iter().flatten() {
            for &piece in paragraph.iter().collect::<HashSet<_>>() {
                frequencies[piece as usize] += 1;
            }
        }
        frequencies
    }

    /// About `count` paragraphs in a fixed random order. A file's share grows with the root of its
    /// size, so that no single source sets the tone.
    pub fn excerpts(&self, count: usize) -> Vec<Excerpt> {
        let weight = |file: &Vec<Vec<u32>>| (file.len() as f64).sqrt();
        let total: f64 = self.files.iter().map(weight).sum();
        let mut chosen: Vec<(u64, &Vec<u32>)> = Vec::with_capacity(count);
        for (index, file) in self.files.iter().enumerate() {
            let mut ordered: Vec<(u64, &Vec<u32>)> =
                (0u64..).map(|place| mixed(place, index as u64)).zip(file).collect();
            ordered.sort_unstable_by_key(|(order, _)| *order);
            ordered.truncate((count as f64 * weight(file) / total) as usize);
            chosen.extend(ordered);
        }
        // The keys of a file's part are its smallest ones: mix again, or small files come last.
        chosen.iter_mut().for_each(|(order, _)| *order = mixed(*order, 1));
        chosen.sort_unstable_by_key(|(order, _)| *order);
        chosen.into_iter().map(|(order, paragraph)| self.excerpt(paragraph, order)).collect()
    }

    fn excerpt(&self, paragraph: &[u32], random: u64) -> Excerpt {
        let paragraph = &paragraph[..paragraph.len().min(PARAGRAPH_PIECES)];
        let sentences: Vec<&[u32]> = paragraph
            .split(|piece| self.full_stops.contains(piece))
            .filter(|sentence| sentence.len() >= *SENTENCE_PIECES.start())
            .collect();
        let sentence = match sentences.len() {
            0 => paragraph,
            count => sentences[(random >> 16) as usize % count],
        };
        Excerpt {
            paragraph: paragraph.to_vec(),
            sentence: sentence[..sentence.len().min(*SENTENCE_PIECES.end())].to_vec(),
        }
    }
}

fn text_files(directories: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for directory in directories {
        let entries =
            fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
        for entry in entries {
            paths.push(entry?.path());
        }
    }
    let is_text = |path: &Path| path.extension().is_some_and(|extension| extension == "txt");
    paths.retain(|path| is_text(path));
    paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    Ok(paths)
}

/// A fixed random number for a place in a sequence (SplitMix64).
pub fn mixed(place: u64, seed: u64) -> u64 {
    let mut state = place
        .wrapping_add(seed.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}
