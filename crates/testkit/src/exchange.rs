//! [`Exchange`]: one recorded request to a provider, its response, and what an independent reader made of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// A recorded exchange. One JSON file each, `<folder>/<id>.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Exchange {
    /// Unique and stable.
    pub id: String,
    /// Who answered.
    pub provider: String,
    /// The folder.
    pub dialect: String,
    /// The wire format (`openai-chat`, `anthropic-messages` …). A folder may hold several.
    pub wire: String,
    /// What was called.
    #[serde(default)]
    pub op: String,
    /// What came back: `chat`, `chat-stream`, `embedding`, `error` …
    pub kind: String,
    /// The model, where the recording tells.
    #[serde(default)]
    pub model: Option<String>,
    /// Tags of what is in it.
    #[serde(default)]
    pub features: Vec<String>,
    /// How far the bytes are those of the provider.
    #[serde(default)]
    pub fidelity: Vec<String>,
    /// What was sent.
    pub request: RecordedRequest,
    /// What came back.
    pub response: RecordedResponse,
    /// What an independent reader got; absent for errors.
    #[serde(default)]
    pub expect: Option<Expectation>,
}

/// The request of an [`Exchange`].
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedRequest {
    /// HTTP method.
    pub method: String,
    /// Whole URL, keys removed.
    pub url: String,
    /// Headers that are allowed to be kept.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, if it was JSON and was recorded.
    #[serde(default)]
    pub body: Option<Value>,
    /// Whether long base64 in the body was cut.
    #[serde(default)]
    pub body_truncated: bool,
}

/// The response of an [`Exchange`].
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers that are allowed to be kept.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `json`, `sse`, `ndjson`, `aws-eventstream`, `binary`, `text`, `empty`.
    pub framing: String,
    /// The body as text, content encoding undone.
    #[serde(default)]
    pub body: Option<String>,
    /// The body where it is no text.
    #[serde(default)]
    pub body_base64: Option<String>,
    /// Where the network had cut the body, if that was recorded.
    #[serde(default)]
    pub chunk_lengths: Option<Vec<usize>>,
}

/// What an independent reader got out of a response; only the first choice. `None` where no check is meant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Expectation {
    /// All text.
    pub text: Option<String>,
    /// All readable reasoning.
    pub reasoning: Option<String>,
    /// Tool calls in order.
    pub tool_calls: Option<Vec<ExpectedCall>>,
    /// The provider's own word for why the answer ended.
    pub finish: Option<Value>,
    /// The provider's own usage object, as last seen.
    pub usage: Option<Value>,
    /// The refusal.
    pub refusal: Option<String>,
    /// The provider's error object inside a successful response.
    pub error: Option<Value>,
    /// Number of vectors and their length, for embeddings.
    pub dims: Option<Value>,
    /// Whether the stream came to its end.
    pub complete: Option<bool>,
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
}

/// A tool call of an [`Expectation`].
#[derive(Clone, Debug, Deserialize)]
pub struct ExpectedCall {
    /// The function.
    pub name: Option<String>,
    /// Its arguments; `{"__unparsed__": text}` where the model wrote broken JSON.
    #[serde(default)]
    pub arguments: Value,
}

/// Why recordings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A file or folder could not be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no exchange.
    #[error("{path} is no recorded exchange")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Exchange {
    /// Reads one file.
    ///
    /// # Errors
    /// When it cannot be read or is no exchange.
    pub fn read(path: &Path) -> Result<Self, ExchangeError> {
        let read = |source| ExchangeError::Read { path: path.to_owned(), source };
        let text = fs::read(path).map_err(read)?;
        serde_json::from_slice(&text)
            .map_err(|source| ExchangeError::Parse { path: path.to_owned(), source })
    }

    /// Reads every exchange of a folder of folders whose folder's name `wanted` accepts, in the order of their ids.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read_all(
        root: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Self>, ExchangeError> {
        let mut exchanges = Vec::new();
        for folder in sorted_entries(root)? {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            if !folder.is_dir() || !name.is_some_and(|name| wanted(&name)) {
                continue;
            }
            for file in sorted_entries(&folder)? {
                if file.extension().is_some_and(|extension| extension == "json") {
                    exchanges.push(Self::read(&file)?);
                }
            }
        }
        Ok(exchanges)
    }

    /// Whether the recording has a tag.
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}

impl RecordedResponse {
    /// The bytes of the body.
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.body, &self.body_base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, ExchangeError> {
    let read = |source| ExchangeError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        paths.push(entry.map_err(read)?.path());
    }
    paths.sort();
    Ok(paths)
}
