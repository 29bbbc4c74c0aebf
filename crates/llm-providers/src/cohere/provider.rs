//! [`Cohere`]: one account at Cohere, or a server that copies its API, and the models there.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::HeaderMap;
use llm_core::{
    ChatModel, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
    RerankModel, ScoreType, TranscriptionModel,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::model::{self, Api};
use super::tokenize::{self, Tokens};
use super::transcription::CohereTranscription;
use super::{CohereVersion, embeddings, errors, models, rerank};
use crate::Quirks;
use crate::accept::accept;
use crate::catalogue::ProviderEntry;
use crate::openai::AvailableModel;
use crate::raw::{RawRequest, RawResponse};
use crate::remote::Remote;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// Where Cohere's own API begins, versions left out.
const BASE_URL: &str = "https://api.cohere.com";

/// A provider instance: one base URL, one key, one pool of connections, any number of models. Cheap to clone.
///
/// ```no_run
/// use llm_core::{ChatRequest, ChatResponse, Message, RerankRequest};
/// use llm_providers::Cohere;
///
/// # async fn example(key: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
/// let cohere = Cohere::builder("cohere").api_key(key).build()?;
/// let request = ChatRequest::new(vec![Message::user("Why is the sky blue?")]).streamed();
/// let answer = cohere.chat("command-a-03-2025").chat(request).await?;
/// println!("{}", ChatResponse::collect(answer).await?.text());
///
/// let request = RerankRequest {
///     query: "Which is blue?".into(),
///     documents: vec!["the sky".into(), "grass".into()],
///     ..RerankRequest::default()
/// };
/// println!("{:?}", cohere.rerank("rerank-v3.5").rerank(request).await?.results);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cohere {
    shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) version: CohereVersion,
    pub(super) quirks: Quirks,
    api_key: Option<SecretString>,
}

impl Cohere {
    /// Begins a provider called `name` (the first half of its models' names) at Cohere's own API, version 2.
    pub fn builder(name: impl Into<String>) -> CohereBuilder {
        CohereBuilder {
            name: name.into(),
            base_url: BASE_URL.to_owned(),
            version: CohereVersion::default(),
            api_key: None,
            headers: Vec::new(),
            quirks: Quirks::default(),
            options: TransportOptions::default(),
        }
    }

    /// Begins a provider of the [catalogue](crate::catalogue).
    pub fn from_entry(entry: &ProviderEntry) -> CohereBuilder {
        Self::builder(&entry.name).base_url(&entry.base_url).quirks(entry.quirks.clone())
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
        let api = match self.shared.version {
            CohereVersion::V2 => Api::V2,
            CohereVersion::V1 => Api::V1,
        };
        self.chat_through(api, info)
    }

    fn chat_through(&self, api: Api, info: ModelInfo) -> Arc<dyn ChatModel> {
        Arc::new(Remote::over(&self.shared, info, move |shared, request| {
            model::ask(shared, api, request)
        }))
    }

    /// A model behind `POST /v1/generate`, which goes on with a prompt and knows no roles
    /// ([`v1::render_generate`](super::v1::render_generate) tells what a conversation becomes). Cohere itself no longer
    /// serves it; others do. Nothing is sent.
    pub fn generate(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.generate_with(self.info(model, ModelKind::Chat))
    }

