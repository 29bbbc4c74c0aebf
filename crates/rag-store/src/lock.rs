//! One process at a time in a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use rag_core::{StoreError, StoreErrorKind};

use crate::failure;

/// Holds the data directory until dropped. The operating system lets go of it when the process dies.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the directory, which must be there.
    ///
    /// # Errors
    /// [`StoreErrorKind::Locked`] when another process has it, else the disk's own.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("lock");
        let file =
            OpenOptions::new().create(true).write(true).truncate(false).open(&path).map_err(
                |error| failure::engine(format!("cannot open {}", path.display()), error),
            )?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::new(
                StoreErrorKind::Locked,
                format!(
                    "the data directory {} is in use by another process; stop it or choose another directory",
                    directory.display()
                ),
            )),
            Err(TryLockError::Error(error)) => {
                Err(failure::engine(format!("cannot lock {}", path.display()), error))
            }
        }
    }
}
