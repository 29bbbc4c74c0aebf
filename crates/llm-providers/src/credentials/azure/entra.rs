//! [`Entra`]: tokens for an application.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::RESOURCE;
use crate::credentials::exchange::TokenServer;
use crate::credentials::{AccessToken, TokenError, TokenSource};
use crate::path_segment::path_segment;
use crate::transport::{BuildError, TransportOptions};

const AUTHORITY: &str = "https://login.microsoftonline.com";

/// What kind of statement proves who an application is (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application that is registered with Entra. Cheap to clone.
#[derive(Clone)]
pub struct Entra {
    tenant: String,
    client_id: String,
    proof: Proof,
    scope: String,
    server: TokenServer,
}

/// How an application proves who it is.
#[derive(Clone)]
enum Proof {
    Secret(SecretString),
    Assertion(Arc<dyn TokenSource>),
}

impl Entra {
    /// An application with a secret. `tenant` is the directory's id or name, `client_id` the application's id.
    ///
    /// # Errors
    /// When the client for tokens cannot be set up.
    pub fn with_secret(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        secret: SecretString,
    ) -> Result<Self, BuildError> {
        Self::new(tenant.into(), client_id.into(), Proof::Secret(secret))
    }

    /// An application that trusts somebody else to say who it is: workload identity on Kubernetes, GitHub and the like.
    /// `assertion` gives that statement, afresh for each exchange, since it goes stale; on Kubernetes it stands in the file
    /// that `AZURE_FEDERATED_TOKEN_FILE` names.
    ///
    /// # Errors
    /// As [`Entra::with_secret`].
    pub fn with_assertion(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        assertion: Arc<dyn TokenSource>,
    ) -> Result<Self, BuildError> {
        Self::new(tenant.into(), client_id.into(), Proof::Assertion(assertion))
    }

    fn new(tenant: String, client_id: String, proof: Proof) -> Result<Self, BuildError> {
        let server = token_server(AUTHORITY, &tenant)?;
        Ok(Self { tenant, client_id, proof, scope: format!("{RESOURCE}/.default"), server })
    }

    /// Reaches the token server as a provider's own transport does: through its proxy, trusting its authorities, at the
    /// addresses that it may reach.
    ///
    /// # Errors
    /// When the proxy or TLS is not in order, or the server is at an address that may not be reached.
    pub fn transport(mut self, options: &TransportOptions) -> Result<Self, BuildError> {
        self.server = self.server.reached_by(options)?;
        Ok(self)
    }

    /// What the token is for, where it is not `https://cognitiveservices.azure.com/.default`.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Another authority than `https://login.microsoftonline.com`: that of a national cloud (what `AZURE_AUTHORITY_HOST`
    /// names), or a test.
    ///
    /// # Errors
    /// When that is no address of HTTP.
    pub fn authority(mut self, base_url: &str) -> Result<Self, BuildError> {
        self.server = token_server(base_url, &self.tenant)?;
        Ok(self)
    }
}

fn token_server(authority: &str, tenant: &str) -> Result<TokenServer, BuildError> {
    let authority = authority.trim_end_matches('/');
    TokenServer::at(&format!("{authority}/{}/oauth2/v2.0/token", path_segment(tenant)))
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entra")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl TokenSource for Entra {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let entra = self.clone();
        async move {
            let mut form = vec![
                ("grant_type", "client_credentials"),
                ("client_id", entra.client_id.as_str()),
                ("scope", entra.scope.as_str()),
            ];
            let assertion;
            match &entra.proof {
                Proof::Secret(secret) => form.push(("client_secret", secret.expose_secret())),
                Proof::Assertion(source) => {
                    assertion = source.token().await?.secret;
                    form.push(("client_assertion_type", ASSERTION_TYPE));
                    form.push(("client_assertion", assertion.expose_secret().trim()));
                }
            }
            entra.server.exchange(&form).await
        }
        .boxed()
    }

    fn refused(&self) {
        if let Proof::Assertion(source) = &self.proof {
            source.refused();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_secret() {
        let entra = Entra::with_secret("t", "c", "very-secret".into()).unwrap();
        assert!(!format!("{entra:?}").contains("very-secret"));
    }
}
