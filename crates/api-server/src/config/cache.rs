//! `[cache]`: answers that are kept and given again.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use llm_bundle::{CachePolicies, CachePolicy, CacheScope};
use serde::Deserialize;

use super::{ConfigError, SharedConfig};

/// `[cache]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// What is answered from it.
    pub mode: CacheMode,
    /// Where answers are kept.
    pub store: CacheStoreKind,
    /// The most that is kept in memory, in bytes.
    pub max_bytes: usize,
    /// The largest answer that is kept, in bytes.
    pub max_entry_bytes: NonZeroUsize,
    /// How long an answer is kept, in seconds.
    pub ttl_seconds: NonZeroU64,
    /// Who may be given whose answers.
    pub scope: CacheScopeConfig,
    /// How questions that mean the same are found; needed for the mode `semantic`.
    pub semantic: Option<SemanticConfig>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            mode: CacheMode::default(),
            store: CacheStoreKind::default(),
            max_bytes: 64 << 20,
            max_entry_bytes: NonZeroUsize::MIN.saturating_add((1 << 20) - 1),
            ttl_seconds: NonZeroU64::MIN.saturating_add(3_599),
            scope: CacheScopeConfig::default(),
            semantic: None,
        }
    }
}

/// What is answered from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheMode {
    /// Nothing; there is none.
    #[default]
    Off,
    /// Embeddings and rerankings; a chat whose caller asks for it.
    Asked,
    /// Every request that equals an earlier one.
    Exact,
    /// The same, and chats whose last question means the same as an earlier one.
    Semantic,
}

/// Where answers are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheStoreKind {
    /// In this process.
    #[default]
    Memory,
    /// In the Redis of `[shared]`, for all replicas.
    Redis,
}

/// Who may be given whose answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheScopeConfig {
    /// Each tenant its own only.
    #[default]
    Tenant,
    /// All tenants each other's.
    Shared,
}

/// `[cache.semantic]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SemanticConfig {
    /// The embedding model that compares questions.
    pub embedding: String,
    /// The least similarity, 0 to 1.
    #[serde(default = "threshold")]
    pub threshold: f32,
}

fn threshold() -> f32 {
    0.95
}

impl CacheConfig {
    /// What is wrong with it.
    pub(super) fn check(&self, shared: &SharedConfig) -> Result<(), ConfigError> {
        let fail = |reason| Err(ConfigError::new("[cache]", reason));
        if self.mode == CacheMode::Semantic && self.semantic.is_none() {
            return fail("the mode `semantic` needs a [cache.semantic] with an `embedding` model");
        }
        if self.store == CacheStoreKind::Redis && shared.redis.is_none() {
            return fail("the store `redis` needs an address in [shared] `redis`");
        }
        let threshold = self.semantic.as_ref().map_or(1.0, |semantic| semantic.threshold);
        if !(0.0..=1.0).contains(&threshold) {
            return fail("`threshold` lies between 0 and 1");
        }
        Ok(())
    }

    /// What is answered, by kind of model.
    pub fn policies(&self) -> CachePolicies {
        let of = |policy| CachePolicies {
            chat: policy,
            embedding: CachePolicy::Exact,
            rerank: CachePolicy::Exact,
            speech: policy,
            transcription: policy,
            vision: policy,
        };
        match self.mode {
            CacheMode::Off | CacheMode::Asked => CachePolicies::default(),
            CacheMode::Exact => of(CachePolicy::Exact),
            CacheMode::Semantic => of(CachePolicy::Semantic),
        }
    }

    /// Who may be given whose answers.
    pub fn scope(&self) -> CacheScope {
        match self.scope {
            CacheScopeConfig::Tenant => CacheScope::Tenant,
            CacheScopeConfig::Shared => CacheScope::Shared,
        }
    }

    /// How long an answer is kept.
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl_seconds.get())
    }
}
