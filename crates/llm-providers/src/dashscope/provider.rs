//! [`DashScope`]: one account of the service, and its models.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use llm_core::{
    ChatModel, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
    RerankModel,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{embeddings, errors, model, rerank};
use crate::accept::accept;
use crate::catalogue::ProviderEntry;
use crate::remote::Remote;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// Where the service is in mainland China. Elsewhere it is at addresses of its own (`dashscope-intl`, `dashscope-us`, one
/// for each workspace).
const BEIJING: &str = "https://dashscope.aliyuncs.com/api/v1";

/// A provider instance: one base URL, one key, one pool of connections, any number of models. Cheap to clone.
#[derive(Clone)]
pub struct DashScope {
    shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    name: String,
    pub(super) transport: Transport,
    api_key: Option<SecretString>,
}

impl DashScope {
    /// Begins a provider called `name` (the first half of its models' names) in mainland China.
    pub fn builder(name: impl Into<String>) -> DashScopeBuilder {
        DashScopeBuilder {
            name: name.into(),
            base_url: BEIJING.to_owned(),
            api_key: None,
            headers: Vec::new(),
            options: TransportOptions::default(),
        }
    }

    /// Begins a provider of the [catalogue](crate::catalogue).
    pub fn from_entry(entry: &ProviderEntry) -> DashScopeBuilder {
        Self::builder(&entry.name).base_url(&entry.base_url)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A chat model by the service's name for it. Nothing is sent.
    pub fn chat(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.chat_with(self.info(model, ModelKind::Chat))
    }

    /// A chat model of which more is known.
    pub fn chat_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        Arc::new(Remote::over(&self.shared, info, model::ask))
    }

    /// An embedding model by the service's name for it. Nothing is sent.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        self.embedding_with(self.info(model, ModelKind::Embedding))
    }

    /// An embedding model of which more is known. [`Limits::batch`](llm_core::Limits::batch) is the most texts of one
    /// call; larger requests become several.
    pub fn embedding_with(&self, info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        embeddings::model(&self.shared, info)
    }

    /// A rerank model by the service's name for it. Nothing is sent.
    pub fn rerank(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        self.rerank_with(self.info(model, ModelKind::Rerank))
    }

    /// A rerank model of which more is known.
    pub fn rerank_with(&self, info: ModelInfo) -> Arc<dyn RerankModel> {
        rerank::model(&self.shared, info)
    }

    fn info(&self, model: impl Into<String>, kind: ModelKind) -> ModelInfo {
        ModelInfo::new(ModelName::new(self.name(), model), kind)
    }
}

impl fmt::Debug for DashScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashScope")
            .field("name", &self.shared.name)
            .field("base_url", &self.shared.transport.base_url().as_str())
            .finish()
    }
}

impl Shared {
    pub(super) async fn post(
        &self,
        operation: Operation,
        path: &str,
        headers: HeaderMap,
        body: &Map<String, Value>,
    ) -> Result<Response, ModelError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            ModelError::new(ErrorKind::InvalidRequest, operation, "the request is no JSON")
                .with_source(error)
        })?;
        let response = self.transport.post(operation, path, headers, body).await?;
        let key = self.api_key.as_ref();
        accept(&self.transport, operation, response, key, errors::from_response).await
    }
}

/// Sets up a [`DashScope`] provider.
#[derive(Clone, Debug)]
pub struct DashScopeBuilder {
    name: String,
    base_url: String,
    api_key: Option<SecretString>,
    headers: Vec<(String, String)>,
    options: TransportOptions,
}

impl DashScopeBuilder {
    /// The key, sent as `Authorization: Bearer`. A key belongs to one region.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Another base URL: what comes before `/services/…`.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A header for every request (`X-DashScope-WorkSpace`, `X-DashScope-DataInspection` …).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Limits and options of its connections.
    pub fn transport(mut self, options: TransportOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets it up. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or TLS is not in order.
    pub fn build(self) -> Result<DashScope, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            let (name, value) = transport::bearer(key)?;
            headers.insert(name, value);
        }
        let transport = Transport::new(&self.base_url, headers, self.options)?;
        let shared = Shared { name: self.name, transport, api_key: self.api_key };
        Ok(DashScope { shared: Arc::new(shared) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_key() {
        let builder = DashScope::builder("a").api_key("sk-secret".into());
        assert!(!format!("{builder:?}").contains("sk-secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("sk-secret"));
    }
}
