//! How a store is opened.

use std::time::Duration;

/// How an [`EmbeddedStore`](crate::EmbeddedStore) trades memory, disk writes and safety. The defaults are safe to
/// deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Chunks that are kept in memory before they are written to the index files. More means fewer and larger writes,
    /// and a longer scan of what is still in memory: about a millisecond for 4,096.
    pub tail_chunks: usize,
    /// Chunks in memory at which completing documents waits for the index files. Bounds memory when the disk is slow.
    pub most_tail_chunks: usize,
    /// How long after the last write the rest is written to the index files.
    pub quiet_time: Duration,
    /// Bytes that artifacts (results of dear steps of ingestion) may take.
    pub artifact_bytes: u64,
    /// Bytes of memory that the indexes of documents' metadata may take. They are made for a dataset when it is first
    /// searched with a filter; those that do not fit are not kept, and filters over them read every document.
    pub metadata_bytes: usize,
    /// Bytes that the database may take on the disk, its log and the search index aside; `None`: what there is.
    /// Beyond that, writing fails as [`Full`](rag_core::StoreErrorKind::Full).
    pub most_database_bytes: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            durability: Durability::PowerLoss,
            tail_chunks: 4096,
            most_tail_chunks: 32 * 1024,
            quiet_time: Duration::from_secs(2),
            artifact_bytes: 1 << 30,
            metadata_bytes: 256 << 20,
            most_database_bytes: None,
        }
    }
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process and of the machine. Datasets, submissions and deletions reach the disk before they are
    /// acknowledged. A completed document reaches it with the next of these or within seconds; when the machine dies
    /// in between, its job is there again and is done again.
    PowerLoss,
    /// The death of the process alone; the operating system writes when it likes.
    ProcessDeath,
}
