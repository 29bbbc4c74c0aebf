//! [`AuthorizedUser`]: tokens for a person who has signed in on this machine.

use std::fmt;

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::{CredentialsError, parse, text, token_server};
use crate::credentials::exchange::TokenServer;
use crate::credentials::{AccessToken, TokenError, TokenSource};
use crate::transport::{BuildError, TransportOptions};

/// A person, by the refresh token that signing in has left.
#[derive(Clone)]
pub struct AuthorizedUser {
    client_id: String,
    client_secret: SecretString,
    refresh_token: SecretString,
    quota_project: Option<String>,
    server: TokenServer,
}

impl AuthorizedUser {
    /// Reads the file (`"type": "authorized_user"`).
    ///
    /// # Errors
    /// When a field is missing or the token server is none of Google's.
    pub fn from_json(json: &SecretString) -> Result<Self, CredentialsError> {
        let fields = parse(json)?;
        let uri = fields.get("token_uri").and_then(|uri| uri.as_str());
        Ok(Self {
            client_id: text(&fields, "client_id")?,
            client_secret: text(&fields, "client_secret")?.into(),
            refresh_token: text(&fields, "refresh_token")?.into(),
            quota_project: text(&fields, "quota_project_id").ok(),
            server: token_server(uri)?,
        })
    }

    /// Asks another token server.
    ///
    /// # Errors
    /// When that is no address of HTTP.
    pub fn token_server(mut self, uri: &str) -> Result<Self, BuildError> {
        self.server = TokenServer::at(uri)?;
        Ok(self)
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

    /// The project that pays for the person's calls; send it as the header `x-goog-user-project`.
    pub fn quota_project(&self) -> Option<&str> {
        self.quota_project.as_deref()
    }
}

impl fmt::Debug for AuthorizedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedUser").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl TokenSource for AuthorizedUser {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        let user = self.clone();
        async move {
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", &user.client_id),
                ("client_secret", user.client_secret.expose_secret()),
                ("refresh_token", user.refresh_token.expose_secret()),
            ];
            user.server.exchange(&form).await
        }
        .boxed()
    }
}
