//! [`Anthropic`]: one provider that speaks this dialect, and its models.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use llm_core::{
    ChatModel, ChatRequest, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::count_tokens::parse_count;
use super::errors;
use super::model;
use super::models::{models_path, parse_models};
use super::request::{Target, render_count_tokens};
use super::surface::{Surface, VertexProject};
use crate::Quirks;
use crate::accept::accept;
use crate::catalogue::ProviderEntry;
use crate::credentials::{TokenSource, authorise};
use crate::openai::AvailableModel;
use crate::raw::{RawRequest, RawResponse};
use crate::remote::Remote;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// Where Anthropic's own API begins.
const BASE_URL: &str = "https://api.anthropic.com/v1";

/// Pages of the list of models that are read at most.
const MAX_PAGES: usize = 20;

/// The version of the dialect that is spoken here.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

const VERSION_HEADER: HeaderName = HeaderName::from_static("anthropic-version");
const BETA_HEADER: HeaderName = HeaderName::from_static("anthropic-beta");
const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// A provider instance: one base URL, one way to authenticate, one pool of connections, any number of models. Cheap to
/// clone.
///
/// ```no_run
/// use llm_core::{ChatRequest, ChatResponse, Message};
/// use llm_providers::Anthropic;
///
/// # async fn example(key: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
/// let model = Anthropic::builder("anthropic").api_key(key).build()?.chat("claude-haiku-4-5");
/// let request = ChatRequest::new(vec![Message::user("Why is the sky blue?")]).streamed();
/// let answer = ChatResponse::collect(model.chat(request).await?).await?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Anthropic {
    shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    name: String,
    transport: Transport,
    surface: Surface,
    quirks: Quirks,
    /// Struck out of what the provider repeats.
    api_key: Option<SecretString>,
    tokens: Option<Arc<dyn TokenSource>>,
    /// Words for the header `anthropic-beta` of every request.
    betas: Vec<String>,
}

impl Anthropic {
    /// Begins a provider called `name` (the first half of its models' names) at Anthropic's own API.
    ///
    /// For Claude in Azure's Foundry give [`AnthropicBuilder::base_url`] `https://<resource>.services.ai.azure.com/anthropic/v1`,
    /// and the key, or a token source for Entra.
    pub fn builder(name: impl Into<String>) -> AnthropicBuilder {
        AnthropicBuilder {
            name: name.into(),
            base_url: BASE_URL.to_owned(),
            surface: Surface::Messages,
            api_key: None,
            tokens: None,
            headers: Vec::new(),
            betas: Vec::new(),
            quirks: Quirks::default(),
            options: TransportOptions::default(),
        }
    }

    /// Begins a provider of the [catalogue](crate::catalogue).
    pub fn from_entry(entry: &ProviderEntry) -> AnthropicBuilder {
        Self::builder(&entry.name).base_url(&entry.base_url).quirks(entry.quirks.clone())
    }

    /// Begins a provider called `name` for Claude on Vertex AI. `tokens` gives OAuth tokens with the scope
    /// `https://www.googleapis.com/auth/cloud-platform`.
    pub fn on_vertex(
        name: impl Into<String>,
        project: &VertexProject,
        tokens: Arc<dyn TokenSource>,
    ) -> AnthropicBuilder {
        AnthropicBuilder {
            surface: Surface::Vertex,
            ..Self::builder(name).base_url(project.base_url()).token_source(tokens)
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A chat model by the provider's name for it. Nothing is sent.
    pub fn chat(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.chat_with(ModelInfo::new(ModelName::new(self.name(), model), ModelKind::Chat))
    }

    /// A chat model of which more is known. Its output limit bounds the limit that answers get by default.
    pub fn chat_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        let limit = info.limits.output_tokens;
        let ask = move |shared, request| model::ask(shared, request, limit);
        Arc::new(Remote::over(&self.shared, info, ask))
    }

    /// Asks which models there are (`GET …/models`, page by page). The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call; `Unsupported` where Claude is served by another house, which has no such list.
    pub fn list_models(&self) -> BoxFuture<'static, Result<Vec<AvailableModel>, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let models = list_models(&shared).await;
            models.map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }

    /// Asks how many tokens the request's prompt has for [`ChatRequest::model`]. Nothing is generated. The future borrows
    /// nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call; a request that cannot be written is refused as in a chat.
    pub fn count_tokens(
        &self,
        request: ChatRequest,
    ) -> BoxFuture<'static, Result<u64, ModelError>> {
        let shared = self.shared.clone();
        let model = request.model.clone();
        Box::pin(async move {
            let count = count_tokens(&shared, request).await;
            count.map_err(|error| {
                error.during(Operation::CountTokens).at_if_unknown(&shared.name, &model)
            })
        })
    }
}

impl Anthropic {
    /// Asks for anything else (files, batches), with the instance's connections, credentials, limits and words for
    /// `anthropic-beta`. The future borrows nothing; dropping it cancels.
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
}

