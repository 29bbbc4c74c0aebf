//! [`RedisCache`]: answers that replicas share.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use llm_bundle::{CacheKey, CacheStore};
use llm_core::BoxError;

use crate::connection::RedisConnection;

/// A [`CacheStore`] in Redis: one `GET` or one `SET … PX` for each question, both within the connection's timeout. Redis
/// forgets an entry when its time has passed, or earlier where it is short of memory (`maxmemory-policy allkeys-lru`).
///
/// While Redis does not answer, everything is a miss, at once.
#[derive(Clone, Debug)]
pub struct RedisCache {
    connection: RedisConnection,
}

impl RedisCache {
    /// Keeps entries under `PREFIX:cache:KEY`.
    pub fn new(connection: RedisConnection) -> Self {
        Self { connection }
    }

    fn name(&self, key: &CacheKey) -> String {
        format!("{}:cache:{key}", self.connection.prefix())
    }
}

impl CacheStore for RedisCache {
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<Option<Bytes>, BoxError>> {
        let mut get = redis::cmd("GET");
        get.arg(self.name(key));
        Box::pin(async move {
            let ask = async move |mut redis| get.query_async::<Option<Vec<u8>>>(&mut redis).await;
            Ok(self.connection.ask(ask).await?.map(Bytes::from))
        })
    }

    fn put(
        &self,
        key: CacheKey,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<(), BoxError>> {
        let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        // Redis refuses 0, and what does not fit into its own clock.
        set.arg(self.name(&key)).arg(&*value).arg("PX").arg(milliseconds.clamp(1, 1 << 42));
        Box::pin(async move {
            let ask = async move |mut redis| set.query_async::<()>(&mut redis).await;
            Ok(self.connection.ask(ask).await?)
        })
    }
}
