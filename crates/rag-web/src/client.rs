//! The connection to a search engine: one address, bounded answers, no redirects.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use rustls::ClientConfig;
use rustls_platform_verifier::Verifier;
use secrecy::SecretString;

/// The most bytes of an answer: some dozens of pages, read in a millisecond or so.
const MOST_BYTES: usize = 512 << 10;

/// How a search engine is asked.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// The engine's key, where it wants one.
    pub key: Option<SecretString>,
    /// Pages that are asked for at most. Default 6.
    pub pages: usize,
    /// How long an answer may take. Default 10 s.
    pub timeout: Duration,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self { key: None, pages: 6, timeout: Duration::from_secs(10) }
    }
}

/// Why the web was not searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The address is none that can be asked.
    #[error("`{address}` is no address of a search engine: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine's TLS cannot be used.
    #[error("TLS cannot be used here: {0}")]
    Tls(String),
    /// The engine cannot be reached, or took too long. Holds no part of the request, which has the key and the question.
    #[error("the search engine cannot be reached: {0}")]
    Connection(&'static str),
    /// The engine refused.
    #[error("the search engine answered with status {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        message: String,
    },
    /// The answer is not what the engine answers with.
    #[error("the search engine's answer cannot be read: {0}")]
    Malformed(String),
}

/// A client that goes where it is sent and nowhere else.
pub(crate) fn client(options: &WebOptions, is_tls: bool) -> Result<Client, WebError> {
    Client::builder()
        .tls_backend_preconfigured(tls(is_tls).map_err(WebError::Tls)?)
        // The request holds a key, which a redirect would carry elsewhere.
        .redirect(Policy::none())
        .user_agent(concat!("colloquy/", env!("CARGO_PKG_VERSION")))
        .timeout(options.timeout)
        .build()
        .map_err(|error| WebError::Tls(error.to_string()))
}

/// The body of a successful answer.
pub(crate) async fn answer(request: RequestBuilder) -> Result<Vec<u8>, WebError> {
    const MOST_MESSAGE: usize = 300;
    let response = request.send().await.map_err(|error| broken(&error))?;
    let status = response.status();
    let body = body(response).await?;
    if status.is_success() {
        return Ok(body);
    }
    let message = String::from_utf8_lossy(&body[..body.len().min(MOST_MESSAGE)]);
    Err(WebError::Status { status: status.as_u16(), message: message.replace(['\n', '\r'], " ") })
}

async fn body(response: Response) -> Result<Vec<u8>, WebError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(WebError::Malformed(format!("it has more than {MOST_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn broken(error: &reqwest::Error) -> WebError {
    WebError::Connection(match error {
        error if error.is_timeout() => "it took too long",
        error if error.is_connect() => "there is no connection",
        _ => "the connection broke",
    })
}

/// TLS with the `ring` provider named outright, so that nobody needs to have installed one. Certificates of the machine
/// are only read where they are used.
fn tls(is_used: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if is_used {
        let verifier = Verifier::new(provider).map_err(|error| error.to_string())?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
