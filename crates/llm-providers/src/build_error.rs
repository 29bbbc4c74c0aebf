//! [`BuildError`]: why a provider could not be set up.

/// Why a provider could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The base URL is none, or not of HTTP.
    #[error("`{url}` is no base URL: {reason}")]
    BaseUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header has a name or value that HTTP does not allow; secrets are not shown.
    #[error(
        "the header `{name}` cannot be sent: its name or value holds characters that HTTP does not allow"
    )]
    Header {
        /// Its name.
        name: String,
    },
    /// No provider of this name is in the catalogue.
    #[error(
        "no provider `{name}` is known; name one of the catalogue, or give its dialect and base URL"
    )]
    UnknownProvider {
        /// What was asked for.
        name: String,
    },
    /// A variable or a secret of the provider has no value, or none that can be used.
    #[error("`{name}` {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is not of the provider's format; it is not shown.
    #[error("the key cannot be used: {reason}")]
    Key {
        /// What is wrong with it.
        reason: String,
    },
    /// The feature of this dialect is off.
    #[error("the dialect of `{provider}` is not part of this build")]
    Dialect {
        /// The provider.
        provider: String,
    },
    /// A base URL that may only lead to public addresses leads elsewhere.
    #[error("`{host}` is not allowed in a base URL: it is no public address")]
    Address {
        /// The URL's host.
        host: String,
    },
    /// The proxy cannot be used; its URL is not shown, since it may hold a password.
    #[error("the proxy cannot be used: {reason}")]
    Proxy {
        /// What is wrong with it.
        reason: String,
    },
    /// The client certificate cannot be used; nothing of its key is shown.
    #[error("the client certificate cannot be used: {reason}")]
    ClientCertificate {
        /// What is wrong with it.
        reason: String,
    },
    /// TLS or the client could not be set up (no certificate authorities on this machine …).
    #[error("the HTTP client could not be set up")]
    Client(#[source] llm_core::BoxError),
}

impl BuildError {
    pub(crate) fn client(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Client(Box::new(error))
    }

    pub(crate) fn proxy(reason: &str) -> Self {
        Self::Proxy { reason: reason.to_owned() }
    }
}
