//! [`Proxy`]: what stands between a transport and its provider, by the operator's choice.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::transport::BuildError;

/// A proxy that everything of a transport goes through. Neither `Debug` nor an error shows its user or password.
///
/// | scheme | how |
/// |---|---|
/// | `http`, `https` | a tunnel (`CONNECT`) to providers over TLS; plain requests are forwarded |
/// | `socks5`, `socks5h` | names are resolved here; by the proxy |
#[derive(Clone)]
pub struct Proxy {
    url: Url,
    direct: Vec<String>,
    is_trusted: bool,
}

impl Proxy {
    /// The proxy at `url`, which may hold a user and a password.
    ///
    /// # Errors
    /// [`BuildError::Proxy`] when the URL is none or of another scheme.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        let error = |reason: &str| BuildError::Proxy { reason: reason.to_owned() };
        // What cannot be read may still hold a password, so it is not shown.
        let url = Url::parse(url).map_err(|problem| error(&problem.to_string()))?;
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(error("it must begin with http://, https://, socks5:// or socks5h://"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(error("it names no host"));
        }
        Ok(Self { url, direct: Vec::new(), is_trusted: false })
    }

    /// Signs in with these (basic authentication; user and password with SOCKS).
    ///
    /// # Errors
    /// [`BuildError::Proxy`] when the URL has no place for them.
    pub fn credentials(mut self, user: &str, password: &SecretString) -> Result<Self, BuildError> {
        let set = self
            .url
            .set_username(user)
            .and_then(|()| self.url.set_password(Some(password.expose_secret())));
        set.map_err(|()| BuildError::Proxy { reason: "it takes no user and password".into() })?;
        Ok(self)
    }

    /// Reaches these hosts without the proxy: domains (with what is below them), addresses, and networks as
    /// `10.0.0.0/8`; `*` is all.
    pub fn except<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.direct.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Declares that the proxy itself keeps requests from private addresses. Without this, a transport that may only
    /// reach public addresses takes no proxy: the proxy, not the transport, looks up names.
    pub fn trusted(mut self) -> Self {
        self.is_trusted = true;
        self
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    pub(crate) fn host(&self) -> Option<&str> {
        self.url.host_str()
    }

    pub(crate) fn to_reqwest(&self) -> Result<reqwest::Proxy, reqwest::Error> {
        let direct = reqwest::NoProxy::from_string(&self.direct.join(","));
        Ok(reqwest::Proxy::all(self.url.clone())?.no_proxy(direct))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        // A URL with a host has a place for both, so neither can fail.
        let cleared = url.set_username("").and_then(|()| url.set_password(None)).is_ok();
        f.debug_struct("Proxy")
            .field("url", &cleared.then(|| url.as_str()))
            .field("has_credentials", &has_credentials)
            .field("direct", &self.direct)
            .field("is_trusted", &self.is_trusted)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show() {
        let proxy = Proxy::new("http://user:hush@proxy.example:3128").unwrap();
        let proxy = proxy.credentials("somebody", &"hush@/:".into()).unwrap();
        let shown = format!("{proxy:?} {:?}", proxy.to_reqwest().map(|_| ()));
        assert!(shown.contains("proxy.example:3128"), "{shown}");
        assert!(!shown.contains("hush") && !shown.contains("somebody"), "{shown}");
    }

    #[test]
    fn refuses_what_is_no_proxy() {
        for url in ["", "proxy:3128", "ftp://user:hush@proxy", "http://user:hush@", "socks4://a"] {
            let error = Proxy::new(url).unwrap_err();
            assert!(matches!(error, BuildError::Proxy { .. }), "{url}");
            assert!(!format!("{error:?} {error}").contains("hush"), "{error}");
        }
    }
}
