//! [`MetadataServer`]: tokens of the account that a machine on Google Cloud runs as.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use llm_core::{ErrorKind, Operation};

use crate::credentials::exchange::{parse_token, transport_options};
use crate::credentials::{AccessToken, TokenError, TokenSource};
use crate::openai::errors::kind_of_status;
use crate::transport::{BuildError, Transport, TransportOptions};

const OPERATION: Operation = Operation::Chat;

/// The server that every machine on Google Cloud can reach. Also serves workload identity on GKE.
#[derive(Clone, Debug)]
pub struct MetadataServer {
    transport: Transport,
    account: String,
}

impl MetadataServer {
    /// The server at its well-known address, for the machine's default account.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn new() -> Result<Self, BuildError> {
        Self::at("http://metadata.google.internal")
    }

    /// A server elsewhere (what `GCE_METADATA_HOST` names; a test).
    ///
    /// # Errors
    /// When that is no address of HTTP, or the client cannot be set up.
    pub fn at(base_url: &str) -> Result<Self, BuildError> {
        let flavor = HeaderName::from_static("metadata-flavor");
        let headers = HeaderMap::from_iter([(flavor, HeaderValue::from_static("Google"))]);
        // Elsewhere than on Google Cloud nobody answers; that should not take long to find out.
        let options = TransportOptions {
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(10),
            ..transport_options()
        };
        let transport = Transport::new(base_url, headers, options)?;
        Ok(Self { transport, account: "default".to_owned() })
    }

    /// Another account of the machine, by its mail address.
    pub fn account(mut self, email: impl Into<String>) -> Self {
        self.account = email.into();
        self
    }
}

impl TokenSource for MetadataServer {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let Self { transport, account } = self.clone();
        async move {
            let path = format!("computeMetadata/v1/instance/service-accounts/{account}/token");
            let response = transport.get(OPERATION, &path).await?;
            let status = response.status().as_u16();
            if status == 404 {
                let message = format!("the machine has no account `{account}`");
                return Err(TokenError::new(ErrorKind::Authentication, message).with_status(status));
            }
            if !response.status().is_success() {
                let message = format!("the metadata server answered with status {status}");
                return Err(TokenError::new(kind_of_status(status), message).with_status(status));
            }
            let body = transport.read_body(OPERATION, response).await?;
            parse_token(&body)
        }
        .boxed()
    }
}
