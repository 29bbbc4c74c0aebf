//! All models of a server, behind their guards.

use std::sync::Arc;

use llm_bundle::{Adapted, Blocking, Bundle, Cache, Defaults, Paces, Quotas, Registry, SyncPool};
use llm_core::{EmbeddingModel, SyncChatModel, SyncEmbeddingModel, SyncRerankModel};
use rag_core::{AllowedProviders, EmbeddingIdentity};
use rag_retrieve::Embedders;
use tokio::runtime::Handle;

use crate::config::{Config, ConfigError};
use crate::limits;
use crate::local_models;
use crate::providers::Provider;
use crate::records::Calls;

/// What a bundle is made of.
pub(crate) struct BundleParts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) providers: &'a [Provider],
    /// Those of `[[local_model]]`.
    pub(crate) local: &'a [Arc<dyn SyncEmbeddingModel>],
    /// Threads for synchronous models.
    pub(crate) models: &'a SyncPool,
    pub(crate) paces: &'a Paces,
    pub(crate) quotas: &'a Quotas,
    pub(crate) calls: &'a Arc<Calls>,
}

impl BundleParts<'_> {
    /// The bundle, with this cache.
    ///
    /// # Errors
    /// A `[[model]]` whose targets cannot stand for each other.
    pub(crate) fn bundle(&self, cache: Option<Cache>) -> Result<Bundle, ConfigError> {
        let embedding: Arc<dyn SyncEmbeddingModel> = Arc::new(llm_local::StaticEmbedding::new());
        let rerank: Arc<dyn SyncRerankModel> = Arc::new(llm_local::Lexical::new());
        let extractive: Arc<dyn SyncChatModel> = Arc::new(llm_local::Extractive::new());
        let mut registry = Registry::builder()
            .embedding(Arc::new(Adapted::new(embedding, self.models.clone())))
            .rerank(Arc::new(Adapted::new(rerank, self.models.clone())))
            .chat(Arc::new(Adapted::new(extractive, self.models.clone())))
            .paces(self.paces.clone())
            .quotas(self.quotas.clone())
            .unlimited("local")
            .records(self.calls.clone());
        for model in self.local {
            registry = registry.embedding(local_models::adapted(model, self.models));
        }
        if let Some(cache) = cache {
            registry = registry.cache(cache);
        }
        for provider in &self.config.provider {
            registry = registry.limits_of(provider.name.clone(), limits::of_provider(provider));
        }
        for provider in self.providers {
            registry = registry.source_with_keys(provider.name.clone(), provider.sources());
        }
        for model in &self.config.model {
            let name = model.name.clone();
            registry = registry.route(model.kind, name, model.targets(), model.options()).map_err(
                |error| ConfigError::new(format!("[[model]] `{}`", model.name), error.to_string()),
            )?;
        }
        let defaults = Defaults {
            chat: self.config.defaults.chat.clone(),
            embedding: Some(self.config.defaults.embedding.clone()),
            vision: self.config.defaults.vision.clone(),
            ..Defaults::default()
        };
        Ok(Bundle::new(registry.build()).with_defaults(defaults))
    }
}

/// The bundle for texts that only these providers may see.
pub(crate) fn only(bundle: Bundle, allowed: &AllowedProviders) -> Bundle {
    match allowed.names() {
        Some(names) => bundle.only_providers(names.iter().cloned()),
        None => bundle,
    }
}

/// The bundle's embedding models, for threads. Must be called on the runtime that owns all I/O.
pub(crate) fn embedders(bundle: Bundle) -> Embedders {
    embedders_of(move || bundle.clone())
}

/// The same of what `bundle` gives each time that one is asked for.
pub(crate) fn embedders_of(bundle: impl Fn() -> Bundle + Send + Sync + 'static) -> Embedders {
    let home = Handle::current();
    Embedders(Arc::new(move |identity: &EmbeddingIdentity| {
        let model: Arc<dyn EmbeddingModel> = Arc::new(bundle().embedder(&identity.model)?);
        Ok(Arc::new(Blocking::new(model, home.clone())) as Arc<dyn SyncEmbeddingModel>)
    }))
}
