//! Where PostgreSQL is, and how patient to be with it.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// Where the database is, and the bounds of what is asked of it.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host[:port]/database`, several hosts separated by commas; with `?sslmode=require`
    /// nothing goes unencrypted. Wherever TLS is used, the server's certificate has to be valid for the platform. A
    /// secret: it is never printed.
    pub url: SecretString,
    /// Connections that this process has at most. Default 16.
    pub connections: usize,
    /// How long making a connection may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a caller waits for a connection when all are in use. Default 10 s.
    pub acquire_timeout: Duration,
    /// How long one statement may take. Default 30 s.
    pub statement_timeout: Duration,
    /// Bytes that artifacts (results of dear steps of ingestion) may take. Default 1 GiB.
    pub artifact_bytes: u64,
    /// Chunks of a dataset from which on its vectors get an approximate index; up to so many all are compared. Default
    /// 20,000.
    pub exact_chunks: u64,
    /// How often is done what is done in the background: telling that this process lives, deleting what nothing refers
    /// to, making indexes. Default 10 s.
    pub chores_every: Duration,
}

impl PostgresOptions {
    /// The defaults, for this address.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            connections: 16,
            connect_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            artifact_bytes: 1 << 30,
            exact_chunks: 20_000,
            chores_every: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}
