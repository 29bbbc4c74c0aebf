//! What the files of a sentence-transformers directory say, apart from weights and vocabulary.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::LoadError;
use super::encoder::EncoderConfig;
use super::pooling::Pooling;

/// A model directory, read as far as it is configuration.
#[derive(Debug)]
pub(super) struct ModelDirectory {
    path: PathBuf,
    pub(super) encoder: EncoderConfig,
    pub(super) pooling: Pooling,
    /// Whether vectors are brought to length 1.
    pub(super) normalise: bool,
    /// Tokens that are read of a text, the special ones included.
    pub(super) max_tokens: usize,
    pub(super) lower_case: bool,
    pub(super) prompts: Prompts,
}

/// What is put before texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompts {
    pub(super) query: String,
    pub(super) document: String,
}

/// One of `modules.json`.
#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    do_lower_case: Option<bool>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    /// Some files hold a number beyond any integer, for "no limit".
    model_max_length: Option<f64>,
    do_lower_case: Option<bool>,
}

#[derive(Default, Deserialize)]
struct PromptConfig {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl ModelDirectory {
    /// Reads the configuration of the model in `path`. What is left out is as sentence-transformers has it: the mean of
    /// all tokens, at whatever length.
    pub(super) fn read(path: &Path) -> Result<Self, LoadError> {
        let modules: Vec<Module> = optional(&path.join("modules.json"))?.unwrap_or_default();
        let inner = folder(path, &modules, "Transformer");
        let encoder: EncoderConfig = required(&inner.join("config.json"))?;
        encoder.check()?;
        let sentences: SentenceConfig =
            optional(&inner.join("sentence_bert_config.json"))?.unwrap_or_default();
        let tokenizer: TokenizerConfig =
            optional(&inner.join("tokenizer_config.json"))?.unwrap_or_default();
        let prompts: PromptConfig =
            optional(&path.join("config_sentence_transformers.json"))?.unwrap_or_default();
        for module in &modules {
            check_kind(&module.kind)?;
        }
        let pooling = match modules.iter().find(|module| is_kind(module, "Pooling")) {
            Some(module) => Pooling::read(&path.join(&module.path).join("config.json"))?,
            None => Pooling::Mean,
        };
        let limits = [
            sentences.max_seq_length,
            tokenizer.model_max_length.map(|most| most as usize),
            Some(encoder.longest_text()),
        ];
        Ok(Self {
            max_tokens: limits.into_iter().flatten().min().unwrap_or(0),
            pooling,
            normalise: modules.iter().any(|module| is_kind(module, "Normalize")),
            lower_case: sentences.do_lower_case.unwrap_or(false)
                || tokenizer.do_lower_case.unwrap_or(false),
            prompts: prompts.chosen(),
            encoder,
            path: inner,
        })
    }

    /// A file beside the encoder's configuration.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl PromptConfig {
    fn chosen(self) -> Prompts {
        let named = |names: &[&str]| {
            let default = self.default_prompt_name.as_deref();
            let mut names = names.iter().copied().chain(default);
            names.find_map(|name| self.prompts.get(name).cloned()).unwrap_or_default()
        };
        Prompts { query: named(&["query"]), document: named(&["document", "passage"]) }
    }
}

/// The folder of the first module of a kind; the directory itself where no module is told.
fn folder(path: &Path, modules: &[Module], kind: &str) -> PathBuf {
    let module = modules.iter().find(|module| is_kind(module, kind));
    module.map_or_else(|| path.to_owned(), |module| path.join(&module.path))
}

/// Types are written with their Python path, which changed over the years.
fn is_kind(module: &Module, kind: &str) -> bool {
    module.kind.rsplit('.').next() == Some(kind)
}

fn check_kind(kind: &str) -> Result<(), LoadError> {
    let name = kind.rsplit('.').next().unwrap_or_default();
    match name {
        "Transformer" | "Pooling" | "Normalize" => Ok(()),
        _ => Err(LoadError::Unsupported(format!("the module `{kind}`"))),
    }
}

pub(super) fn required<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|source| LoadError::Configuration { path: path.to_owned(), source })
}

fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LoadError> {
    if path.is_file() { required(path).map(Some) } else { Ok(None) }
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}
