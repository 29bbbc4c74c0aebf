//! [`Bedrock`]: one AWS account and region, and the models there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use llm_core::{
    ChatModel, ChatRequest, EmbeddingModel, ErrorKind, ModelError, ModelInfo, ModelKind, ModelName,
    Operation, RerankModel, Retry,
};
use reqwest::Response;
use secrecy::SecretString;
use serde_json::Value;

use super::converse::BedrockChat;
use super::count_tokens;
use super::embeddings::{BedrockEmbedding, EmbeddingFamily};
use super::errors;
use super::rerank::BedrockRerank;
use super::sigv4::{self, Credentials, Scope, escape};
use crate::transport::{self, BuildError, Transport, TransportOptions};

/// The name under which all of Bedrock's hosts sign.
const SERVICE: &str = "bedrock";

/// Bodies above this are hashed on a thread for blocking work; a megabyte takes about a millisecond.
const LARGE_BODY: usize = 128 << 10;

/// A clock that is off by more is set right after the provider said so.
const SKEW: Duration = Duration::from_secs(60);

/// A provider instance: one region, one identity, one pool of connections, any number of models. Cheap to clone.
///
/// ```
/// use llm_providers::bedrock::{Bedrock, Credentials};
///
/// let bedrock = Bedrock::builder("bedrock", "eu-central-1")
///     .credentials(Credentials::new("AKIDEXAMPLE", "secret"))
///     .build()?;
/// let chat = bedrock.chat("eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
/// let embedding = bedrock.embedding("amazon.titan-embed-text-v2:0");
/// let rerank = bedrock.rerank("cohere.rerank-v3-5:0");
/// assert_eq!(chat.info().name.to_string(), "bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
/// # let _ = (embedding, rerank);
/// # Ok::<(), llm_providers::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Bedrock {
    pub(super) shared: Arc<Shared>,
}

/// What all models of one instance share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) region: String,
    runtime: Transport,
    agent: Transport,
    headers: HeaderMap,
    identity: Identity,
    /// How many seconds the provider's clock is ahead of ours, as far as that matters.
    skew: AtomicI64,
}

/// Which of Bedrock's hosts.
#[derive(Clone, Copy)]
pub(super) enum Host {
    /// `bedrock-runtime`: models.
    Runtime,
    /// `bedrock-agent-runtime`: rerank.
    Agent,
}

/// Who asks.
#[derive(Clone)]
enum Identity {
    Nobody,
    Bearer(HeaderValue),
    Keys(Credentials),
    Source(Arc<dyn CredentialsSource>),
}

/// Where keys come from that change while the program runs (roles, SSO, instance metadata). Called for every request, so
/// it keeps what it has until that expires.
pub trait CredentialsSource: Send + Sync {
    /// The keys to sign with now. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// When there are none.
    fn credentials(&self) -> BoxFuture<'static, Result<Credentials, ModelError>>;
}

impl Bedrock {
    /// Begins a provider called `name` (the first half of its models' names) in an AWS region (`us-east-1` …).
    pub fn builder(name: impl Into<String>, region: impl Into<String>) -> BedrockBuilder {
        BedrockBuilder {
            name: name.into(),
            region: region.into(),
            runtime_url: None,
            agent_url: None,
            identity: Identity::Nobody,
            bearer: None,
            headers: Vec::new(),
            options: TransportOptions::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// A chat model by its id, the id of an inference profile, or an ARN. Nothing is sent.
    pub fn chat(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.chat_with(self.info(model, ModelKind::Chat))
    }

    /// A chat model of which more is known.
    pub fn chat_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        Arc::new(BedrockChat::new(self.shared.clone(), info))
    }

    /// An embedding model (Titan, Cohere or Nova) by its id. Nothing is sent.
    ///
    /// What such a model is asked with depends on its family, which its id tells. An id that does not (an application's
    /// inference profile) needs [`Bedrock::embedding_of`]; without that its calls fail with `Unsupported`.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        self.embedding_with(self.info(model, ModelKind::Embedding))
    }

    /// An embedding model of which more is known.
    pub fn embedding_with(&self, info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        let family = EmbeddingFamily::of(&info.name.model);
        Arc::new(BedrockEmbedding::new(self.shared.clone(), info, family))
    }

    /// An embedding model whose family its id does not tell.
    pub fn embedding_of(
        &self,
        family: EmbeddingFamily,
        model: impl Into<String>,
    ) -> Arc<dyn EmbeddingModel> {
        let info = self.info(model, ModelKind::Embedding);
        Arc::new(BedrockEmbedding::new(self.shared.clone(), info, Some(family)))
    }

    /// A rerank model by its id or ARN. Nothing is sent.
    pub fn rerank(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        self.rerank_with(self.info(model, ModelKind::Rerank))
    }

    /// A rerank model of which more is known.
    pub fn rerank_with(&self, info: ModelInfo) -> Arc<dyn RerankModel> {
        Arc::new(BedrockRerank::new(self.shared.clone(), info))
    }

