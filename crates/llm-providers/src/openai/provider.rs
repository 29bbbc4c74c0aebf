//! [`OpenAi`]: one provider that speaks the OpenAI dialect, and its models.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method};
use llm_core::{
    ChatModel, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
    RerankModel,
};
use reqwest::Response;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::chat;
use super::embeddings;
use super::errors;
use super::rerank::{self, Place};
use crate::Quirks;
use crate::accept::accept;
use crate::catalogue::ProviderEntry;
use crate::credentials::{TokenSource, authorise};
#[cfg(feature = "audio")]
use crate::form::Form;
use crate::path_segment::path_segment;
use crate::raw::{RawRequest, RawResponse};
use crate::remote::Remote;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// A provider instance: one base URL, one key, one pool of connections, any number of models. Cheap to clone.
#[derive(Clone)]
pub struct OpenAi {
    pub(super) shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) quirks: Quirks,
    routing: Routing,
    pub(super) rerank: Place,
    api_key: Option<SecretString>,
    tokens: Option<Arc<dyn TokenSource>>,
}

/// Where the operations of a model are asked, below the base URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Routing {
    /// All at the same address; the body names the model.
    #[default]
    Plain,
    /// Below the model's own address.
    Deployments,
}

impl OpenAi {
    /// Begins a provider called `name` (the first half of its models' names) at `base_url` (what comes before
    /// `/chat/completions`).
    pub fn builder(name: impl Into<String>, base_url: impl Into<String>) -> OpenAiBuilder {
        OpenAiBuilder {
            name: name.into(),
            base_url: base_url.into(),
            routing: Routing::default(),
            key_header: AUTHORIZATION,
            api_key: None,
            tokens: None,
            headers: Vec::new(),
            quirks: Quirks::default(),
            options: TransportOptions::default(),
        }
    }

    /// Begins a provider of the [catalogue](crate::catalogue).
    pub fn from_entry(entry: &ProviderEntry) -> OpenAiBuilder {
        Self::builder(&entry.name, &entry.base_url).quirks(entry.quirks.clone())
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
        Arc::new(Remote::over(&self.shared, info, chat::ask))
    }

    /// A model behind the interface of completions ([`completions`](super::completions)), by the provider's name for it.
    /// Nothing is sent.
    pub fn completions(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        let info = self.info(model, ModelKind::Chat);
        Arc::new(Remote::over(&self.shared, info, super::completions::ask))
    }

    /// A chat model behind the Responses API, by the provider's name for it. Nothing is sent.
    #[cfg(feature = "openai-responses")]
    pub fn responses(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.responses_with(self.info(model, ModelKind::Chat))
    }

    /// A chat model behind the Responses API of which more is known.
    #[cfg(feature = "openai-responses")]
    pub fn responses_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        Arc::new(Remote::over(&self.shared, info, super::responses::ask))
    }

    /// Responses that the provider keeps: answers in the background, and earlier ones.
    #[cfg(feature = "openai-responses")]
    pub fn stored_responses(&self) -> super::responses::StoredResponses {
        super::responses::StoredResponses::new(self.shared.clone())
    }

    /// An embedding model by the provider's name for it. Nothing is sent.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        self.embedding_with(self.info(model, ModelKind::Embedding))
    }

    /// An embedding model of which more is known.
    pub fn embedding_with(&self, info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        embeddings::model(&self.shared, info)
    }

    /// A rerank model by the provider's name for it; [`Quirks::rerank`] tells how it is asked. Nothing is sent.
    pub fn rerank(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        self.rerank_with(self.info(model, ModelKind::Rerank))
    }

    /// A rerank model of which more is known. [`Limits::batch`](llm_core::Limits::batch) is the most documents of one
    /// call; larger requests become several.
    pub fn rerank_with(&self, info: ModelInfo) -> Arc<dyn RerankModel> {
        rerank::model(&self.shared, info)
    }

    /// Asks which models there are (`GET …/models`). The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn list_models(&self) -> BoxFuture<'static, Result<Vec<AvailableModel>, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let operation = Operation::ListModels;
            let list = async {
                let response =
                    shared.ask(operation, Method::GET, shared.own_path("models"), &[]).await?;
                let body = shared.transport.read_body(operation, response).await?;
                parse_models(&body)
            };
            list.await.map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }

    /// Asks for anything else, with the instance's connections, credentials and limits. The future borrows nothing;
    /// dropping it cancels.
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

    pub(super) fn info(&self, model: impl Into<String>, kind: ModelKind) -> ModelInfo {
        ModelInfo::new(ModelName::new(self.name(), model), kind)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("name", &self.shared.name)
            .field("base_url", &self.shared.transport.base_url().as_str())
            .finish()
    }
}

