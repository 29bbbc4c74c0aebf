//! Who answers, as callers see it: which model, or the cache, and what they want of that.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};
use llm_bundle::{Bundle, CachePolicy, CacheStatus, CacheUse, Trail};
use llm_core::ModelKind;

use super::Failure;
use crate::config::CacheConfig;

/// Says for one request what to do with the cache: `use`, `bypass` or `refresh`. In the answer it says what was done.
const CACHE: &str = "x-colloquy-cache";

/// The model that answered, `provider/model`.
const MODEL: &str = "x-colloquy-model";

/// How many seconds ago the answer was kept.
const AGE: &str = "x-colloquy-cache-age";

/// How near the question is to the one that was answered.
const SIMILARITY: &str = "x-colloquy-cache-similarity";

/// What one request has to do with the cache.
pub(super) struct Caching {
    wanted: CacheUse,
    trail: Arc<Trail>,
}

impl Caching {
    /// As the request's header says; without one, as is `configured` for this kind of model.
    ///
    /// # Errors
    /// When the header holds another word.
    pub(super) fn of(
        headers: &HeaderMap,
        configured: &CacheConfig,
        kind: ModelKind,
    ) -> Result<Self, Failure> {
        let wanted = match headers.get(CACHE).map(HeaderValue::as_bytes) {
            None => CacheUse::Usual,
            Some(b"use") => CacheUse::As(configured.policies().of(kind).max(CachePolicy::Exact)),
            Some(b"bypass") => CacheUse::Bypass,
            Some(b"refresh") => CacheUse::Refresh,
            Some(_) => {
                let message = "the header x-colloquy-cache takes `use`, `bypass` or `refresh`";
                return Err(Failure::invalid(message));
            }
        };
        Ok(Self { wanted, trail: Arc::new(Trail::new()) })
    }

    /// The models, for the calls of this request.
    pub(super) fn bundle(&self, bundle: &Bundle) -> Bundle {
        bundle.clone().with_cache(self.wanted).with_trail(self.trail.clone())
    }

    /// Puts into the response's head who answered, and what the cache did where there is one.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        if let Some(target) = self.trail.target()
            && let Ok(value) = HeaderValue::try_from(target.to_string())
        {
            headers.insert(MODEL, value);
        }
        let Some(status) = self.trail.cache() else { return };
        headers.insert(CACHE, HeaderValue::from_static(status.as_str()));
        if let Some(age) = status.age() {
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
        }
        if let CacheStatus::Semantic { similarity, .. } = status
            && let Ok(value) = HeaderValue::try_from(format!("{similarity:.4}"))
        {
            headers.insert(SIMILARITY, value);
        }
    }
}
