//! [`Gemini`]: one provider that speaks Gemini's dialect, and its models.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use llm_core::{
    ChatModel, ChatRequest, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName,
    Operation,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::count_tokens::{self, TokenCount};
use super::embeddings;
use super::endpoint::Service;
use super::errors;
use super::model;
use super::models::{self, AvailableModel};
use crate::accept::accept;
use crate::catalogue::ProviderEntry;
use crate::credentials::{TokenSource, authorise};
use crate::raw::{RawRequest, RawResponse};
use crate::remote::Remote;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// Where the Gemini API begins.
const GEMINI_API: &str = "https://generativelanguage.googleapis.com/v1beta";

/// A provider instance: one base URL, one key or source of tokens, one pool of connections, any number of models. Cheap
/// to clone.
#[derive(Clone)]
pub struct Gemini {
    shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) service: Service,
    pub(super) transport: Transport,
    /// Struck out of what the provider repeats.
    api_key: Option<SecretString>,
    tokens: Option<Arc<dyn TokenSource>>,
}

impl Gemini {
    /// Begins a provider called `name` (the first half of its models' names) on the Gemini API.
    pub fn builder(name: impl Into<String>) -> GeminiBuilder {
        GeminiBuilder {
            name: name.into(),
            base_url: GEMINI_API.to_owned(),
            service: Service::GeminiApi,
            api_key: None,
            tokens: None,
            headers: Vec::new(),
            options: TransportOptions::default(),
        }
    }

    /// Begins a provider called `name` on Vertex AI, for a project and a location (`us-central1`, `global`, or one of the
    /// multi-regions `us` and `eu`).
    pub fn vertex(
        name: impl Into<String>,
        project: impl AsRef<str>,
        location: impl AsRef<str>,
    ) -> GeminiBuilder {
        let (project, location) = (project.as_ref(), location.as_ref());
        let host = match location {
            "global" => "aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
            region => format!("{region}-aiplatform.googleapis.com"),
        };
        let base_url = format!("https://{host}/v1/projects/{project}/locations/{location}");
        Self::builder(name).service(Service::Vertex).base_url(base_url)
    }

    /// Begins a provider of the [catalogue](crate::catalogue).
    pub fn from_entry(entry: &ProviderEntry) -> GeminiBuilder {
        Self::builder(&entry.name).base_url(&entry.base_url)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A chat model by the provider's name for it. Nothing is sent.
    pub fn chat(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.chat_with(self.info(model, ModelKind::Chat))
    }

    /// A chat model of which more is known.
    pub fn chat_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        Arc::new(Remote::over(&self.shared, info, model::ask))
    }

    /// An embedding model by the provider's name for it. Nothing is sent. Its
    /// [`Limits::batch`](llm_core::Limits::batch) is the most inputs that one call of the provider takes.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        let mut info = self.info(model, ModelKind::Embedding);
        let batch = embeddings::largest_batch(self.shared.service, &info.name.model);
        info.limits.batch = Some(batch);
        self.embedding_with(info)
    }

    /// An embedding model of which more is known.
    pub fn embedding_with(&self, info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        Arc::new(Remote::over(&self.shared, info, embeddings::ask))
    }

    /// Counts the tokens of a request by the model's own tokenizer (`countTokens`), tools and instructions included.
    /// Nothing is generated. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn count_tokens(
        &self,
        request: ChatRequest,
    ) -> BoxFuture<'static, Result<TokenCount, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let model = request.model.clone();
            let count = count_tokens::ask(&shared, request).await;
            count.map_err(|error| error.at_if_unknown(&shared.name, &model))
        })
    }

    /// Asks which models there are (`GET …/models`), all pages of them. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call; `Unsupported` on Vertex AI, which has no such list.
    pub fn list_models(&self) -> BoxFuture<'static, Result<Vec<AvailableModel>, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            models::list(&shared).await.map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }

    /// Asks for anything else (files, caches, batches), with the instance's connections, credentials and limits. The future
    /// borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call: a status that is no success is the failure that it tells.
    pub fn raw(&self, request: RawRequest) -> BoxFuture<'static, Result<RawResponse, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let answer = shared.raw(request).await;
            answer.map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }

    fn info(&self, model: impl Into<String>, kind: ModelKind) -> ModelInfo {
        ModelInfo::new(ModelName::new(self.name(), model), kind)
    }
}

impl fmt::Debug for Gemini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemini")
            .field("name", &self.shared.name)
            .field("service", &self.shared.service)
            .field("base_url", &self.shared.transport.base_url().as_str())
            .finish()
    }
}