impl Shared {
    /// The provider's path for what the dialect calls `path`.
    pub(super) fn own_path<'a>(&'a self, path: &'a str) -> &'a str {
        self.quirks.paths.get(path).map_or(path, String::as_str)
    }

    /// The path of a model's operation, which the dialect calls `path`.
    pub(super) fn path_for<'a>(&'a self, model: &str, path: &'a str) -> Cow<'a, str> {
        let path = self.own_path(path);
        match self.routing {
            Routing::Plain => Cow::Borrowed(path),
            Routing::Deployments => {
                Cow::Owned(format!("deployments/{}/{path}", path_segment(model)))
            }
        }
    }

    /// Sends a request for a model.
    pub(super) async fn post(
        &self,
        operation: Operation,
        path: &str,
        headers: HeaderMap,
        body: &Map<String, Value>,
    ) -> Result<Response, ModelError> {
        self.post_to(&self.transport, operation, path, headers, body).await
    }

    /// The same to another base URL of the provider.
    pub(super) async fn post_to(
        &self,
        transport: &Transport,
        operation: Operation,
        path: &str,
        mut headers: HeaderMap,
        body: &Map<String, Value>,
    ) -> Result<Response, ModelError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            ModelError::new(ErrorKind::InvalidRequest, operation, "the request is no JSON")
                .with_source(error)
        })?;
        self.authorise(operation, &mut headers).await?;
        let response = transport.post(operation, path, headers, body).await?;
        self.accept(operation, response).await
    }

    /// Sends a form for a model.
    #[cfg(feature = "audio")]
    pub(super) async fn post_form(
        &self,
        operation: Operation,
        path: &str,
        mut headers: HeaderMap,
        form: Form,
    ) -> Result<Response, ModelError> {
        self.authorise(operation, &mut headers).await?;
        let response = self.transport.post_form(operation, path, headers, form).await?;
        self.accept(operation, response).await
    }

    /// Sends a request without a body.
    pub(super) async fn ask(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Response, ModelError> {
        let mut headers = HeaderMap::new();
        self.authorise(operation, &mut headers).await?;
        let response = self.transport.ask(operation, method, path, query, headers).await?;
        self.accept(operation, response).await
    }

    async fn raw(&self, request: RawRequest) -> Result<RawResponse, ModelError> {
        let operation = Operation::Raw;
        let mut headers = HeaderMap::new();
        self.authorise(operation, &mut headers).await?;
        let response = self.transport.send(operation, request, headers).await?;
        let response = self.accept(operation, response).await?;
        self.transport.read_raw(operation, response).await
    }

    async fn authorise(
        &self,
        operation: Operation,
        headers: &mut HeaderMap,
    ) -> Result<(), ModelError> {
        match &self.tokens {
            Some(tokens) => authorise(&**tokens, operation, headers).await,
            None => Ok(()),
        }
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

/// Sets up an [`OpenAi`] provider.
#[derive(Clone)]
pub struct OpenAiBuilder {
    name: String,
    base_url: String,
    routing: Routing,
    key_header: HeaderName,
    api_key: Option<SecretString>,
    tokens: Option<Arc<dyn TokenSource>>,
    headers: Vec<(String, String)>,
    quirks: Quirks,
    options: TransportOptions,
}

impl OpenAiBuilder {
    /// The key, sent as `Authorization: Bearer` (on Azure as `api-key`). Servers on the own machine often need none.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// The key goes as it is into a header of this name.
    pub(super) fn key_header(mut self, name: HeaderName) -> Self {
        self.key_header = name;
        self
    }

    pub(super) fn routing(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// Where tokens come from that are sent as `Authorization: Bearer` in place of a key. Wrap sources that ask somebody in
    /// [`CachedTokens`](crate::credentials::CachedTokens): one is asked for before every call.
    pub fn token_source(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Another base URL.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A header for every request (`OpenAI-Organization`, `HTTP-Referer` …).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How the provider differs from the dialect.
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
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
    pub fn build(self) -> Result<OpenAi, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            let value = if self.key_header == AUTHORIZATION {
                transport::bearer(key)?.1
            } else {
                transport::secret_header(&self.key_header, key)?
            };
            headers.insert(self.key_header.clone(), value);
        }
        let elsewhere = self.quirks.rerank.elsewhere(&self.base_url);
        let rerank = Place {
            transport: elsewhere
                .map(|place| Transport::new(&place.base_url, headers.clone(), self.options.clone()))
                .transpose()?,
            path: self.quirks.rerank.path(elsewhere).to_owned(),
        };
        let transport = Transport::new(&self.base_url, headers, self.options)?;
        let Self { name, api_key, tokens, quirks, routing, .. } = self;
        Ok(OpenAi {
            shared: Arc::new(Shared { name, transport, quirks, rerank, routing, api_key, tokens }),
        })
    }
}

impl fmt::Debug for OpenAiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBuilder")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .field("has_api_key", &self.api_key.is_some())
            .field("has_token_source", &self.tokens.is_some())
            .finish_non_exhaustive()
    }
}

