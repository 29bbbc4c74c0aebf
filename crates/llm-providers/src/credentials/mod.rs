//! Access tokens: where they come from, and how long they are kept.
//!
//! Every client that takes tokens takes them from one trait, [`TokenSource`]:
//!
//! | source | from |
//! |---|---|
//! | [`FixedToken`] | the caller, who has one already |
//! | [`azure`] | Microsoft Entra ID: an application, a workload, the machine's own identity |
//! | [`google`] | Google Cloud: a service account, a person who has signed in, the machine's own account |
//!
//! [`CachedTokens`] keeps a token while it lasts and asks once however many callers wait.
//!
//! Nothing here reads files or the environment: whoever assembles a configuration hands in what stands there.

#[cfg(feature = "azure-credentials")]
pub mod azure;
mod cached;
#[cfg(any(feature = "azure-credentials", feature = "google-credentials"))]
mod exchange;
#[cfg(feature = "google-credentials")]
pub mod google;

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use llm_core::{ErrorKind, ModelError, Operation, Retry, RetryHint};
use secrecy::{ExposeSecret, SecretString};

pub use cached::CachedTokens;

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

    /// The status that the token server answered with.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The failure of the call that needed the token.
    fn during(self, operation: Operation) -> ModelError {
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

/// Adds the token of this moment to the headers of a request, unless its caller brought an `Authorization`.
///
/// # Errors
/// Why there is no token, as the failure of the call.
pub(crate) async fn authorise(
    source: &dyn TokenSource,
    operation: Operation,
    headers: &mut HeaderMap,
) -> Result<(), ModelError> {
    if headers.contains_key(AUTHORIZATION) {
        return Ok(());
    }
    let token = source.token().await.map_err(|error| error.during(operation))?;
    let value = format!("Bearer {}", token.secret.expose_secret().trim());
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        let message = "the access token holds characters that HTTP does not allow";
        ModelError::new(ErrorKind::Authentication, operation, message)
    })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}
