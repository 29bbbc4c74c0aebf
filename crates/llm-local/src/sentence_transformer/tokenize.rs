//! From texts to the tokens that an encoder reads.

use std::path::Path;

use llm_core::Scripts;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{Model, Tokenizer, TruncationParams};

use super::LoadError;
use super::directory::{ModelDirectory, read};
use super::scripts::known_scripts;

/// Bytes of a text that are read for each token that may come of it: words have far fewer, and a text of megabytes is not
/// taken apart for the sake of its first page.
const BYTES_FOR_TOKEN: usize = 100;
/// What a tokenizer puts around a text, with room.
const FEWEST_TOKENS: usize = 8;

/// Splits texts into tokens, the special ones of the model included.
#[derive(Debug)]
pub(super) struct TextSplitter {
    tokenizer: Tokenizer,
    max_bytes: usize,
}

impl TextSplitter {
    /// Reads `tokenizer.json`, else `vocab.txt`.
    pub(super) fn read(directory: &ModelDirectory) -> Result<Self, LoadError> {
        let (whole, vocabulary) = (directory.file("tokenizer.json"), directory.file("vocab.txt"));
        let (path, tokenizer) = if whole.is_file() || !vocabulary.is_file() {
            (&whole, Tokenizer::from_bytes(read(&whole)?))
        } else {
            (&vocabulary, word_pieces(&vocabulary, directory.lower_case))
        };
        let failed = |source| LoadError::Tokenizer { path: path.clone(), source };
        let mut tokenizer = tokenizer.map_err(failed)?;
        if directory.max_tokens < FEWEST_TOKENS {
            let limit = format!("a model that reads {} tokens", directory.max_tokens);
            return Err(LoadError::Unsupported(limit));
        }
        let truncation =
            TruncationParams { max_length: directory.max_tokens, ..TruncationParams::default() };
        tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(failed)?;
        let max_bytes = directory.max_tokens.saturating_mul(BYTES_FOR_TOKEN);
        Ok(Self { tokenizer, max_bytes })
    }

    /// The scripts that it has many tokens of.
    pub(super) fn scripts(&self) -> Scripts {
        let vocabulary = self.tokenizer.get_vocab(false);
        known_scripts(vocabulary.keys().map(String::as_str))
    }

    /// The tokens of a text, at most as many as the model reads.
    pub(super) fn split(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        let end = text.floor_char_boundary(self.max_bytes);
        let read = text.get(..end).unwrap_or(text);
        Ok(self.tokenizer.encode_fast(read, true)?.get_ids().to_vec())
    }
}

/// The tokenizer of BERT over a vocabulary of one word piece a line.
fn word_pieces(path: &Path, lower_case: bool) -> Result<Tokenizer, tokenizers::Error> {
    let text = path.to_string_lossy();
    let model = WordPiece::from_file(&text).unk_token("[UNK]".into()).build()?;
    let special = |name: &str| {
        let id = model.token_to_id(name).ok_or_else(|| format!("the vocabulary has no {name}"))?;
        Ok::<_, tokenizers::Error>((name.to_owned(), id))
    };
    let around = BertProcessing::new(special("[SEP]")?, special("[CLS]")?);
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(Some(BertNormalizer::new(true, true, None, lower_case)))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(around));
    Ok(tokenizer)
}
