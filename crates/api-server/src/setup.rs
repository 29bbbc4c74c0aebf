//! [`Setup`]: what a configuration sets up and a reload replaces.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use accounts::OwnProviderSettings;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use llm_bundle::quota::LimitStore;
use llm_bundle::{Bundle, Cache, Paces, Quotas, SyncPool};
use llm_core::{ErrorKind, ModelError, Operation, SyncEmbeddingModel};
use llm_providers::AddressPolicy;
use llm_redis::RedisConnection;
use rag_core::TenantId;
use secrecy::SecretString;

use crate::bundle::BundleParts;
use crate::cache::cache;
use crate::config::{Config, Environment};
use crate::detour::Detour;
use crate::limits;
use crate::mcp::McpServers;
use crate::metrics::Metrics;
use crate::own_providers::{ByTenant, TenantModels};
use crate::providers::{Means, Provider, from_tenant, providers};
use crate::records::Calls;
use crate::web::WebEngines;

/// The chat model that needs nothing.
const EXTRACTIVE: &str = "local/extractive";

/// Models, providers, limits and tools as one configuration has them. A request keeps the one that it began with.
pub(crate) struct Setup {
    pub(crate) config: Arc<Config>,
    /// All models, on nobody's behalf.
    pub(crate) models_of_all: Bundle,
    /// How much tenants and keys may use.
    pub(crate) quotas: Quotas,
    /// Answers that are kept, if there are.
    pub(crate) cache: Option<Cache>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) mcp: McpServers,
    pub(crate) web: WebEngines,
    /// Models of tenants that bring providers.
    pub(crate) own: ArcSwap<ByTenant>,
    default_chat: OnceLock<String>,
}

/// What one setup after the other stands on: what is counted goes on being counted.
pub(crate) struct Ground {
    /// The models of `[[local_model]]`.
    pub(crate) local: Vec<Arc<dyn SyncEmbeddingModel>>,
    /// Threads for synchronous models.
    pub(crate) models: SyncPool,
    pub(crate) paces: Paces,
    pub(crate) calls: Arc<Calls>,
    pub(crate) redis: Option<RedisConnection>,
    pub(crate) used: Arc<dyn LimitStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) detour: Mutex<Detour>,
}

impl Ground {
    /// Sets up what the configuration says. Reads the files that it names. Must be called within the runtime that owns all
    /// I/O.
    ///
    /// # Errors
    /// What is wrong with the configuration, in one line with its causes.
    pub(crate) fn set_up(&self, config: Config, environment: &Environment) -> Result<Setup> {
        let known = config.models.catalogue()?.map(Arc::new);
        let providers = {
            let detour = self.detour.lock().unwrap_or_else(PoisonError::into_inner);
            let means = Means { environment, models: &known, detour: &detour, paces: &self.paces };
            providers(&config.provider, means)?
        };
        let quotas = limits::quotas(&config.limits, self.used.clone(), self.metrics.clone())?;
        let parts = BundleParts {
            config: &config,
            providers: &providers,
            local: &self.local,
            models: &self.models,
            paces: &self.paces,
            quotas: &quotas,
            calls: &self.calls,
        };
        let uncached = || parts.bundle(None);
        let cache = cache(&config.cache, &config.shared, self.redis.as_ref(), uncached)?;
        let models_of_all = parts.bundle(cache.clone())?;
        if let Some(name) = &config.defaults.vision {
            models_of_all.vision_model(name).context("`defaults.vision` cannot be asked")?;
        }
        Ok(Setup {
            models_of_all,
            quotas,
            cache,
            mcp: McpServers::new(&config.mcp, environment)?,
            web: WebEngines::new(&config.web, environment)?,
            providers,
            config: Arc::new(config),
            own: ArcSwap::default(),
            default_chat: OnceLock::new(),
        })
    }

    /// All models of this setup, and those of these providers. Their answers are not cached: another tenant's provider may have
    /// the same name.
    pub(crate) fn bundle_with(&self, setup: &Setup, own: &[Provider]) -> Result<Bundle> {
        let providers: Vec<Provider> = setup.providers.iter().chain(own).cloned().collect();
        let parts = BundleParts {
            config: &setup.config,
            providers: &providers,
            local: &self.local,
            models: &self.models,
            paces: &Paces::default(),
            quotas: &setup.quotas,
            calls: &self.calls,
        };
        Ok(parts.bundle(None)?)
    }

    /// A provider that a tenant brings.
    ///
    /// # Errors
    /// One line that says why it cannot be set up.
    pub(crate) fn own_provider(
        &self,
        name: &str,
        settings: &OwnProviderSettings,
        key: Option<SecretString>,
        addresses: AddressPolicy,
    ) -> Result<Provider, String> {
        let detour = self.detour.lock().unwrap_or_else(PoisonError::into_inner);
        from_tenant(name, settings, key, addresses, &detour)
    }

    /// Writes what is not written yet, and ends recording.
    pub(crate) async fn close(&self) {
        self.used.flush().await;
        let detour = {
            let mut detour = self.detour.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *detour, Detour::None)
        };
        detour.close().await;
    }
}

impl Setup {
    /// The models of a tenant that brings providers.
    pub(crate) fn models_of(&self, tenant: &TenantId) -> Option<Arc<TenantModels>> {
        self.own.load().get(tenant).cloned()
    }

    /// The configured default, else the default model of the first provider with a key (asked for its list where none
    /// is known), else the one that needs nothing.
    pub(crate) async fn default_chat_name(&self) -> Result<&str, ModelError> {
        if let Some(name) = &self.config.defaults.chat {
            return Ok(name);
        }
        let Some(provider) = self.providers.iter().find(|provider| provider.can_be_default) else {
            return Ok(EXTRACTIVE);
        };
        if let Some(name) = self.default_chat.get() {
            return Ok(name);
        }
        let name = first_chat_model(provider).await?;
        Ok(self.default_chat.get_or_init(|| name))
    }
}

/// The provider's default model, or the first of its list that seems to talk.
pub(crate) async fn first_chat_model(provider: &Provider) -> Result<String, ModelError> {
    if let Some(model) = &provider.default_model {
        return Ok(format!("{}/{model}", provider.name));
    }
    const OTHER_KINDS: [&str; 10] = [
        "embed",
        "tts",
        "whisper",
        "rerank",
        "moderation",
        "image",
        "audio",
        "dall-e",
        "realtime",
        "transcribe",
    ];
    let models = provider.client.model_names().await?;
    let talks = |model: &&String| !OTHER_KINDS.iter().any(|kind| model.contains(kind));
    let first = models.iter().find(talks).or(models.first());
    let first = first.map(|model| format!("{}/{model}", provider.name));
    first.ok_or_else(|| {
        let message = "it lists no model; name one with `default_model` or --model";
        ModelError::new(ErrorKind::NotFound, Operation::ListModels, message).at(&provider.name, "")
    })
}
