//! [`ResponseStoreError`]

use std::path::PathBuf;

/// Why a response was not kept, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum ResponseStoreError {
    /// The file cannot be read or written.
    #[error("the file of responses, {}, cannot be used", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        #[allow(missing_docs)]
        source: rusqlite::Error,
    },
    /// The file was written by a later version of this program.
    #[error("{} is of version {version}, which this program does not know; use a later one", .file.display())]
    Later {
        /// Which.
        file: PathBuf,
        /// Its version.
        version: i64,
    },
    /// A response, or a conversation of them, is larger than what is kept and read.
    #[error("it has {bytes} bytes, and {most} at most are kept")]
    TooLarge {
        /// Of its texts.
        bytes: u64,
        /// What is allowed.
        most: u64,
    },
}
