//! [`HuggingFace`]: the inference API, or a server of one model.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName, Operation,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::decoder::GenerationDecoder;
use super::errors;
use super::feature_extraction::{parse_vectors, render_feature_extraction};
use super::generation::render_generation;
use crate::SplitThink;
use crate::accept::accept;
use crate::answer::{chat_headers, read_answer};
use crate::batches::in_batches;
use crate::openai::errors::request_id;
use crate::path_segment::path_segment;
use crate::remote::Remote;
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// Where the inference API is.
const ROUTER: &str = "https://router.huggingface.co/hf-inference";

/// Texts in one call.
const BATCH: u32 = 32;

/// A provider instance: one base URL, one key, one pool of connections, any number of models. Cheap to clone.
#[derive(Clone)]
pub struct HuggingFace {
    shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    name: String,
    transport: Transport,
    is_one_model: bool,
    api_key: Option<SecretString>,
}

impl HuggingFace {
    /// Begins a provider called `name` (the first half of its models' names) at Hugging Face's own servers.
    pub fn builder(name: impl Into<String>) -> HuggingFaceBuilder {
        HuggingFaceBuilder {
            name: name.into(),
            base_url: ROUTER.to_owned(),
            is_one_model: false,
            api_key: None,
            headers: Vec::new(),
            options: TransportOptions::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A model that goes on with a text. Nothing is sent.
    pub fn generation(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        let info = self.info(model, ModelKind::Chat);
        Arc::new(Remote::over(&self.shared, info, generate))
    }

    /// An embedding model. Nothing is sent.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        let mut info = self.info(model, ModelKind::Embedding);
        info.limits.batch = Some(BATCH);
        Arc::new(Remote::over(&self.shared, info, |shared: Arc<Shared>, request| async move {
            in_batches(request, Some(BATCH), |request| embed(&shared, request)).await
        }))
    }

    fn info(&self, model: impl Into<String>, kind: ModelKind) -> ModelInfo {
        ModelInfo::new(ModelName::new(self.name(), model), kind)
    }
}

impl fmt::Debug for HuggingFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HuggingFace")
            .field("name", &self.shared.name)
            .field("base_url", &self.shared.transport.base_url().as_str())
            .finish()
    }
}

async fn generate(shared: Arc<Shared>, request: ChatRequest) -> Result<ChatReply, ModelError> {
    let headers = chat_headers(&request)?;
    let is_streamed = request.stream;
    let path = shared.path(&request.model, "");
    let (body, warnings) = render_generation(request)?;
    let response = shared.post(Operation::Chat, &path, headers, &body).await?;
    let first = warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = GenerationDecoder::new(request_id(response.headers()));
    let decoder = SplitThink::new(decoder, crate::ThinkTags::Split);
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}

async fn embed(
    shared: &Shared,
    request: EmbeddingRequest,
) -> Result<EmbeddingResponse, ModelError> {
    let operation = Operation::Embed;
    let headers = transport::extra_headers(operation, &request.extra_headers)?;
    let (count, dimensions) = (request.inputs.len(), request.dimensions);
    let path = shared.path(&request.model, "/pipeline/feature-extraction");
    let body = render_feature_extraction(request);
    let response = shared.post(operation, &path, headers, &body).await?;
    let body = shared.transport.read_body(operation, response).await?;
    parse_vectors(&body, count, dimensions)
}

impl Shared {
    /// Where a model is asked; a server with one model is asked at its root.
    fn path(&self, model: &str, task: &str) -> String {
        if self.is_one_model {
            return String::new();
        }
        let segments: Vec<String> = model.split('/').map(path_segment).collect();
        format!("models/{}{task}", segments.join("/"))
    }

    async fn post(
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

/// Sets up a [`HuggingFace`] provider.
#[derive(Clone, Debug)]
pub struct HuggingFaceBuilder {
    name: String,
    base_url: String,
    is_one_model: bool,
    api_key: Option<SecretString>,
    headers: Vec<(String, String)>,
    options: TransportOptions,
}

impl HuggingFaceBuilder {
    /// The access token, sent as `Authorization: Bearer`.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Another base URL: what comes before `/models/…`.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A server with one model: a dedicated endpoint, or one of Text Generation Inference.
    pub fn server(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self.is_one_model = true;
        self
    }

    /// A header for every request (`X-HF-Bill-To` …).
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
    pub fn build(self) -> Result<HuggingFace, BuildError> {
        let mut headers = transport::instance_headers(&self.headers)?;
        if let Some(key) = &self.api_key {
            let (name, value) = transport::bearer(key)?;
            headers.insert(name, value);
        }
        let transport = Transport::new(&self.base_url, headers, self.options)?;
        let Self { name, is_one_model, api_key, .. } = self;
        let shared = Shared { name, transport, is_one_model, api_key };
        Ok(HuggingFace { shared: Arc::new(shared) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_key() {
        let builder = HuggingFace::builder("a").api_key("sk-secret".into());
        assert!(!format!("{builder:?}").contains("sk-secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("sk-secret"));
    }
}
