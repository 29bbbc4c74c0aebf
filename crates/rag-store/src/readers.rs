//! Connections for reading, kept open for the next reader.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rag_core::StoreError;
use rusqlite::Connection;

use crate::schema;

/// Idle connections that are kept; more readers than this at once open and close their own.
const MOST_IDLE: usize = 8;

/// Hands out connections. Each reader has one for itself, and sees the last committed state.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Reads with a connection of its own.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let outcome = read(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        outcome
    }
}