async fn list_models(shared: &Shared) -> Result<Vec<AvailableModel>, ModelError> {
    let operation = Operation::ListModels;
    if shared.surface != Surface::Messages {
        let message = "there is no list of models here";
        return Err(ModelError::new(ErrorKind::Unsupported, operation, message));
    }
    let mut models = Vec::new();
    let mut path = models_path(None);
    for _ in 0..MAX_PAGES {
        let mut headers = HeaderMap::new();
        shared.authorise(operation, &mut headers).await?;
        let response = shared.transport.ask(operation, Method::GET, &path, &[], headers).await?;
        let response = shared.accept(operation, response).await?;
        let page = parse_models(&shared.transport.read_body(operation, response).await?)?;
        models.extend(page.models);
        match page.next {
            Some(last) => path = models_path(Some(&last)),
            None => break,
        }
    }
    Ok(models)
}

async fn count_tokens(shared: &Shared, request: ChatRequest) -> Result<u64, ModelError> {
    let operation = Operation::CountTokens;
    let mut headers = transport::extra_headers(operation, &request.extra_headers)?;
    let rendered = render_count_tokens(request, &shared.target(None))?;
    shared.add_betas(&mut headers, &rendered.betas);
    let path = shared.surface.count_path();
    let response = shared.post(operation, path, headers, &rendered.body).await?;
    parse_count(&shared.transport.read_body(operation, response).await?)
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic")
            .field("name", &self.shared.name)
            .field("base_url", &self.shared.transport.base_url().as_str())
            .field("surface", &self.shared.surface)
            .finish()
    }
}

impl Shared {
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn surface(&self) -> Surface {
        self.surface
    }

    /// Who bodies are written for.
    pub(super) fn target(&self, output_limit: Option<u32>) -> Target {
        Target { surface: self.surface, output_limit, quirks: self.quirks.clone() }
    }

    /// Joins the words that the caller, the instance and the body want in `anthropic-beta`.
    pub(super) fn add_betas(&self, headers: &mut HeaderMap, of_body: &[&str]) {
        let given = headers.get(&BETA_HEADER).and_then(|value| value.to_str().ok());
        let given = given.unwrap_or_default().to_owned();
        let mut words: Vec<&str> = Vec::new();
        let all = given
            .split(',')
            .map(str::trim)
            .chain(self.betas.iter().map(String::as_str))
            .chain(of_body.iter().copied());
        for word in all {
            if !word.is_empty() && !words.contains(&word) {
                words.push(word);
            }
        }
        if let (false, Ok(value)) = (words.is_empty(), HeaderValue::try_from(words.join(","))) {
            headers.insert(BETA_HEADER, value);
        }
    }

    /// Sends a request and gives the response, if it is a success.
    pub(super) async fn post(
        &self,
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
        let response = self.transport.post(operation, path, headers, body).await?;
        self.accept(operation, response).await
    }

    async fn raw(&self, mut request: RawRequest) -> Result<RawResponse, ModelError> {
        let operation = Operation::Raw;
        let mut headers = transport::extra_headers(operation, &request.headers)?;
        request.headers.clear();
        self.add_betas(&mut headers, &[]);
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

/// Sets up an [`Anthropic`] provider.
#[derive(Clone)]
pub struct AnthropicBuilder {
    name: String,
    base_url: String,
    surface: Surface,
    api_key: Option<SecretString>,
    tokens: Option<Arc<dyn TokenSource>>,
    headers: Vec<(String, String)>,
    betas: Vec<String>,
    quirks: Quirks,
    options: TransportOptions,
}

impl AnthropicBuilder {
    /// The key, sent as `x-api-key`.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Where tokens come from that are sent as `Authorization: Bearer`. Wrap sources that ask somebody in
    /// [`CachedTokens`](crate::credentials::CachedTokens): one is asked for before every call.
    pub fn token_source(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Another base URL: what comes before `/messages`, and on Vertex before `/<model>:rawPredict`.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A header for every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A word for the header `anthropic-beta` of every request. Requests may add theirs by
    /// [`ChatRequest::extra_headers`].
    pub fn beta(mut self, word: impl Into<String>) -> Self {
        self.betas.push(word.into());
        self
    }

    /// How the provider differs from the dialect: only `drop`, `rename` and `models` mean something here.
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
    pub fn build(self) -> Result<Anthropic, BuildError> {
        let mut headers = HeaderMap::new();
        if self.surface == Surface::Messages {
            headers.insert(VERSION_HEADER, VERSION);
        }
        headers.extend(transport::instance_headers(&self.headers)?);
        if let Some(key) = &self.api_key {
            headers.insert(KEY_HEADER, transport::secret_header(&KEY_HEADER, key)?);
        }
        let transport = Transport::new(&self.base_url, headers, self.options)?;
        Ok(Anthropic {
            shared: Arc::new(Shared {
                name: self.name,
                transport,
                surface: self.surface,
                quirks: self.quirks,
                api_key: self.api_key,
                tokens: self.tokens,
                betas: self.betas,
            }),
        })
    }
}

impl fmt::Debug for AnthropicBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnthropicBuilder")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .field("surface", &self.surface)
            .field("api_key", &self.api_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_key() {
        let builder = Anthropic::builder("a").api_key("sk-secret".into());
        assert!(!format!("{builder:?}").contains("sk-secret"));
        let provider = builder.build().unwrap();
        assert!(!format!("{provider:?}").contains("sk-secret"));
    }

    #[test]
    fn words_for_betas_are_joined() {
        let provider = Anthropic::builder("a").beta("one").build().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(BETA_HEADER, HeaderValue::from_static("two, one"));
        provider.shared.add_betas(&mut headers, &["three"]);
        assert_eq!(headers[BETA_HEADER], "two,one,three");
    }
}
