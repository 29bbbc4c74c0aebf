//! [`RegistryBuilder`]: setting up a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use llm_core::{
    ChatModel, EmbeddingModel, ModelKind, ModelSource, RerankModel, SpeechModel,
    TranscriptionModel, VisionModel,
};

use super::shelf::{Route, Shelves};
use super::{Inner, Registry};
use crate::cache::Cache;
use crate::guarded::GuardOptions;
use crate::pace::Paces;
use crate::quota::{Limits, Quotas, Scope};
use crate::record::RecordSink;
use crate::route::{self, RouteError, RouteOptions, RouteTarget};

/// Sets up a [`Registry`].
pub struct RegistryBuilder {
    inner: Inner,
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        let inner = Inner {
            shelves: Shelves::default(),
            sources: BTreeMap::new(),
            options: GuardOptions::default(),
            options_of: BTreeMap::new(),
            quotas: None,
            unlimited: BTreeSet::new(),
            paces: Paces::default(),
            limits_of: BTreeMap::new(),
            quotas_of: BTreeMap::new(),
            cache: None,
            records: Arc::new(()),
        };
        Self { inner }
    }
}

impl RegistryBuilder {
    /// Adds a provider: it is asked for every `name/…` that is not registered exactly.
    pub fn source(mut self, name: impl Into<String>, source: Arc<dyn ModelSource>) -> Self {
        self.inner.sources.insert(name.into(), vec![source]);
        self
    }

    /// Adds a provider for which there are several keys, each of which makes a source. A call goes to the key with the
    /// fewest calls under way, and to the next one when it fails.
    pub fn source_with_keys(
        mut self,
        name: impl Into<String>,
        sources: Vec<Arc<dyn ModelSource>>,
    ) -> Self {
        self.inner.sources.insert(name.into(), sources);
        self
    }

    /// Adds a chat model under the name in its [`ModelInfo`](llm_core::ModelInfo).
    pub fn chat(mut self, model: Arc<dyn ChatModel>) -> Self {
        self.inner.shelves.chat.add(model);
        self
    }

    /// Adds an embedding model under the name in its [`ModelInfo`](llm_core::ModelInfo).
    pub fn embedding(mut self, model: Arc<dyn EmbeddingModel>) -> Self {
        self.inner.shelves.embedding.add(model);
        self
    }

    /// Adds a rerank model under the name in its [`ModelInfo`](llm_core::ModelInfo).
    pub fn rerank(mut self, model: Arc<dyn RerankModel>) -> Self {
        self.inner.shelves.rerank.add(model);
        self
    }

    /// Adds a speech model under the name in its [`ModelInfo`](llm_core::ModelInfo).
    pub fn speech(mut self, model: Arc<dyn SpeechModel>) -> Self {
        self.inner.shelves.speech.add(model);
        self
    }

    /// Adds a transcription model under the name in its [`ModelInfo`](llm_core::ModelInfo).
    pub fn transcription(mut self, model: Arc<dyn TranscriptionModel>) -> Self {
        self.inner.shelves.transcription.add(model);
        self
    }

    /// Adds a vision model under the name in its [`ModelInfo`](llm_core::ModelInfo).
    pub fn vision(mut self, model: Arc<dyn VisionModel>) -> Self {
        self.inner.shelves.vision.add(model);
        self
    }

    /// Gives a name to one or several models of `kind`, of which `options` choose for each call. It hides a model of that exact
    /// name.
    ///
    /// # Errors
    /// [`RouteError`], where the targets cannot stand for each other.
    pub fn route(
        mut self,
        kind: ModelKind,
        name: impl Into<String>,
        targets: Vec<RouteTarget>,
        options: RouteOptions,
    ) -> Result<Self, RouteError> {
        let name = name.into();
        route::check(kind, &name, &targets)?;
        self.inner.shelves.routes_mut(kind).insert(name, Route { targets, options });
        Ok(self)
    }

    /// The limits of all models. Default: [`GuardOptions::default`].
    pub fn guards(mut self, options: GuardOptions) -> Self {
        self.inner.options = options;
        self
    }

    /// The limits of the models of one provider, instead of [`guards`](Self::guards).
    pub fn guards_of(mut self, provider: impl Into<String>, options: GuardOptions) -> Self {
        self.inner.options_of.insert(provider.into(), options);
        self
    }

    /// How much tenants and API keys may use. Default: as much as they like.
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.inner.quotas = Some(quotas);
        self
    }

    /// Leaves the models of a provider out of the [`quotas`](Self::quotas): those that cost nothing, and are limited by the
    /// threads that they run on. A name that leads to others, too, stays limited.
    pub fn unlimited(mut self, provider: impl Into<String>) -> Self {
        self.inner.unlimited.insert(provider.into());
        self
    }

    /// Where what providers tell of their limits finds the models it is about: give [`Paces::of_key`] of the same paces to
    /// the providers' transports.
    pub fn paces(mut self, paces: Paces) -> Self {
        self.inner.paces = paces;
        self
    }

    /// How much the calls to all models of one provider may use together; with several keys, so much with each. It is
    /// counted where [`quotas`](Self::quotas) are.
    pub fn limits_of(mut self, provider: impl Into<String>, limits: Limits) -> Self {
        self.inner.limits_of.insert(provider.into(), limits);
        self
    }

    /// Answers that were given before. Default: every call goes to a model.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.inner.cache = Some(cache);
        self
    }

    /// Where the records of all calls go. Default: nowhere.
    pub fn records(mut self, records: Arc<dyn RecordSink>) -> Self {
        self.inner.records = records;
        self
    }

    /// The registry.
    pub fn build(mut self) -> Registry {
        self.inner.quotas_of = self.inner.provider_quotas();
        Registry { inner: Arc::new(self.inner) }
    }
}

impl Inner {
    /// The quotas of each account that has some: of each key of a provider with limits.
    fn provider_quotas(&self) -> BTreeMap<(String, usize), Quotas> {
        let limited = self.limits_of.iter().filter(|(_, limits)| limits.is_limited());
        let mut quotas_of = BTreeMap::new();
        for (provider, limits) in limited {
            let shared = self.quotas.clone().unwrap_or_else(|| Quotas::builder().build());
            let keys = self.sources.get(provider).map_or(1, Vec::len);
            for key in 0..keys {
                let account = if key == 0 { provider.clone() } else { format!("{provider}#{key}") };
                let quotas = shared.only(Scope::provider(account), limits.clone());
                quotas_of.insert((provider.clone(), key), quotas);
            }
        }
        quotas_of
    }
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder").finish_non_exhaustive()
    }
}
