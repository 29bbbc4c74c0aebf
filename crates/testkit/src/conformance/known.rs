//! [`KnownDifferences`]: recordings whose differences are understood, each with its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Recordings that are known to differ. In TOML:
///
/// ```
/// let known: testkit::conformance::KnownDifferences = r#"
/// [[known]]
/// id = "openai-chat-0123456789ab"
/// reason = "the recorder changed the body"
/// "#.parse()?;
/// assert_eq!(known.reason("openai-chat-0123456789ab"), Some("the recorder changed the body"));
/// # Ok::<(), testkit::conformance::KnownError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KnownDifferences {
    reasons: BTreeMap<String, String>,
}

/// Why a file of known differences could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not have the form above, or an entry has no reason.
    #[error("the known differences are not in order: {0}")]
    Parse(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    reason: String,
}

impl KnownDifferences {
    /// Reads a file; one that does not exist holds none.
    ///
    /// # Errors
    /// When it is there and not in order.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        match fs::read_to_string(path) {
            Ok(text) => text.parse(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(KnownError::Read { path: path.to_owned(), source }),
        }
    }

    /// Why a recording is known to differ.
    pub fn reason(&self, id: &str) -> Option<&str> {
        self.reasons.get(id).map(String::as_str)
    }
}

impl std::str::FromStr for KnownDifferences {
    type Err = KnownError;

    fn from_str(text: &str) -> Result<Self, KnownError> {
        let file: File =
            toml::from_str(text).map_err(|error| KnownError::Parse(error.to_string()))?;
        let mut reasons = BTreeMap::new();
        for Entry { id, reason } in file.known {
            if reason.trim().is_empty() {
                return Err(KnownError::Parse(format!("{id} has no reason")));
            }
            reasons.insert(id, reason);
        }
        Ok(Self { reasons })
    }
}
