//! [`ManagedIdentity`]: tokens of the identity that Azure gives to what runs there.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use llm_core::{ErrorKind, Operation};
use secrecy::SecretString;

use super::RESOURCE;
use crate::credentials::exchange::{parse_token, refusal, transport_options};
use crate::credentials::{AccessToken, TokenError, TokenSource};
use crate::transport::{BuildError, Transport, TransportOptions, secret_header};

/// Where every virtual machine on Azure finds its metadata.
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

const OPERATION: Operation = Operation::Chat;

/// The server that gives tokens to what runs on Azure. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    transport: Transport,
    version: &'static str,
    resource: String,
    client_id: Option<String>,
}

impl ManagedIdentity {
    /// That of a virtual machine (also of scale sets and Kubernetes' nodes), at its well-known address.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn of_machine() -> Result<Self, BuildError> {
        Self::of_machine_at(METADATA)
    }

    /// The same at another address, for a test.
    ///
    /// # Errors
    /// When that is no address of HTTP, or the client cannot be set up.
    pub fn of_machine_at(url: &str) -> Result<Self, BuildError> {
        let header = (HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        Self::new(url, HeaderMap::from_iter([header]), "2018-02-01")
    }

    /// That of an app (App Service, Functions, Container Apps): what `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` hold.
    ///
    /// # Errors
    /// When the endpoint is no address of HTTP, or the client cannot be set up.
    pub fn of_app(endpoint: &str, header: &SecretString) -> Result<Self, BuildError> {
        let name = HeaderName::from_static("x-identity-header");
        let value = secret_header(&name, header)?;
        Self::new(endpoint, HeaderMap::from_iter([(name, value)]), "2019-08-01")
    }

    fn new(url: &str, headers: HeaderMap, version: &'static str) -> Result<Self, BuildError> {
        // Elsewhere than on Azure nobody answers; that should not take long to find out.
        let options =
            TransportOptions { connect_timeout: Duration::from_secs(3), ..transport_options() };
        let transport = Transport::new(url, headers, options)?;
        Ok(Self { transport, version, resource: RESOURCE.to_owned(), client_id: None })
    }

    /// What the token is for, where it is not `https://cognitiveservices.azure.com`. Not a scope: without `/.default`.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = resource.into();
        self
    }

    /// Which of several identities, by its client id; needed where no identity is the system's own.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }
}

impl TokenSource for ManagedIdentity {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let Self { transport, version, resource, client_id } = self.clone();
        async move {
            let mut query = vec![("api-version", version), ("resource", resource.as_str())];
            query.extend(client_id.as_deref().map(|id| ("client_id", id)));
            let headers = HeaderMap::new();
            let sent = transport.ask(OPERATION, Method::GET, "", &query, headers).await?;
            let status = sent.status().as_u16();
            match status {
                200 => parse_token(&transport.read_body(OPERATION, sent).await?),
                // The service is being updated.
                410 => {
                    let message = "the identity's server is not there for the moment";
                    Err(TokenError::new(ErrorKind::Overloaded, message).with_status(status))
                }
                _ => Err(refusal(status, &transport.read_error_body(OPERATION, sent).await)),
            }
        }
        .boxed()
    }
}
