//! Whether a call may be answered from the cache, and how its caller hears of it.

use std::time::Duration;

use llm_core::ModelKind;
use serde::{Deserialize, Serialize};

/// What may be answered from the cache. Each includes the one before.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum CachePolicy {
    /// Nothing: every call goes to the model.
    #[default]
    Off,
    /// A request that equals an earlier one in everything that can change the answer.
    Exact,
    /// A chat whose last question means the same as an earlier one, all else being equal too. The same as `Exact` for
    /// other kinds, and where the cache has no embedding model.
    Semantic,
}

/// What one caller wants of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheUse {
    /// What the cache does for this kind of model.
    #[default]
    Usual,
    /// This policy instead.
    As(CachePolicy),
    /// Neither looked up nor kept.
    Bypass,
    /// Not looked up; the model's answer is kept, and replaces an earlier one.
    Refresh,
}

/// What the cache does for each kind of model, where a call says nothing else.
///
/// The default answers embeddings and rerankings from the cache, which are the same each time, and nothing else: who asks
/// a chat model twice may want two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CachePolicies {
    pub chat: CachePolicy,
    pub embedding: CachePolicy,
    pub rerank: CachePolicy,
    pub speech: CachePolicy,
    pub transcription: CachePolicy,
    pub vision: CachePolicy,
}

impl Default for CachePolicies {
    fn default() -> Self {
        Self {
            chat: CachePolicy::Off,
            embedding: CachePolicy::Exact,
            rerank: CachePolicy::Exact,
            speech: CachePolicy::Off,
            transcription: CachePolicy::Off,
            vision: CachePolicy::Off,
        }
    }
}

impl CachePolicies {
    /// The policy of this kind.
    pub fn of(&self, kind: ModelKind) -> CachePolicy {
        match kind {
            ModelKind::Chat => self.chat,
            ModelKind::Embedding => self.embedding,
            ModelKind::Rerank => self.rerank,
            ModelKind::Speech => self.speech,
            ModelKind::Transcription => self.transcription,
            ModelKind::Vision => self.vision,
        }
    }
}

/// What the cache did for a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CacheStatus {
    /// It was not asked: the policy is off, the caller went past it, or the request is none that can be cached.
    Bypass,
    /// It had no answer, or was told to fetch a new one: the model answered this call.
    Miss,
    /// The answer is that of the model's answer to another caller's equal call, which was under way. That caller's
    /// record has its usage and cost.
    Shared,
    /// It had the answer to this request.
    Hit {
        /// How long ago the answer was kept.
        age: Duration,
    },
    /// It had the answer to a question that means the same.
    Semantic {
        /// How near the questions are: the cosine of their vectors.
        similarity: f32,
        /// How long ago the answer was kept.
        age: Duration,
    },
}

impl CacheStatus {
    /// A stable name for headers, metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheStatus::Bypass => "bypass",
            CacheStatus::Miss => "miss",
            CacheStatus::Shared => "shared",
            CacheStatus::Hit { .. } => "hit",
            CacheStatus::Semantic { .. } => "semantic",
        }
    }

    /// Whether no model worked for this call alone: it costs nothing.
    pub fn is_free(self) -> bool {
        !matches!(self, CacheStatus::Bypass | CacheStatus::Miss)
    }

    /// The one of two that spared less.
    pub(crate) fn or_dearer(self, other: Self) -> Self {
        let rank = |status| match status {
            CacheStatus::Hit { .. } => 0,
            CacheStatus::Semantic { .. } => 1,
            CacheStatus::Shared => 2,
            CacheStatus::Bypass => 3,
            CacheStatus::Miss => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// How old the answer is, where it was kept.
    pub fn age(self) -> Option<Duration> {
        match self {
            CacheStatus::Hit { age } | CacheStatus::Semantic { age, .. } => Some(age),
            _ => None,
        }
    }
}
