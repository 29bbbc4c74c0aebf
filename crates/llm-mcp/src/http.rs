//! The transport to a server that talks streamable HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rustls::ClientConfig;
use rustls_platform_verifier::Verifier;
use secrecy::ExposeSecret;

use crate::endpoint::HttpEndpoint;

/// Opens nothing yet: the first message does.
///
/// # Errors
/// What is wrong with the headers or the machine's TLS, in one line without secrets.
pub(crate) fn transport(
    endpoint: &HttpEndpoint,
    connect_timeout: Duration,
    most_bytes: usize,
) -> Result<StreamableHttpClientTransport<Client>, String> {
    let config = StreamableHttpClientTransportConfig::with_uri(endpoint.url.as_str())
        .custom_headers(headers(endpoint)?)
        .max_sse_event_size(most_bytes)
        .max_json_response_size(most_bytes);
    // The headers hold keys, which a redirect would carry elsewhere; so none is followed.
    let client = Client::builder()
        .tls_backend_preconfigured(tls(endpoint.url.starts_with("https:"))?)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(concat!("colloquy/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

fn headers(endpoint: &HttpEndpoint) -> Result<HashMap<HeaderName, HeaderValue>, String> {
    let header = |(name, value): &(String, secrecy::SecretString)| {
        let unusable = || format!("the header `{name}` cannot be sent");
        let key = HeaderName::try_from(name.as_str()).map_err(|_| unusable())?;
        let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok((key, value))
    };
    endpoint.headers.iter().map(header).collect()
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
