//! [`Ollama`]: one server, and its models.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::HeaderMap;
use llm_core::{
    ChatModel, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::context::ContextWindow;
use super::embeddings::{self, EmbeddingEndpoint};
use super::errors;
use super::model::{self, Endpoint};
use super::models::{self, AvailableModel};
use crate::ThinkTags;
use crate::accept::accept;
use crate::catalogue::ProviderEntry;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// A server: one base URL, one pool of connections, any number of models. Cheap to clone.
#[derive(Clone)]
pub struct Ollama {
    shared: Arc<Shared>,
}

/// What all models of one server share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) context: ContextWindow,
    pub(super) embedding_endpoint: EmbeddingEndpoint,
    pub(super) think_tags: ThinkTags,
    keep_alive: Option<Value>,
    api_key: Option<SecretString>,
}

impl Ollama {
    /// Begins a server called `name` (the first half of its models' names) at `base_url`, which is what comes before
    /// `/api/chat`. A base URL of the server's OpenAI dialect (`…/v1`) is understood, too.
    pub fn builder(name: impl Into<String>, base_url: impl Into<String>) -> OllamaBuilder {
        OllamaBuilder {
            name: name.into(),
            base_url: base_url.into(),
            api_key: None,
            headers: Vec::new(),
            context: ContextWindow::default(),
            embedding_endpoint: EmbeddingEndpoint::default(),
            think_tags: ThinkTags::default(),
            keep_alive: None,
            options: TransportOptions::default(),
        }
    }

    /// Begins a provider of the [catalogue](crate::catalogue).
    pub fn from_entry(entry: &ProviderEntry) -> OllamaBuilder {
        Self::builder(&entry.name, &entry.base_url)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A chat model by the server's name for it. Nothing is sent.
    pub fn chat(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.chat_with(self.info(model, ModelKind::Chat))
    }

    /// A chat model of which more is known, from [`Ollama::show`] for instance.
    pub fn chat_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        model::model(&self.shared, info, Endpoint::Chat)
    }

    /// A model asked for completions (`/api/generate`): instructions become its system prompt, all other texts the
    /// prompt. Nothing is sent.
    pub fn completion(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        let info = self.info(model, ModelKind::Chat);
        model::model(&self.shared, info, Endpoint::Generate)
    }

    /// An embedding model by the server's name for it. Nothing is sent.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        self.embedding_with(self.info(model, ModelKind::Embedding))
    }

    /// An embedding model of which more is known. [`Limits::batch`](llm_core::Limits::batch) is the most texts of one
    /// call; larger requests become several.
    pub fn embedding_with(&self, info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        embeddings::model(&self.shared, info)
    }

    /// Asks what the server knows of a model (`POST /api/show`): context length, length of vectors, capabilities. The
    /// future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call; `NotFound` for a model that the server does not have.
    pub fn show(
        &self,
        model: impl Into<String>,
    ) -> BoxFuture<'static, Result<ModelInfo, ModelError>> {
        let (shared, model) = (self.shared.clone(), model.into());
        Box::pin(async move {
            let info = models::show(&shared, &model).await;
            info.map_err(|error| error.at_if_unknown(&shared.name, &model))
        })
    }

    /// Asks which models there are (`GET /api/tags`). The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn list_models(&self) -> BoxFuture<'static, Result<Vec<AvailableModel>, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            models::list(&shared).await.map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }

    fn info(&self, model: impl Into<String>, kind: ModelKind) -> ModelInfo {
        ModelInfo::new(ModelName::new(self.name(), model), kind)
    }
}

impl fmt::Debug for Ollama {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ollama")
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
        self.accept(operation, response).await
    }

    pub(super) async fn get(
        &self,
        operation: Operation,
        path: &str,
    ) -> Result<Response, ModelError> {
        let response = self.transport.get(operation, path).await?;
        self.accept(operation, response).await
    }

    async fn accept(
        &self,
        operation: Operation,
        response: Response,
    ) -> Result<Response, ModelError> {
        let key = self.api_key.as_ref();
        accept(&self.transport, operation, response, key, errors::from_response).await
    }

    /// Says how long the model stays in memory, unless the body does.
    pub(super) fn add_keep_alive(&self, body: &mut Map<String, Value>) {
        if let Some(keep_alive) = &self.keep_alive {
            body.entry("keep_alive").or_insert_with(|| keep_alive.clone());
        }
    }
}

/// Sets up an [`Ollama`] server.
#[derive(Clone, Debug)]
pub struct OllamaBuilder {
    name: String,
    base_url: String,
    api_key: Option<SecretString>,
    headers: Vec<(String, String)>,
    context: ContextWindow,
    embedding_endpoint: EmbeddingEndpoint,
    think_tags: ThinkTags,
    keep_alive: Option<Value>,
    options: TransportOptions,
}

impl OllamaBuilder {
    /// The key, sent as `Authorization: Bearer`: for `https://ollama.com` and for servers behind a gate.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Another base URL.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A header for every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How large a context the server makes room for.
    pub fn context(mut self, context: ContextWindow) -> Self {
        self.context = context;
        self
    }

    /// Where texts are embedded, for servers before 0.3.0.
    pub fn embedding_endpoint(mut self, endpoint: EmbeddingEndpoint) -> Self {
        self.embedding_endpoint = endpoint;
        self
    }

    /// What becomes of `<think>` tags in text: servers before 0.9 leave them there.
    pub fn think_tags(mut self, tags: ThinkTags) -> Self {
        self.think_tags = tags;
        self
    }

    /// How long a model stays in the server's memory after a call: a length of time as the server writes it (`"10m"`,
    /// `"-1s"` for ever) or a number of seconds.
    pub fn keep_alive(mut self, keep_alive: impl Into<Value>) -> Self {
        self.keep_alive = Some(keep_alive.into());
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
    pub fn build(self) -> Result<Ollama, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            let (name, value) = transport::bearer(key)?;
            headers.insert(name, value);
        }
        let base_url = own_base(&self.base_url);
        let transport = Transport::new(base_url, headers, self.options)?;
        let shared = Shared {
            name: self.name,
            transport,
            context: self.context,
            embedding_endpoint: self.embedding_endpoint,
            think_tags: self.think_tags,
            keep_alive: self.keep_alive,
            api_key: self.api_key,
        };
        Ok(Ollama { shared: Arc::new(shared) })
    }
}

/// The base URL of the server's own API, out of that or of one that goes a step further.
fn own_base(base_url: &str) -> &str {
    let base = base_url.trim_end_matches('/');
    base.strip_suffix("/v1").or(base.strip_suffix("/api")).unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_may_go_a_step_further() {
        for base_url in ["http://a:1", "http://a:1/", "http://a:1/v1/", "http://a:1/api"] {
            assert_eq!(own_base(base_url), "http://a:1");
        }
    }

    #[test]
    fn nothing_shows_the_key() {
        let builder = Ollama::builder("a", "http://127.0.0.1:1").api_key("sk-secret".into());
        assert!(!format!("{builder:?}").contains("sk-secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("sk-secret"));
    }
}
