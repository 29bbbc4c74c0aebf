//! Vertex AI for one project and location.

use std::sync::Arc;

use secrecy::SecretString;

use super::{Access, url_template};
use crate::Gemini;
use crate::catalogue::ProviderEntry;
use crate::credentials::google::{self, MetadataServer};
use crate::credentials::{CachedTokens, FixedToken, TokenSource};
use crate::transport::BuildError;
use llm_core::ModelSource;

/// The client for a row of this dialect.
pub(super) fn client(
    entry: &ProviderEntry,
    access: Access,
) -> Result<Arc<dyn ModelSource>, BuildError> {
    let tokens = tokens(access.key, access.secrets.get("service_account"))?;
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

/// The key is a token; without one a service account gets them, and without that the machine's own account.
fn tokens(
    key: Option<SecretString>,
    service_account: Option<&SecretString>,
) -> Result<Arc<dyn TokenSource>, BuildError> {
    match (key, service_account) {
        (Some(token), _) => Ok(Arc::new(FixedToken::new(token))),
        (None, Some(file)) => {
            google::from_json(file).map_err(|error| BuildError::Key { reason: error.to_string() })
        }
        (None, None) => Ok(Arc::new(CachedTokens::new(Arc::new(MetadataServer::new()?)))),
    }
}
