//! The sentence encoder that the table learns from: word pieces in, sentence embeddings out.

use std::{fs, num::NonZeroUsize, path::Path, thread};

use anyhow::{Context, Result};
use llm_core::SyncEmbeddingModel;
use llm_local::{SentenceTransformer, SentenceTransformerOptions};

/// A BERT sentence encoder, read from a sentence-transformers directory.
pub struct Teacher {
    model: SentenceTransformer,
    vocabulary: Vec<String>,
    dims: usize,
    /// The most pieces that it reads of a text, the two special ones included.
    max_pieces: usize,
    begin: u32,
    end: u32,
}

impl Teacher {
    /// Reads a model directory and its `vocab.txt`.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("vocab.txt");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let vocabulary: Vec<String> = text.lines().map(String::from).collect();
        let index_of = |piece: &str| {
            let index = vocabulary.iter().position(|other| other == piece);
            Ok::<_, anyhow::Error>(index.with_context(|| format!("no piece {piece}"))? as u32)
        };
        let (begin, end) = (index_of("[CLS]")?, index_of("[SEP]")?);
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let options =
            SentenceTransformerOptions { threads, ..SentenceTransformerOptions::default() };
        let model = SentenceTransformer::load("teacher", directory, options)?;
        let limits = &model.info().limits;
        let dims = limits.dimensions.context("the length of an embedding")? as usize;
        let max_pieces = limits.context_tokens.context("the length of a text")? as usize;
        Ok(Self { dims, max_pieces, begin, end, vocabulary, model })
    }

    /// The word pieces, in the order of their indexes.
    pub fn vocabulary(&self) -> Vec<&str> {
        self.vocabulary.iter().map(String::as_str).collect()
    }

    /// The length of an embedding.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The embeddings of texts given as word pieces, in order, on every core. Of a long text only the beginning is read.
    pub fn embed(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let whole = |text: &Vec<u32>| -> Vec<u32> {
            let inner = text.iter().copied().take(self.max_pieces - 2);
            std::iter::once(self.begin).chain(inner).chain([self.end]).collect()
        };
        Ok(self.model.embed_tokens(&texts.iter().map(whole).collect::<Vec<_>>())?)
    }
}
