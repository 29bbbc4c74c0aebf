//! Tokens for Google Cloud.
//!
//! | source | from |
//! |---|---|
//! | [`ServiceAccount`] | a service account's key file: a signed assertion is exchanged for a token |
//! | [`AuthorizedUser`] | the file that signing in with `gcloud auth application-default login` leaves |
//! | [`MetadataServer`] | the machine's own account on Compute Engine, GKE (workload identity) and Cloud Run |
//!
//! [`from_json`] picks the right source for a credentials file.

mod authorized_user;
mod metadata;
mod service_account;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::exchange::TokenServer;
use super::{CachedTokens, TokenSource};
use crate::transport::{BuildError, TransportOptions};

pub use authorized_user::AuthorizedUser;
pub use metadata::MetadataServer;
pub use service_account::ServiceAccount;

/// What tokens are asked for: everything on Google Cloud that the account may do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where Google exchanges tokens unless the credentials say otherwise.
const TOKEN_SERVER: &str = "https://oauth2.googleapis.com/token";

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file is no JSON object.
    #[error("the credentials are no JSON object")]
    NotJson,
    /// A field is missing or no text.
    #[error("the credentials have no `{field}`")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A kind of credentials that is not known here.
    #[error(
        "credentials of type `{kind}` are not supported; use a service account, an authorized user, or the metadata server"
    )]
    Kind {
        /// What the file says.
        kind: String,
    },
    /// The private key is no RSA key in PKCS#8 PEM; it is not shown.
    #[error("the private key of the service account cannot be read: {reason}")]
    PrivateKey {
        /// What is wrong with it.
        reason: String,
    },
    /// The file names a token server that does not belong to Google.
    #[error(
        "the credentials name the token server `{uri}`, which is none of Google's; set it outright if it is right"
    )]
    TokenServer {
        /// What the file says.
        uri: String,
    },
    /// The client for the token server could not be set up.
    #[error("the client for tokens could not be set up")]
    Client(#[from] BuildError),
}

/// The source for a credentials file (the text that `GOOGLE_APPLICATION_CREDENTIALS` points to), cached.
///
/// # Errors
/// When the file is not in order or of a kind that is not known here.
pub fn from_json(json: &SecretString) -> Result<Arc<dyn TokenSource>, CredentialsError> {
    from_json_through(json, &TransportOptions::default())
}

/// The same, with its token server reached as `transport` says: through its proxy, trusting its authorities, at the
/// addresses that it may reach.
///
/// # Errors
/// As [`from_json`], and when the proxy or TLS is not in order.
pub fn from_json_through(
    json: &SecretString,
    transport: &TransportOptions,
) -> Result<Arc<dyn TokenSource>, CredentialsError> {
    let fields = parse(json)?;
    let source: Arc<dyn TokenSource> = match text(&fields, "type")?.as_str() {
        "service_account" => Arc::new(ServiceAccount::from_json(json)?.transport(transport)?),
        "authorized_user" => Arc::new(AuthorizedUser::from_json(json)?.transport(transport)?),
        kind => return Err(CredentialsError::Kind { kind: kind.to_owned() }),
    };
    Ok(Arc::new(CachedTokens::new(source)))
}

/// The server that credentials name: only Google's own, since a file from elsewhere could send the assertion anywhere.
fn token_server(uri: Option<&str>) -> Result<TokenServer, CredentialsError> {
    let uri = uri.unwrap_or(TOKEN_SERVER);
    let is_googles = Url::parse(uri).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "https" && (host == "googleapis.com" || host.ends_with(".googleapis.com"))
    });
    if !is_googles {
        return Err(CredentialsError::TokenServer { uri: uri.to_owned() });
    }
    Ok(TokenServer::at(uri)?)
}

fn parse(json: &SecretString) -> Result<Value, CredentialsError> {
    let value: Option<Value> = serde_json::from_str(json.expose_secret()).ok();
    value.filter(Value::is_object).ok_or(CredentialsError::NotJson)
}

fn text(fields: &Value, field: &'static str) -> Result<String, CredentialsError> {
    let text = fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(CredentialsError::Missing { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_googles_servers_are_taken_from_a_file() {
        assert!(token_server(None).is_ok());
        assert!(token_server(Some("https://oauth2.googleapis.com/token")).is_ok());
        for uri in [
            "http://oauth2.googleapis.com/token",
            "https://googleapis.com.example/token",
            "https://169.254.169.254/token",
            "nothing",
        ] {
            let error = token_server(Some(uri)).unwrap_err();
            assert!(matches!(error, CredentialsError::TokenServer { .. }), "{uri}");
        }
    }
}
