//! [`PoolError`]: why a pool did not do what it was asked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use llm_core::{ErrorKind, ModelError, Operation, Retry};

use crate::misuse::Misuse;

/// Why a pool did not run a job, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// As many jobs wait as may. Nothing was started; try again later.
    #[error("the pool `{pool}` is busy and {queue} jobs wait already; try again later")]
    Busy {
        /// The pool's name.
        pool: Arc<str>,
        /// How many jobs may wait.
        queue: usize,
    },
    /// The pool is shutting down, or has.
    #[error("the pool `{pool}` is shutting down")]
    Closed {
        /// The pool's name.
        pool: Arc<str>,
    },
    /// The job panicked.
    #[error("a job on the pool `{pool}` panicked: {message}")]
    Panicked {
        /// The pool's name.
        pool: Arc<str>,
        /// What the panic said.
        message: String,
    },
    /// A synchronous caller must not wait where it is.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// Jobs were still running when the time for shutting down was over. They go on; nothing waits for them.
    #[error("{running} jobs on the pool `{pool}` did not end within {limit:?}")]
    StillRunning {
        /// The pool's name.
        pool: Arc<str>,
        /// How many jobs were running.
        running: usize,
        /// The time given.
        limit: Duration,
    },
    /// A thread could not be started.
    #[error("cannot start the threads of the pool `{pool}`")]
    Threads {
        /// The pool's name.
        pool: Arc<str>,
        /// The system's answer.
        source: io::Error,
    },
}

impl PoolError {
    /// The same as the failure of a model call that was meant to run on the pool.
    pub fn during(self, operation: Operation) -> ModelError {
        let (kind, retry) = match &self {
            PoolError::Busy { .. } => (ErrorKind::Overloaded, Retry::Now),
            PoolError::Closed { .. } => (ErrorKind::Overloaded, Retry::No),
            PoolError::Misuse(_) => (ErrorKind::Misuse, Retry::No),
            _ => (ErrorKind::Internal, Retry::No),
        };
        let error = ModelError::new(kind, operation, self.to_string()).with_retry(retry);
        match self {
            PoolError::Busy { .. } | PoolError::Closed { .. } => error.as_refusal(),
            _ => error,
        }
    }
}
