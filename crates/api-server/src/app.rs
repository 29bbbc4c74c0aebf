//! [`App`]: the application as one caller sees it.

use std::ops::Deref;
use std::sync::Arc;

use anyhow::Result;
use futures::future::BoxFuture;
use llm_bundle::Bundle;
use llm_core::{ChatModel, EmbeddingModel, EmbeddingRequest, ModelError};
use rag_core::{EmbeddingIdentity, TenantId};

use crate::caller::Caller;
use crate::config::{Config, Environment};
use crate::own_providers::TenantModels;
use crate::parts::Parts;
use crate::setup::Setup;

/// The application as one caller sees it: the [`Parts`] that all share, and models that are asked, and paid for, on this
/// caller's behalf. Clones are cheap.
///
/// The stores' methods take a tenant, or the id of something; an id that a caller sends is only used together with
/// [`tenant`](Self::tenant), or after what it belongs to was found with it.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    caller: Caller,
    /// What this request began with.
    pub(crate) setup: Arc<Setup>,
    /// The configuration that it was set up by.
    pub config: Arc<Config>,
    /// What the tenant brings.
    pub(crate) own: Option<Arc<TenantModels>>,
    /// All models, on the caller's behalf.
    pub bundle: Bundle,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl App {
    /// Opens the data directory and puts the parts together, for whoever works on this machine. Must be called on the
    /// runtime that shall own all I/O.
    ///
    /// # Errors
    /// What is wrong with the configuration or the data directory, in one line with its causes.
    pub async fn open(config: Config, environment: &Environment) -> Result<Self> {
        Ok(Self::of(Parts::open(config, environment).await?, Caller::local()))
    }

    /// The application for this caller.
    pub(crate) fn of(parts: Arc<Parts>, caller: Caller) -> Self {
        let setup = parts.current.load_full();
        let own = setup.models_of(&caller.tenant);
        let bundle = caller.bundle(own.as_ref().map_or(&setup.models_of_all, |own| &own.bundle));
        Self { parts, caller, config: setup.config.clone(), setup, own, bundle }
    }

    /// What all callers share.
    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    /// On whose behalf this is.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the caller may ask for this model, or `dialog/NAME`, by name.
    pub(crate) fn may_ask(&self, model: &str) -> bool {
        self.caller.scope().is_none_or(|scope| scope.allows_model(model))
    }

    /// Whether the caller may search the tenant's dataset of this name.
    pub(crate) fn may_search(&self, dataset: &str) -> bool {
        self.caller.scope().is_none_or(|scope| scope.allows_dataset(dataset))
    }

    /// Whose data the caller sees.
    pub fn tenant(&self) -> TenantId {
        self.caller.tenant.clone()
    }

    /// The chat model of this name, or the default one.
    ///
    /// # Errors
    /// An unknown name; or, where the default is a provider's first model, its failure to list them.
    pub async fn chat_model(&self, name: Option<&str>) -> Result<Arc<dyn ChatModel>, ModelError> {
        self.chat_model_of(&self.bundle, name).await
    }

    /// The same of this bundle, which is the server's for one request.
    pub(crate) async fn chat_model_of(
        &self,
        bundle: &Bundle,
        name: Option<&str>,
    ) -> Result<Arc<dyn ChatModel>, ModelError> {
        let own = self.own.as_ref().and_then(|own| own.default_chat());
        let configured = self.config.defaults.chat.as_deref();
        let name = match name.or(configured).or(own.as_deref()) {
            Some(name) => name,
            None => self.setup.default_chat_name().await?,
        };
        bundle.chat_model(name)
    }

    /// What the default embedding model's vectors are.
    ///
    /// # Errors
    /// An unknown model, or one that cannot be asked for the length of its vectors.
    pub async fn embedding_identity(&self) -> Result<EmbeddingIdentity, ModelError> {
        self.identity_of(&self.config.defaults.embedding).await
    }

    /// What the vectors of the embedding model of this name are.
    ///
    /// # Errors
    /// As [`embedding_identity`](Self::embedding_identity).
    pub async fn identity_of(&self, name: &str) -> Result<EmbeddingIdentity, ModelError> {
        let info = self.bundle.registry().embedding(name)?.info().clone();
        let dimensions = match info.limits.dimensions {
            Some(dimensions) => dimensions,
            None => self.vector_length(name).await?,
        };
        Ok(EmbeddingIdentity {
            model: info.name.to_string(),
            dimensions,
            ..EmbeddingIdentity::default()
        })
    }

    /// Asks the embedding model of this name how long its vectors are. Boxed as such, so that callers' futures can be
    /// seen to be `Send` without looking into the bundle's.
    fn vector_length(&self, name: &str) -> BoxFuture<'static, Result<u32, ModelError>> {
        let embedder = self.bundle.embedder(name);
        Box::pin(async move {
            let embedder: Arc<dyn EmbeddingModel> = Arc::new(embedder?);
            let probe = EmbeddingRequest {
                model: embedder.info().name.model.clone(),
                ..EmbeddingRequest::query("How long is a vector?")
            };
            let vectors = embedder.embed(probe).await?.vectors;
            Ok(vectors.first().map_or(0, Vec::len) as u32)
        })
    }
}