    /// Asks how many tokens a chat request has for its model, by the provider's own count (free of charge; some models
    /// only). The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn count_tokens(
        &self,
        request: ChatRequest,
    ) -> BoxFuture<'static, Result<u64, ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let model = request.model.clone();
            count_tokens::ask(&shared, request)
                .await
                .map_err(|error| error.at_if_unknown(&shared.name, &model))
        })
    }

    pub(super) fn info(&self, model: impl Into<String>, kind: ModelKind) -> ModelInfo {
        ModelInfo::new(ModelName::new(self.name(), model), kind)
    }
}

impl fmt::Debug for Bedrock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bedrock")
            .field("name", &self.shared.name)
            .field("region", &self.shared.region)
            .field("runtime_url", &self.shared.runtime.base_url().as_str())
            .finish()
    }
}

impl Shared {
    /// Asks a model: `POST /model/{model}/{action}`.
    pub(super) async fn ask(
        &self,
        operation: Operation,
        model: &str,
        action: &str,
        headers: HeaderMap,
        body: &Value,
    ) -> Result<Response, ModelError> {
        let path = format!("model/{}/{action}", escape(model, b""));
        self.post(operation, Host::Runtime, &path, headers, body).await
    }

    /// Sends a signed request and returns the response if it is a success.
    pub(super) async fn post(
        &self,
        operation: Operation,
        host: Host,
        path: &str,
        headers: HeaderMap,
        body: &Value,
    ) -> Result<Response, ModelError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            ModelError::new(ErrorKind::InvalidRequest, operation, "the request is no JSON")
                .with_source(error)
        })?;
        let transport = self.transport(host);
        let (headers, body) = self.authorize(operation, host, path, headers, body).await?;
        let response = transport.post(operation, path, headers, body.into()).await?;
        self.accept(operation, host, response).await
    }

    pub(super) fn transport(&self, host: Host) -> &Transport {
        match host {
            Host::Runtime => &self.runtime,
            Host::Agent => &self.agent,
        }
    }

    /// All headers of a request, the one that proves who asks among them.
    async fn authorize(
        &self,
        operation: Operation,
        host: Host,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(HeaderMap, Bytes), ModelError> {
        let mut all = self.headers.clone();
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &headers {
            all.insert(name.clone(), value.clone());
        }
        let body = Bytes::from(body);
        let credentials = match &self.identity {
            Identity::Nobody => return Ok((all, body)),
            Identity::Bearer(value) => {
                all.entry(AUTHORIZATION).or_insert(value.clone());
                return Ok((all, body));
            }
            Identity::Keys(credentials) => credentials.clone(),
            Identity::Source(source) => source.credentials().await?,
        };
        let url = self.transport(host).url(path);
        let (region, now, bytes) = (self.region.clone(), self.now(), body.clone());
        let sign = move || {
            let scope = Scope { region: &region, service: SERVICE };
            sigv4::sign(&Method::POST, &url, &mut all, &bytes, &credentials, scope, now)
                .map(|()| all)
                .map_err(|error| {
                    ModelError::new(ErrorKind::Authentication, operation, error.to_string())
                })
        };
        let headers = if body.len() > LARGE_BODY {
            tokio::task::spawn_blocking(sign).await.map_err(|error| {
                ModelError::new(ErrorKind::Internal, operation, "signing the request failed")
                    .with_source(error)
            })??
        } else {
            sign()?
        };
        Ok((headers, body))
    }

    /// The provider's time.
    fn now(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::Relaxed);
        let distance = Duration::from_secs(skew.unsigned_abs());
        let now = transport::now();
        let shifted = if skew < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
        shifted.unwrap_or(now)
    }

    /// The response if it is a success, else the failure that it tells.
    async fn accept(
        &self,
        operation: Operation,
        host: Host,
        response: Response,
    ) -> Result<Response, ModelError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = self.transport(host).read_error_body(operation, response).await;
        let now = transport::now();
        let error = errors::from_response(operation, status.as_u16(), &headers, &body, now);
        Err(self.look_at_clock(error, &headers, now))
    }

    /// A signature outside of the provider's five minutes is refused. When its clock says that ours is off, the next
    /// request is signed by its time.
    fn look_at_clock(&self, error: ModelError, headers: &HeaderMap, now: SystemTime) -> ModelError {
        let signs = matches!(self.identity, Identity::Keys(_) | Identity::Source(_));
        let Some(skew) = skew_told(&error, headers, now).filter(|_| signs) else {
            return error;
        };
        let before = self.skew.swap(skew, Ordering::Relaxed);
        if before.abs_diff(skew) <= SKEW.as_secs() {
            return error;
        }
        tracing::warn!(skew, "this machine's clock is off; requests are signed by the provider's");
        error.with_retry(Retry::Now)
    }
}

/// How many seconds the provider's clock is ahead, when it refused a signature for its time.
fn skew_told(error: &ModelError, headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    const OF_TIME: [&str; 3] =
        ["InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"];
    error.code().filter(|code| OF_TIME.contains(code))?;
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    Some(match theirs.duration_since(now) {
        Ok(ahead) => ahead.as_secs() as i64,
        Err(behind) => -(behind.duration().as_secs() as i64),
    })
}

