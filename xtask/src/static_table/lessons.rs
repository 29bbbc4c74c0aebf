//! What the table is taught: texts, and where the sentence encoder puts them.

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result};

use super::{
    corpus::{Excerpt, mixed},
    minilm::MiniLm,
};

/// Excerpts whose embeddings are written to the cache at once.
const CACHED_TOGETHER: usize = 2048;

/// An excerpt and the encoder's embeddings of its two texts.
pub struct Lesson {
    /// The texts.
    pub excerpt: Excerpt,
    /// The encoder's embedding of the paragraph.
    pub paragraph: Vec<f32>,
    /// The encoder's embedding of the sentence.
    pub sentence: Vec<f32>,
}

/// Embeds the excerpts. With a cache file, embeddings in it are used as far as it was made from the
/// same excerpts, and new ones are added to it while the work goes on, so that it can be stopped.
pub fn teach(
    model: &MiniLm,
    excerpts: Vec<Excerpt>,
    cache: Option<&Path>,
    cached_only: bool,
) -> Result<Vec<Lesson>> {
    if cached_only && let Some(path) = cache {
        let bytes = fs::read(path)?;
        let all: Vec<Vec<f32>> = bytes[8..].chunks_exact(model.dims() * 4).map(floats).collect();
        let mut embeddings = all.into_iter();
        return Ok(excerpts
            .into_iter()
            .map_while(|excerpt| {
                Some(Lesson {
                    excerpt,
                    paragraph: embeddings.next()?,
                    sentence: embeddings.next()?,
                })
            })
            .collect());
    }
    let mut cache = cache.map(|path| Cache::open(path, &excerpts, model.dims())).transpose()?;
    let mut embeddings = cache.as_mut().map(|cache| cache.take_known()).unwrap_or_default();
    let start = Instant::now();
    let known = embeddings.len() / 2;
    for part in excerpts.get(known..).unwrap_or_default().chunks(CACHED_TOGETHER) {
        let texts: Vec<Vec<u32>> = part
            .iter()
            .flat_map(|excerpt| [excerpt.paragraph.clone(), excerpt.sentence.clone()])
            .collect();
        let new = model.embed(&texts, |_| ());
        if let Some(cache) = &mut cache {
            cache.append(&new)?;
        }
        embeddings.extend(new);
        let done = embeddings.len() / 2;
        eprintln!("embedded {done} of {} excerpts, {:.0?}", excerpts.len(), start.elapsed());
    }
    let mut embeddings = embeddings.into_iter();
    let lesson = |excerpt| {
        Some(Lesson { excerpt, paragraph: embeddings.next()?, sentence: embeddings.next()? })
    };
    Ok(excerpts.into_iter().map_while(lesson).collect())
}

struct Cache {
    file: File,
    known: Vec<Vec<f32>>,
}

impl Cache {
    fn open(path: &Path, excerpts: &[Excerpt], dims: usize) -> Result<Self> {
        let naming = || format!("using the cache {}", path.display());
        let bytes = if path.exists() { fs::read(path).with_context(naming)? } else { Vec::new() };
        let mark = fingerprint(excerpts).to_le_bytes();
        let known: Vec<Vec<f32>> = match bytes.strip_prefix(&mark) {
            Some(rest) => rest.chunks_exact(dims * 4).map(floats).collect(),
            None => Vec::new(),
        };
        let known: Vec<Vec<f32>> = {
            let even = known.len() / 2 * 2;
            known.into_iter().take(even).collect()
        };
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .with_context(naming)?;
        file.set_len((mark.len() + known.len() * dims * 4) as u64).with_context(naming)?;
        file.write_all(&mark).with_context(naming)?;
        file.seek(SeekFrom::End(0)).with_context(naming)?;
        Ok(Self { file, known })
    }

    fn take_known(&mut self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.known)
    }

    fn append(&mut self, embeddings: &[Vec<f32>]) -> Result<()> {
        let bytes: Vec<u8> =
            embeddings.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all(&bytes).context("adding to the cache")
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

/// A number that changes when any excerpt does.
fn fingerprint(excerpts: &[Excerpt]) -> u64 {
    let pieces =
        excerpts.iter().flat_map(|excerpt| [&excerpt.paragraph, &excerpt.sentence]).flatten();
    pieces.fold(excerpts.len() as u64, |hash, &piece| mixed(hash, u64::from(piece)))
}
