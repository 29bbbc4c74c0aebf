//! [`Exchange`]: one recorded request to a provider, its response, and what an independent reader made of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::form::{FormPart, read_form};

/// The largest file that is read as an exchange, in bytes.
pub(crate) const MAX_FILE: u64 = 256 << 20;

/// A recorded exchange. One JSON file each, `<folder>/<id>.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tags of what is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// How far the bytes are those of the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fidelity: Vec<String>,
    /// What was sent.
    pub request: RecordedRequest,
    /// What came back.
    pub response: RecordedResponse,
    /// What an independent reader got; absent for errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// The request of an [`Exchange`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// HTTP method.
    pub method: String,
    /// Whole URL, keys removed.
    pub url: String,
    /// Headers that are allowed to be kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, if it was JSON and was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Whether long base64 in the body was cut.
    #[serde(default, skip_serializing_if = "is_false")]
    pub body_truncated: bool,
    /// The body, if it was text but no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_text: Option<String>,
    /// The body where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// How many bytes the body had, where it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_omitted_bytes: Option<usize>,
    /// Names and values of a form; files as `<N bytes>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form_fields: Option<Vec<(String, String)>>,
}

/// The response of an [`Exchange`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecordedResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers that are allowed to be kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// `json`, `sse`, `ndjson`, `aws-eventstream`, `binary`, `text`, `empty`.
    pub framing: String,
    /// The body as text, content encoding undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Where the network had cut the body, if that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_lengths: Option<Vec<usize>>,
    /// How long the response's head took to come, in milliseconds from the request's end, if that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<u64>,
    /// When each of `chunk_lengths` came, in milliseconds from the head, if that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_ms: Option<Vec<u64>>,
    /// Whether the connection broke, or was left by the client, before the body had ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub broke_off: bool,
}

/// What an independent reader got out of a response; only the first choice. `None` where no check is meant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Expectation {
    /// All text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// All readable reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Tool calls in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ExpectedCall>>,
    /// The provider's own word for why the answer ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<Value>,
    /// The provider's own usage object, as last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    /// The refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The provider's error object inside a successful response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Number of vectors and their length, for embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dims: Option<Value>,
    /// Index and score of each document, for rerank.
    pub ranking: Option<Vec<Value>>,
    /// Whether the stream came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The provider's id of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A tool call of an [`Expectation`].
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// A file is longer than an exchange may be.
    #[error("{path} is too large for a recorded exchange")]
    TooLarge {
        /// Which.
        path: PathBuf,
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
    /// Reads one file, of at most 256 MiB. Blocks.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is no exchange.
    pub fn read(path: &Path) -> Result<Self, ExchangeError> {
        let text = bounded(path)
            .map_err(|source| ExchangeError::Read { path: path.to_owned(), source })?
            .ok_or_else(|| ExchangeError::TooLarge { path: path.to_owned() })?;
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
            for file in sorted_entries(&folder)?.iter().filter(|file| is_json(file)) {
                exchanges.push(Self::read(file)?);
            }
        }
        Ok(exchanges)
    }

    /// Whether the recording has a tag.
    pub fn has_feature(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}

impl RecordedRequest {
    /// The bytes of the body, where it was kept and was no JSON.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.body_text, &self.body_base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(base64)) => STANDARD.decode(base64).ok(),
            (None, None) => None,
        }
    }

    /// The parts of a form. Files that were not kept are as many zeros.
    pub fn form(&self) -> Option<Vec<FormPart>> {
        let kept = self.bytes().zip(self.headers.get("content-type"));
        let kept = kept.and_then(|(body, content_type)| read_form(content_type, &body));
        kept.or_else(|| Some(self.form_fields.as_ref()?.iter().map(placeholder).collect()))
    }
}

fn placeholder((name, value): &(String, String)) -> FormPart {
    let length = value.strip_prefix('<').and_then(|rest| rest.strip_suffix(" bytes>"));
    let (file_name, data) = match length.and_then(|length| length.parse().ok()) {
        Some(length) => (Some("file".to_owned()), vec![0; length].into()),
        None => (None, value.clone().into()),
    };
    FormPart { name: name.clone(), file_name, data }
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

/// What a file holds; `None` when that is too much.
fn bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    Ok((text.len() as u64 <= MAX_FILE).then_some(text))
}

pub(crate) fn is_json(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "json")
}

fn is_false(value: &bool) -> bool {
    !value
}

pub(crate) fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, ExchangeError> {
    let read = |source| ExchangeError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        paths.push(entry.map_err(read)?.path());
    }
    paths.sort();
    Ok(paths)
}
