//! Access tokens for Google Cloud: where they come from, and how long they are kept.
//!
//! | source | from |
//! |---|---|
//! | [`ServiceAccount`] | a service account's key file: a signed assertion is exchanged for a token |
//! | [`AuthorizedUser`] | the file that signing in with `gcloud auth application-default login` leaves |
//! | [`MetadataServer`] | the machine's own account on Compute Engine, GKE (workload identity) and Cloud Run |
//! | [`FixedToken`] | the caller, who has one already |
//!
//! [`CachedTokens`] keeps a token while it lasts and asks once however many callers wait. [`from_json`] picks the right
//! source for a credentials file.
//!
//! Nothing here reads files or the environment: whoever assembles a configuration hands in what stands there.

mod authorized_user;
mod cached;
mod exchange;
mod metadata;
mod service_account;

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use llm_core::{ErrorKind, ModelError, Operation, Retry, RetryHint};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::transport::{BuildError, TransportOptions};

pub use authorized_user::AuthorizedUser;
pub use cached::CachedTokens;
pub use metadata::MetadataServer;
pub use service_account::ServiceAccount;

/// What tokens are asked for: everything on Google Cloud that the account may do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Gives access tokens. Asked before every call, so a source that asks somebody else belongs into [`CachedTokens`].
pub trait TokenSource: Send + Sync {
    /// A token that is good now. The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// Why there is none, and whether asking again can help.
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>>;

    /// The provider has refused the last token; a source that keeps it forgets it.
    fn refused(&self) {}
}

/// A token, and how long it lasts.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What is sent as `Authorization: Bearer`.
    pub secret: SecretString,
    /// How long it lasts from now; `None` is not known.
    pub lasts: Option<Duration>,
}

/// Why there is no token. Cheap to clone, since many callers may wait for one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no access token: {message}")]
pub struct TokenError {
    kind: ErrorKind,
    retry: Retry,
    status: Option<u16>,
    message: Arc<str>,
}

impl TokenError {
    /// A failure of this kind. `message` says what is wrong in one line.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        // The hint that fits the kind is the vocabulary's affair.
        let retry = ModelError::new(kind, Operation::Chat, "").retry();
        Self { kind, retry, status: None, message: message.into() }
    }

    /// Why it failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The failure of the call that needed the token.
    pub(crate) fn during(self, operation: Operation) -> ModelError {
        let error = ModelError::new(self.kind, operation, self.to_string()).with_retry(self.retry);
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

impl From<ModelError> for TokenError {
    fn from(error: ModelError) -> Self {
        Self {
            kind: error.kind(),
            retry: error.retry(),
            status: error.status(),
            message: error.message().into(),
        }
    }
}

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
    let fields = parse(json)?;
    let source: Arc<dyn TokenSource> = match text(&fields, "type")?.as_str() {
        "service_account" => Arc::new(ServiceAccount::from_json(json)?),
        "authorized_user" => Arc::new(AuthorizedUser::from_json(json)?),
        kind => return Err(CredentialsError::Kind { kind: kind.to_owned() }),
    };
    Ok(Arc::new(CachedTokens::new(source)))
}

/// A token that somebody else takes care of.
#[derive(Clone, Debug)]
pub struct FixedToken(SecretString);

impl FixedToken {
    /// This token, for ever.
    pub fn new(token: SecretString) -> Self {
        Self(token)
    }
}

impl TokenSource for FixedToken {
    fn token(&self) -> BoxFuture<'static, Result<AccessToken, TokenError>> {
        ready(Ok(AccessToken { secret: self.0.clone(), lasts: None })).boxed()
    }
}

fn parse(json: &SecretString) -> Result<Value, CredentialsError> {
    let value: Option<Value> = serde_json::from_str(json.expose_secret()).ok();
    value.filter(Value::is_object).ok_or(CredentialsError::NotJson)
}

fn text(fields: &Value, field: &'static str) -> Result<String, CredentialsError> {
    let text = fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(CredentialsError::Missing { field })
}

/// Asking for a token is quick or broken.
fn transport_options() -> TransportOptions {
    TransportOptions {
        read_timeout: Duration::from_secs(30),
        max_body_bytes: 1 << 20,
        ..TransportOptions::default()
    }
}
