//! [`CacheStore`]: where answers are kept.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use llm_core::BoxError;

use super::key::CacheKey;

/// Keeps bytes under keys for a while. What it forgets, and when, is its own affair; it never gives the bytes of another
/// key, and never bytes whose time has passed.
///
/// An error is a miss to the caller, never a failure of the call; the cache also bounds the time that it waits. Dropping a
/// future gives up waiting; a `put` may have happened all the same.
pub trait CacheStore: Send + Sync {
    /// What is kept under a key.
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>>;

    /// Keeps these bytes for `ttl`, in the place of earlier ones.
    fn put(
        &self,
        key: CacheKey,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), BoxError>>;

    /// How many bytes it holds in this process.
    fn bytes(&self) -> u64 {
        0
    }
}
