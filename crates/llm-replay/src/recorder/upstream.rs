//! [`Upstreams`]: the one HTTP client of a recorder.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::Client;

use super::RecordError;

/// The HTTP client. Where certificates are looked at, it needs those of the machine; a provider over plain HTTP does not.
#[derive(Debug)]
pub(super) struct Upstreams {
    plain: Client,
    encrypted: OnceLock<Client>,
    connect_timeout: Duration,
}

impl Upstreams {
    pub(super) fn new(connect_timeout: Duration) -> Result<Self, RecordError> {
        let plain = client(connect_timeout, without_certificates()?)?;
        Ok(Self { plain, encrypted: OnceLock::new(), connect_timeout })
    }

    /// The client for a URL.
    pub(super) fn to(&self, url: &str) -> Result<&Client, RecordError> {
        if !url.starts_with("https:") {
            return Ok(&self.plain);
        }
        if let Some(client) = self.encrypted.get() {
            return Ok(client);
        }
        let made = client(self.connect_timeout, with_certificates_of_the_machine()?)?;
        Ok(self.encrypted.get_or_init(|| made))
    }
}

fn client(connect_timeout: Duration, tls: rustls::ClientConfig) -> Result<Client, RecordError> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        // What the provider answers is passed on, whatever it is.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .no_proxy()
        .build()
        .map_err(|error| RecordError::Client(Box::new(error)))
}

fn without_certificates() -> Result<rustls::ClientConfig, RecordError> {
    let roots = rustls::RootCertStore::empty();
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn with_certificates_of_the_machine() -> Result<rustls::ClientConfig, RecordError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(provider)
        .map_err(|error| RecordError::Client(Box::new(error)))?;
    let mut config = builder()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>;

fn builder() -> Result<Builder, RecordError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| RecordError::Client(Box::new(error)))
}