/// Sets up a [`Bedrock`] provider.
#[derive(Clone)]
pub struct BedrockBuilder {
    name: String,
    region: String,
    runtime_url: Option<String>,
    agent_url: Option<String>,
    identity: Identity,
    bearer: Option<SecretString>,
    headers: Vec<(String, String)>,
    options: TransportOptions,
}

impl fmt::Debug for BedrockBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BedrockBuilder")
            .field("name", &self.name)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl BedrockBuilder {
    /// Signs with these keys.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.identity = Identity::Keys(credentials);
        self
    }

    /// Signs with keys that change.
    pub fn credentials_source(mut self, source: Arc<dyn CredentialsSource>) -> Self {
        self.identity = Identity::Source(source);
        self
    }

    /// A Bedrock API key (`AWS_BEARER_TOKEN_BEDROCK`), sent as `Authorization: Bearer` in place of a signature. Wins over
    /// keys.
    pub fn bearer_token(mut self, token: SecretString) -> Self {
        self.bearer = Some(token);
        self
    }

    /// Where models are asked, if not at `https://bedrock-runtime.{region}.amazonaws.com` (a VPC endpoint, FIPS, a
    /// proxy). What the signature covers follows.
    pub fn runtime_url(mut self, url: impl Into<String>) -> Self {
        self.runtime_url = Some(url.into());
        self
    }

    /// Where rerank models are asked, if not at `https://bedrock-agent-runtime.{region}.amazonaws.com`.
    pub fn agent_url(mut self, url: impl Into<String>) -> Self {
        self.agent_url = Some(url.into());
        self
    }

    /// A header for every request (`x-amzn-bedrock-…`). It is signed.
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
    /// When the region or a URL, a header, the token or TLS is not in order.
    pub fn build(self) -> Result<Bedrock, BuildError> {
        let headers = transport::instance_headers(&self.headers)?;
        let identity = match &self.bearer {
            Some(token) => Identity::Bearer(transport::bearer(token)?.1),
            None => self.identity,
        };
        let region = &self.region;
        let is_region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let url = |given: Option<String>, host: &str| match given {
            Some(url) => Ok(url),
            None if !region.is_empty() && region.bytes().all(is_region) => {
                Ok(format!("https://{host}.{region}.amazonaws.com"))
            }
            None => Err(BuildError::BaseUrl {
                url: format!("https://{host}.{region}.amazonaws.com"),
                reason: "its region is none; write us-east-1, say".into(),
            }),
        };
        let runtime = url(self.runtime_url, "bedrock-runtime")?;
        let agent = url(self.agent_url, "bedrock-agent-runtime")?;
        let shared = Shared {
            name: self.name,
            runtime: Transport::new(&runtime, HeaderMap::new(), self.options.clone())?,
            agent: Transport::new(&agent, HeaderMap::new(), self.options)?,
            region: self.region,
            headers,
            identity,
            skew: AtomicI64::new(0),
        };
        Ok(Bedrock { shared: Arc::new(shared) })
    }
}

#[cfg(test)]
mod tests {
    use llm_core::RetryHint;

    use super::*;

    #[test]
    fn nothing_shows_secrets() {
        let builder = Bedrock::builder("a", "us-east-1")
            .credentials(Credentials::new("AK", "very-secret"))
            .bearer_token("very-secret".into());
        assert!(!format!("{builder:?}").contains("secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("secret"));
    }

    #[test]
    fn the_providers_clock_wins_once() {
        let bedrock = Bedrock::builder("a", "us-east-1")
            .credentials(Credentials::new("AK", "s"))
            .build()
            .unwrap();
        let refusal = || {
            ModelError::new(ErrorKind::Authentication, Operation::Chat, "expired")
                .with_code("InvalidSignatureException")
        };
        let now = transport::now();
        let mut headers = HeaderMap::new();
        let theirs = httpdate::fmt_http_date(now - Duration::from_secs(600));
        headers.insert(http::header::DATE, theirs.parse().unwrap());
        let look = |error| bedrock.shared.look_at_clock(error, &headers, now).retry();
        assert_eq!(look(refusal()), Retry::Now);
        let behind = now.duration_since(bedrock.shared.now()).unwrap();
        assert!((595..605).contains(&behind.as_secs()), "{behind:?}");
        // Refused again although the clock was set: trying once more would not help.
        assert_eq!(look(refusal()), Retry::Exhausted);
        assert_eq!(look(refusal().with_code("AccessDeniedException")), Retry::Exhausted);
    }

    #[test]
    fn refuses_what_is_no_region() {
        for region in ["", "us east", "a/b?", "us-east-1.evil.example/"] {
            let error = Bedrock::builder("a", region).build().unwrap_err();
            assert!(matches!(error, BuildError::BaseUrl { .. }), "{region}");
        }
    }
}
