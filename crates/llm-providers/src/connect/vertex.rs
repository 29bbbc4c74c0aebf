//! Vertex AI for one project and location.

use std::sync::Arc;

use secrecy::SecretString;

use super::client::Client;
use super::{Access, url_template};
use crate::catalogue::ProviderEntry;
use crate::credentials::google::{self, MetadataServer};
use crate::credentials::{CachedTokens, FixedToken, TokenSource};
use crate::transport::{BuildError, TransportOptions};
use crate::{AddressPolicy, Gemini};

/// The client for a row of this dialect.
pub(super) fn client(
    entry: &ProviderEntry,
    access: Access,
) -> Result<Arc<dyn Client>, BuildError> {
    let tokens = tokens(access.key, access.secrets.get("service_account"), &access.transport)?;
    let value = |name| url_template::value(name, &entry.variables, &access.variables);
    let mut builder = Gemini::vertex(&entry.name, value("project")?, value("location")?)
        .token_source(tokens)
        .transport(access.transport);
    if let Some(url) = access.base_url {
        builder = builder.base_url(url);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

/// The key is a token; without one a service account gets them, and without that the machine's own account, but only for
/// its operator: a tenant, who may reach public addresses only, is not the machine.
fn tokens(
    key: Option<SecretString>,
    service_account: Option<&SecretString>,
    transport: &TransportOptions,
) -> Result<Arc<dyn TokenSource>, BuildError> {
    match (key, service_account) {
        (Some(token), _) => Ok(Arc::new(FixedToken::new(token))),
        (None, Some(file)) => google::from_json_through(file, transport)
            .map_err(|error| BuildError::Key { reason: error.to_string() }),
        (None, None) if transport.addresses == AddressPolicy::Public => {
            Err(BuildError::Key { reason: "it needs a token or a service account".into() })
        }
        (None, None) => Ok(Arc::new(CachedTokens::new(Arc::new(MetadataServer::new()?)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_does_not_get_the_machines_own_account() {
        let public =
            TransportOptions { addresses: AddressPolicy::Public, ..TransportOptions::default() };
        assert!(tokens(None, None, &TransportOptions::default()).is_ok());
        let error = tokens(None, None, &public).err().unwrap();
        assert!(matches!(error, BuildError::Key { .. }), "{error}");
        assert!(tokens(Some("token".into()), None, &public).is_ok());
    }
}