/// A model that a provider lists.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AvailableModel {
    /// The provider's name for it.
    pub id: String,
    /// When it appeared, in seconds since the epoch.
    #[serde(default)]
    pub created: Option<i64>,
    /// Whose it is.
    #[serde(default)]
    pub owned_by: Option<String>,
    /// Whatever else the provider tells (context length, prices …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `{"data": [{"id": …}]}`, or the bare list as some providers send it. Entries without a name are left out.
fn parse_models(body: &[u8]) -> Result<Vec<AvailableModel>, ModelError> {
    let malformed = || {
        ModelError::new(ErrorKind::Malformed, Operation::ListModels, "this is no list of models")
    };
    let list: Value =
        serde_json::from_slice(body).map_err(|error| malformed().with_source(error))?;
    let entries = match list {
        Value::Array(entries) => entries,
        Value::Object(mut fields) => match fields.remove("data") {
            Some(Value::Array(entries)) => entries,
            _ => return Err(malformed()),
        },
        _ => return Err(malformed()),
    };
    Ok(entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_key() {
        let builder = OpenAi::builder("a", "http://127.0.0.1:1").api_key("sk-secret".into());
        assert!(!format!("{builder:?}").contains("sk-secret"));
        let provider = builder.build().unwrap();
        assert!(!format!("{provider:?}").contains("sk-secret"));
    }

    #[test]
    fn reads_lists_of_models() {
        let names = |body: &str| {
            parse_models(body.as_bytes())
                .map(|models| models.into_iter().map(|model| model.id).collect::<Vec<_>>())
        };
        let body =
            r#"{"object":"list","data":[{"id":"a","created":1,"context_length":5},{"no":"id"}]}"#;
        assert_eq!(names(body).unwrap(), ["a"]);
        assert_eq!(names(r#"[{"id":"b","created":null}]"#).unwrap(), ["b"]);
        assert_eq!(names("{}").unwrap_err().kind(), ErrorKind::Malformed);
    }
}
