//! How a provider of the configuration is connected to: proxy, TLS, limits of time.

use std::path::Path;
use std::time::Duration;

use llm_providers::{ClientCertificate, Proxy, TransportOptions};
use secrecy::SecretString;

use super::{Environment, ProviderConfig};
use crate::causes_line;

impl ProviderConfig {
    /// Its connections' options, with the files and secrets that they name.
    ///
    /// # Errors
    /// One line that names the key at fault, never a secret.
    pub fn transport(&self, environment: &Environment) -> Result<TransportOptions, String> {
        let defaults = TransportOptions::default();
        let seconds = |seconds: Option<std::num::NonZeroU64>, default| {
            seconds.map_or(default, |seconds| Duration::from_secs(seconds.get()))
        };
        Ok(TransportOptions {
            connect_timeout: seconds(self.connect_timeout_seconds, defaults.connect_timeout),
            read_timeout: seconds(self.read_timeout_seconds, defaults.read_timeout),
            proxy: self.proxy(environment)?,
            ca_certificates: match &self.ca_certificates {
                Some(path) => certificates("ca_certificates", path)?,
                None => Vec::new(),
            },
            client_certificate: self.client_certificate(environment)?,
            ..defaults
        })
    }

    fn proxy(&self, environment: &Environment) -> Result<Option<Proxy>, String> {
        let Some(url) = &self.proxy else {
            let is_alone = self.proxy_user.is_some() || self.proxy_password.is_some();
            return match is_alone || !self.no_proxy.is_empty() {
                true => Err("`proxy_user`, `proxy_password` and `no_proxy` need a `proxy`".into()),
                false => Ok(None),
            };
        };
        if url.contains('@') {
            return Err("`proxy` holds no user or password; write them as `proxy_user` and \
                        `proxy_password`"
                .into());
        }
        let mut proxy = Proxy::new(url).map_err(|error| causes_line(&error))?;
        if self.proxy_user.is_some() || self.proxy_password.is_some() {
            let user = self.proxy_user.as_deref().unwrap_or_default();
            let password = match &self.proxy_password {
                Some(reference) => reference.resolve(environment)?,
                None => SecretString::default(),
            };
            proxy = proxy.credentials(user, &password).map_err(|error| causes_line(&error))?;
        }
        Ok(Some(proxy.except(self.no_proxy.iter().cloned())))
    }

    fn client_certificate(
        &self,
        environment: &Environment,
    ) -> Result<Option<ClientCertificate>, String> {
        match (&self.client_certificate, &self.client_key) {
            (Some(path), Some(key)) => Ok(Some(ClientCertificate {
                chain_pem: certificates("client_certificate", path)?,
                key_pem: key.resolve(environment)?,
            })),
            (None, None) => Ok(None),
            _ => Err("`client_certificate` and `client_key` go together".into()),
        }
    }
}

/// A file of certificates. One without any would be passed over in silence.
fn certificates(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let pem = std::fs::read(path)
        .map_err(|error| format!("`{key}`: the file `{shown}` cannot be read: {error}"))?;
    if !pem.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----") {
        return Err(format!("`{key}`: the file `{shown}` holds no certificate in PEM"));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport(keys: &str) -> Result<TransportOptions, String> {
        let dir = tempfile::tempdir().unwrap();
        let pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
        std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
        std::fs::write(dir.path().join("blank.pem"), "\n").unwrap();
        let keys = keys.replace("DIR", &dir.path().display().to_string());
        let config: ProviderConfig = toml::from_str(&format!("name = \"p\"\n{keys}"))
            .map_err(|error| error.message().to_owned())?;
        let environment = [("SECRET".to_owned(), "hush".to_owned())].into();
        config.transport(&environment).map_err(|error| error.replace(keys.as_str(), ""))
    }

    #[test]
    fn what_is_set_is_taken() {
        let options = transport(
            "proxy = \"http://proxy.example:3128\"\nproxy_user = \"us\"\nproxy_password = \"env:SECRET\"\n\
             no_proxy = [\"10.0.0.0/8\"]\nca_certificates = \"DIR/ca.pem\"\n\
             client_certificate = \"DIR/ca.pem\"\nclient_key = \"env:SECRET\"\n\
             connect_timeout_seconds = 3\nread_timeout_seconds = 40",
        )
        .unwrap();
        assert_eq!(options.connect_timeout, Duration::from_secs(3));
        assert_eq!(options.read_timeout, Duration::from_secs(40));
        assert!(!options.ca_certificates.is_empty() && options.client_certificate.is_some());
        let proxy = format!("{:?}", options.proxy);
        assert!(proxy.contains("http://proxy.example:3128") && proxy.contains("10.0.0.0/8"));
        assert!(proxy.contains("has_credentials: true"), "{proxy}");
        assert!(!format!("{options:?}").contains("hush"));
    }

    #[test]
    fn nothing_has_to_be_set() {
        let (ours, defaults) = (transport("").unwrap(), TransportOptions::default());
        assert_eq!(format!("{ours:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn what_is_wrong_names_its_key() {
        for (keys, expected) in [
            ("proxy = \"proxy.example\"", "the proxy cannot be used"),
            ("proxy = \"http://us:hush@proxy.example\"", "as `proxy_user` and `proxy_password`"),
            ("proxy_user = \"us\"", "need a `proxy`"),
            ("no_proxy = [\"a.example\"]", "need a `proxy`"),
            (
                "proxy = \"http://p.example\"\nproxy_password = \"env:NO\"",
                "variable `NO` is not set",
            ),
            ("proxy_password = \"hush\"", "a secret is written as"),
            ("ca_certificates = \"DIR/none.pem\"", "`ca_certificates`: the file"),
            ("ca_certificates = \"DIR/blank.pem\"", "holds no certificate"),
            ("client_certificate = \"DIR/ca.pem\"", "go together"),
            ("client_key = \"env:SECRET\"", "go together"),
            ("connect_timeout_seconds = 0", "nonzero"),
        ] {
            let error = transport(keys).unwrap_err();
            assert!(error.contains(expected), "{keys}: {error}");
            assert!(!error.contains("hush") && !error.contains('\n'), "{error}");
        }
    }
}
