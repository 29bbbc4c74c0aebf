//! [`KnownDifferences`]: recordings whose differences are understood, and wire formats without a client, each with its
//! reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Exchange;

/// Recordings that are known to differ, by their id or by their wire format. In TOML:
///
/// ```
/// let known: testkit::conformance::KnownDifferences = r#"
/// [[known]]
/// id = "openai-chat-0123456789ab"
/// reason = "the recorder changed the body"
///
/// [[known]]
/// wire = "some-beta"
/// reason = "a trial of an interface that has ended"
/// "#.parse()?;
/// let of_beta = testkit::Exchange { wire: "some-beta".into(), ..Default::default() };
/// assert_eq!(known.reason(&of_beta), Some("a trial of an interface that has ended"));
/// # Ok::<(), testkit::conformance::KnownError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KnownDifferences {
    by_id: BTreeMap<String, String>,
    by_wire: BTreeMap<String, String>,
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
    id: Option<String>,
    wire: Option<String>,
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
    pub fn reason(&self, exchange: &Exchange) -> Option<&str> {
        let reason = self.by_id.get(&exchange.id).or_else(|| self.by_wire.get(&exchange.wire));
        reason.map(String::as_str)
    }
}

impl std::str::FromStr for KnownDifferences {
    type Err = KnownError;

    fn from_str(text: &str) -> Result<Self, KnownError> {
        let file: File =
            toml::from_str(text).map_err(|error| KnownError::Parse(error.to_string()))?;
        let mut known = Self::default();
        for Entry { id, wire, reason } in file.known {
            let (names, name) = match (id, wire) {
                (Some(id), None) => (&mut known.by_id, id),
                (None, Some(wire)) => (&mut known.by_wire, wire),
                _ => return Err(KnownError::Parse("an entry has `id` or `wire`".to_owned())),
            };
            if reason.trim().is_empty() {
                return Err(KnownError::Parse(format!("{name} has no reason")));
            }
            names.insert(name, reason);
        }
        Ok(known)
    }
}
