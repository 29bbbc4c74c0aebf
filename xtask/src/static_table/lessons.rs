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
    teacher::Teacher,
};

/// Texts whose embeddings are written to the cache at once.
const CACHED_TOGETHER: usize = 4096;

/// A text and the encoder's embedding of it.
pub struct Lesson {
    /// The text, as word pieces.
    pub text: Vec<u32>,
    /// The encoder's embedding.
    pub embedding: Vec<f32>,
}

/// Embeds paragraphs and sentences of the excerpts. With a cache file, embeddings in it are used as
/// far as it was made from the same excerpts, and new ones are added to it while the work goes on.
pub fn teach(model: &Teacher, excerpts: Vec<Excerpt>, cache: Option<&Path>) -> Result<Vec<Lesson>> {
    let mark = fingerprint(&excerpts).to_le_bytes();
    let texts: Vec<Vec<u32>> =
        excerpts.into_iter().flat_map(|excerpt| [excerpt.paragraph, excerpt.sentence]).collect();
    let (mut cache, mut embeddings) = match cache {
        Some(path) => {
            let (cache, known) = open_cache(path, &mark, model.dims())
                .with_context(|| format!("using the cache {}", path.display()))?;
            (Some(cache), known)
        }
        None => (None, Vec::new()),
    };
    let start = Instant::now();
    let known = embeddings.len();
    for part in texts.get(known..).unwrap_or_default().chunks(CACHED_TOGETHER) {
        let new = model.embed(part)?;
        if let Some(cache) = &mut cache {
            let bytes: Vec<u8> =
                new.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
            cache.write_all(&bytes).context("adding to the cache")?;
        }
        embeddings.extend(new);
        let (done, all) = (embeddings.len(), texts.len());
        eprintln!("{done} of {all} texts embedded, {:.0?}", start.elapsed());
    }
    let lessons = texts.into_iter().zip(embeddings);
    Ok(lessons.map(|(text, embedding)| Lesson { text, embedding }).collect())
}

/// Opens the file for adding, with the embeddings that are in it; empties a file of other excerpts.
fn open_cache(path: &Path, mark: &[u8], dims: usize) -> Result<(File, Vec<Vec<f32>>)> {
    let bytes = if path.exists() { fs::read(path)? } else { Vec::new() };
    let known: Vec<Vec<f32>> = match bytes.strip_prefix(mark) {
        Some(rest) => rest.chunks_exact(dims * size_of::<f32>()).map(floats).collect(),
        None => Vec::new(),
    };
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.set_len((mark.len() + known.len() * dims * size_of::<f32>()) as u64)?;
    file.write_all(mark)?;
    file.seek(SeekFrom::End(0))?;
    Ok((file, known))
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