impl Shared {
    /// Calls a method of a model.
    pub(super) async fn call(
        &self,
        operation: Operation,
        model: &str,
        method: &str,
        mut headers: HeaderMap,
        body: &Map<String, Value>,
    ) -> Result<Response, ModelError> {
        let path = self.service.path(operation, model, method)?;
        // The method that streams answers an array unless it is asked for events.
        let query = if method == "streamGenerateContent" { "?alt=sse" } else { "" };
        let body = serde_json::to_vec(body).map_err(|error| {
            ModelError::new(ErrorKind::InvalidRequest, operation, "the request is no JSON")
                .with_source(error)
        })?;
        if let Some(tokens) = &self.tokens {
            authorise(&**tokens, operation, &mut headers).await?;
        }
        let path = format!("{path}{query}");
        let response = self.transport.post(operation, &path, headers, body).await?;
        self.accept(operation, response).await
    }

    /// Asks for a path below the base URL.
    pub(super) async fn get(
        &self,
        operation: Operation,
        path: &str,
    ) -> Result<Response, ModelError> {
        let response = self.transport.get(operation, path).await?;
        self.accept(operation, response).await
    }

    async fn raw(&self, request: RawRequest) -> Result<RawResponse, ModelError> {
        let operation = Operation::Raw;
        let mut headers = HeaderMap::new();
        if let Some(tokens) = &self.tokens {
            authorise(&**tokens, operation, &mut headers).await?;
        }
        let response = self.transport.send(operation, request, headers).await?;
        let response = self.accept(operation, response).await?;
        self.transport.read_raw(operation, response).await
    }

    /// The response if it is a success, else the failure that it tells.
    async fn accept(
        &self,
        operation: Operation,
        response: Response,
    ) -> Result<Response, ModelError> {
        let key = self.api_key.as_ref();
        let read = errors::from_response;
        let accepted = accept(&self.transport, operation, response, key, read).await;
        if let (Err(error), Some(tokens)) = (&accepted, &self.tokens)
            && error.kind() == ErrorKind::Authentication
        {
            tokens.refused();
        }
        accepted
    }
}

/// Sets up a [`Gemini`] provider.
#[derive(Clone)]
pub struct GeminiBuilder {
    name: String,
    base_url: String,
    service: Service,
    api_key: Option<SecretString>,
    tokens: Option<Arc<dyn TokenSource>>,
    headers: Vec<(String, String)>,
    options: TransportOptions,
}

impl GeminiBuilder {
    /// The key of the Gemini API (or of Vertex AI's express mode), sent as `x-goog-api-key`.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Where access tokens come from, for Vertex AI. Wrap sources that ask somebody in
    /// [`CachedTokens`](crate::credentials::CachedTokens): one is asked for before every call.
    pub fn token_source(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Another base URL: what comes before `/models/…` (Gemini API) or `/publishers/…` (Vertex AI).
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Which service answers at the base URL.
    pub fn service(mut self, service: Service) -> Self {
        self.service = service;
        self
    }

    /// A header for every request (`x-goog-user-project`, say).
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
    pub fn build(self) -> Result<Gemini, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            const NAME: HeaderName = HeaderName::from_static("x-goog-api-key");
            headers.insert(NAME, transport::secret_header(&NAME, key)?);
        }
        let transport = Transport::new(&self.base_url, headers, self.options)?;
        let Self { name, service, api_key, tokens, .. } = self;
        Ok(Gemini { shared: Arc::new(Shared { name, transport, service, api_key, tokens }) })
    }
}

impl fmt::Debug for GeminiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeminiBuilder")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .field("service", &self.service)
            .field("has_api_key", &self.api_key.is_some())
            .field("has_token_source", &self.tokens.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_key() {
        let builder = Gemini::builder("a").api_key("AIza-secret".into());
        assert!(!format!("{builder:?}").contains("AIza"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("AIza"));
        let error = Gemini::builder("a").api_key("AIza\nsecret".into()).build().unwrap_err();
        assert!(!format!("{error:?} {error}").contains("AIza"));
    }

    #[test]
    fn locations_have_their_hosts() {
        for (location, host) in [
            ("us-central1", "us-central1-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            let provider = Gemini::vertex("v", "p", location).build().unwrap();
            let expected = format!("https://{host}/v1/projects/p/locations/{location}");
            assert_eq!(provider.shared.transport.base_url().as_str(), expected);
        }
    }
}
