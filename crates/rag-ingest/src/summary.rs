//! What an ingestion came to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The outcome of an ingestion, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Documents that are new or changed and searchable now.
    pub added: u64,
    /// Files whose content was known already.
    pub unchanged: u64,
    /// Names and reasons, by name.
    pub failed: Vec<(String, String)>,
    /// Names of documents whose files are gone. They are still searchable unless `pruned`.
    pub missing: Vec<String>,
    /// Whether the missing documents were removed.
    pub pruned: bool,
    /// Chunks of the added documents.
    pub chunks: u64,
    /// From the beginning to the end.
    pub elapsed: Duration,
}

impl Summary {
    /// Adds what was done in `other`, which followed.
    pub(crate) fn add(&mut self, other: Summary) {
        self.added += other.added;
        self.unchanged += other.unchanged;
        self.chunks += other.chunks;
        self.elapsed += other.elapsed;
        self.pruned |= other.pruned;
        self.missing.extend(other.missing);
        self.failed.extend(other.failed);
        self.failed.sort();
    }
}
