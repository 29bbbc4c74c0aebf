//! [`Collector`]: where spans and metrics go.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use bytes::Bytes;
use llm_core::Operation;
use llm_providers::transport::{Transport, TransportOptions};
use opentelemetry_http::{HttpClient, HttpError};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use crate::causes_line;
use crate::config::{Environment, SecretRef};

/// How long one batch may take to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The HTTP client of the exporters. These run on threads of their own without a runtime, so all I/O is done on the
/// home runtime, with the same bounded transport that reaches the providers.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    transport: Transport,
    path: &'static str,
    home: Handle,
}

impl Collector {
    pub(super) fn new(
        endpoint: &str,
        headers: &BTreeMap<String, SecretRef>,
        environment: &Environment,
        home: Handle,
    ) -> Result<Self, String> {
        let mut with_headers = HeaderMap::new();
        for (name, secret) in headers {
            let wrong = || format!("`headers`: `{name}` cannot be sent as a header");
            let value = secret.resolve(environment)?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            with_headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, value);
        }
        let transport = Transport::new(endpoint, with_headers, TransportOptions::default())
            .map_err(|error| format!("`otlp_endpoint`: {}", causes_line(&error)))?;
        Ok(Self { transport, path: "", home })
    }

    /// The client for one kind of data.
    pub(super) fn to(&self, path: &'static str) -> Self {
        Self { path, ..self.clone() }
    }

    /// Where one kind of data goes.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.transport.base_url().as_str().trim_end_matches('/'))
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (transport, path) = (self.transport.clone(), self.path);
        // The timer, too, is of the home runtime.
        let sent = self.home.spawn(async move {
            tokio::time::timeout(PATIENCE, send(transport, path, request)).await
        });
        Box::pin(async move {
            let sent = sent.await.map_err(HttpError::from);
            let sent = sent.and_then(|in_time| in_time?);
            if let Err(error) = &sent {
                tracing::warn!(%error, path, "the collector of telemetry cannot be reached");
            }
            sent
        })
    }
}

async fn send(
    transport: Transport,
    path: &'static str,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = request.into_parts();
    let taken = transport.post(Operation::Raw, path, head.headers, body.into()).await?;
    if !taken.status().is_success() {
        tracing::warn!(status = taken.status().as_u16(), path, "the collector refuses telemetry");
    }
    // What it says besides is of no use here, so it is not read.
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = taken.status();
    *response.headers_mut() = taken.headers().clone();
    Ok(response)
}
