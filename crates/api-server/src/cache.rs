//! From configuration to the cache.

use std::sync::Arc;
use std::time::Duration;

use llm_bundle::{Bundle, Cache, CacheStore, MemoryCache, SemanticOptions};
use llm_redis::{RedisCache, RedisConnection};

use crate::config::{CacheConfig, CacheMode, CacheStoreKind, ConfigError, SharedConfig};

/// The cache, if there shall be one. The models of `uncached` compare questions; they must not be answered from this same
/// cache, since they would hold each other.
///
/// # Errors
/// An embedding model that is not there.
pub(crate) fn cache(
    config: &CacheConfig,
    shared: &SharedConfig,
    redis: Option<&RedisConnection>,
    uncached: impl FnOnce() -> Result<Bundle, ConfigError>,
) -> Result<Option<Cache>, ConfigError> {
    if config.mode == CacheMode::Off {
        return Ok(None);
    }
    let store: Arc<dyn CacheStore> = match (config.store, redis) {
        (CacheStoreKind::Redis, Some(redis)) => Arc::new(RedisCache::new(redis.clone())),
        _ => Arc::new(MemoryCache::new(config.max_bytes)),
    };
    let mut cache = Cache::builder(store)
        // A connection ends its questions itself, and says why.
        .patience(Duration::from_millis(shared.timeout_milliseconds.get()).saturating_mul(2))
        .policies(config.policies())
        .scope(config.scope())
        .ttl(config.ttl())
        .max_entry_bytes(config.max_entry_bytes.get());
    if let Some(semantic) = config.semantic.as_ref().filter(|_| config.mode == CacheMode::Semantic)
    {
        let embedder = uncached()?.embedder(&semantic.embedding).map_err(|error| {
            ConfigError::new("[cache.semantic] `embedding`", error.message().to_owned())
        })?;
        let threshold = semantic.threshold;
        let options = SemanticOptions { threshold, ..SemanticOptions::default() };
        cache = cache.semantic(Arc::new(embedder), options);
    }
    Ok(Some(cache.build()))
}