    /// A model behind `POST /v1/generate` of which more is known.
    pub fn generate_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        self.chat_through(Api::Generate, info)
    }

    /// An embedding model by the provider's name for it. Nothing is sent.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        self.embedding_with(self.info(model, ModelKind::Embedding))
    }

    /// An embedding model of which more is known.
    pub fn embedding_with(&self, mut info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        info.limits.batch.get_or_insert(embeddings::BATCH);
        Arc::new(Remote::over(&self.shared, info, embeddings::ask))
    }

    /// A rerank model by the provider's name for it. Nothing is sent.
    pub fn rerank(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        self.rerank_with(self.info(model, ModelKind::Rerank))
    }

    /// A rerank model of which more is known.
    pub fn rerank_with(&self, mut info: ModelInfo) -> Arc<dyn RerankModel> {
        info.scores.get_or_insert(ScoreType::Probability);
        info.limits.batch.get_or_insert(rerank::MAX_DOCUMENTS);
        Arc::new(Remote::over(&self.shared, info, rerank::ask))
    }

    /// A transcription model by the provider's name for it. Nothing is sent.
    pub fn transcription(&self, model: impl Into<String>) -> Arc<dyn TranscriptionModel> {
        self.transcription_with(self.info(model, ModelKind::Transcription))
    }

    /// A transcription model of which more is known.
    pub fn transcription_with(&self, info: ModelInfo) -> Arc<dyn TranscriptionModel> {
        Arc::new(CohereTranscription::new(self.shared.clone(), info))
    }

    /// Asks which models there are (`GET /v1/models`, page by page). Context length, endpoints and features of each stand
    /// in [`AvailableModel::extra`]. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn list_models(&self) -> BoxFuture<'static, Result<Vec<AvailableModel>, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let models = models::list(&shared).await;
            models.map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }

    /// Asks about one model (`GET /v1/models/{model}`). The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call; `NotFound` when there is none of that name.
    pub fn find_model(
        &self,
        model: impl Into<String>,
    ) -> BoxFuture<'static, Result<AvailableModel, ModelError>> {
        let (shared, model) = (self.shared.clone(), model.into());
        Box::pin(async move {
            let found = models::find(&shared, &model).await;
            found.map_err(|error| error.at_if_unknown(&shared.name, &model))
        })
    }

    /// Asks how a model cuts a text (of at most 65,536 characters) into tokens (`POST /v1/tokenize`). The future borrows
    /// nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn tokenize(
        &self,
        model: impl Into<String>,
        text: impl Into<String>,
    ) -> BoxFuture<'static, Result<Tokens, ModelError>> {
        let (shared, model, text) = (self.shared.clone(), model.into(), text.into());
        Box::pin(async move {
            let tokens = tokenize::ask(&shared, &model, &text).await;
            tokens.map_err(|error| error.at_if_unknown(&shared.name, &model))
        })
    }

    /// Asks for anything else (datasets, batches of embeddings, `v1/detokenize`), with the instance's connections,
    /// credentials and limits. The future borrows nothing; dropping it cancels.
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

impl fmt::Debug for Cohere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cohere")
            .field("name", &self.shared.name)
            .field("base_url", &self.shared.transport.base_url().as_str())
            .field("version", &self.shared.version)
            .finish()
    }
}

impl Shared {
    /// The path of what both versions have.
    pub(super) fn path(&self, what: &str) -> String {
        format!("{}/{what}", self.version.path())
    }

    /// Sends a request and gives the response, if it is a success.
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

    async fn raw(&self, mut request: RawRequest) -> Result<RawResponse, ModelError> {
        let operation = Operation::Raw;
        let headers = transport::extra_headers(operation, &request.headers)?;
        request.headers.clear();
        let response = self.transport.send(operation, request, headers).await?;
        let response = self.accept(operation, response).await?;
        self.transport.read_raw(operation, response).await
    }

    /// The response if it is a success, else the failure that it tells.
    pub(super) async fn accept(
        &self,
        operation: Operation,
        response: Response,
    ) -> Result<Response, ModelError> {
        let key = self.api_key.as_ref();
        let read = errors::from_response;
        accept(&self.transport, operation, response, key, read).await
    }
}

/// Sets up a [`Cohere`] provider.
#[derive(Clone, Debug)]
pub struct CohereBuilder {
    name: String,
    base_url: String,
    version: CohereVersion,
    api_key: Option<SecretString>,
    headers: Vec<(String, String)>,
    quirks: Quirks,
    options: TransportOptions,
}

impl CohereBuilder {
    /// The key, sent as `Authorization: Bearer`.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Another base URL: what comes before `/v2/chat`. A version at its end says nothing, since paths bring theirs.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// Which version chat, embeddings and rerank are asked in. Lists of models and tokens are always version 1, where
    /// they are.
    pub fn version(mut self, version: CohereVersion) -> Self {
        self.version = version;
        self
    }

    /// A header for every request (`X-Client-Name` …).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
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
    pub fn build(self) -> Result<Cohere, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            let (name, value) = transport::bearer(key)?;
            headers.insert(name, value);
        }
        let transport = Transport::new(without_version(&self.base_url), headers, self.options)?;
        let Self { name, version, quirks, api_key, .. } = self;
        Ok(Cohere { shared: Arc::new(Shared { name, transport, version, quirks, api_key }) })
    }
}

fn without_version(base_url: &str) -> &str {
    let base = base_url.trim_end_matches('/');
    ["/v1", "/v2"].iter().find_map(|version| base.strip_suffix(version)).unwrap_or(base_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_key() {
        let builder = Cohere::builder("a").api_key("co-secret".into());
        assert!(!format!("{builder:?}").contains("co-secret"));
        let provider = builder.build().unwrap();
        assert!(!format!("{provider:?}").contains("co-secret"));
    }

    #[test]
    fn a_version_in_the_base_url_says_nothing() {
        for url in ["https://a.example/x", "https://a.example/x/v1", "https://a.example/x/v2/"] {
            let provider = Cohere::builder("a").base_url(url).build().unwrap();
            let path = provider.shared.path("chat");
            let url = provider.shared.transport.url(&path);
            assert_eq!(url.as_str(), "https://a.example/x/v2/chat");
        }
    }
}
