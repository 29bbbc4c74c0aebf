//! Vertex AI for one project and location: Gemini, and Claude beside it.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{ChatModel, EmbeddingModel, ModelError, ModelInfo, ModelSource};
use secrecy::SecretString;

use super::client::Client;
use super::{Access, url_template};
use crate::catalogue::ProviderEntry;
use crate::credentials::google::{self, MetadataServer};
use crate::credentials::{CachedTokens, FixedToken, TokenSource};
use crate::transport::{BuildError, TransportOptions};
use crate::{AddressPolicy, Gemini};

/// Two clients with the same tokens.
struct Vertex {
    gemini: Gemini,
    #[cfg(feature = "anthropic")]
    claude: crate::Anthropic,
}

/// The client for a row of this dialect.
pub(super) fn client(entry: &ProviderEntry, access: Access) -> Result<Arc<dyn Client>, BuildError> {
    let service_account = access.secrets.get("service_account");
    let tokens = tokens(access.key.as_ref(), service_account, &access.transport)?;
    Ok(Arc::new(Vertex {
        #[cfg(feature = "anthropic")]
        claude: claude(entry, &access, tokens.clone())?,
        gemini: gemini(entry, access, tokens)?,
    }))
}

/// The key is a token; without one a service account gets them, and without that the machine's own account, but only for
/// its operator: a tenant, who may reach public addresses only, is not the machine.
fn tokens(
    key: Option<&SecretString>,
    service_account: Option<&SecretString>,
    transport: &TransportOptions,
) -> Result<Arc<dyn TokenSource>, BuildError> {
    match (key, service_account) {
        (Some(token), _) => Ok(Arc::new(FixedToken::new(token.clone()))),
        (None, Some(file)) => google::from_json_through(file, transport)
            .map_err(|error| BuildError::Key { reason: error.to_string() }),
        (None, None) if transport.addresses == AddressPolicy::Public => {
            Err(BuildError::Key { reason: "it needs a token or a service account".into() })
        }
        (None, None) => Ok(Arc::new(CachedTokens::new(Arc::new(MetadataServer::new()?)))),
    }
}

fn gemini(
    entry: &ProviderEntry,
    access: Access,
    tokens: Arc<dyn TokenSource>,
) -> Result<Gemini, BuildError> {
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
    builder.build()
}

#[cfg(feature = "anthropic")]
fn claude(
    entry: &ProviderEntry,
    access: &Access,
    tokens: Arc<dyn TokenSource>,
) -> Result<crate::Anthropic, BuildError> {
    let value = |name| url_template::value(name, &entry.variables, &access.variables);
    let (project, location) = (value("project")?.to_owned(), value("location")?.to_owned());
    let project = crate::anthropic::VertexProject { project, location };
    let mut builder = crate::Anthropic::on_vertex(&entry.name, &project, tokens)
        .transport(access.transport.clone());
    if let Some(url) = &access.base_url {
        let url = url.trim_end_matches('/');
        builder = builder.base_url(format!("{url}/publishers/anthropic/models"));
    }
    for (name, value) in &access.headers {
        builder = builder.header(name, value);
    }
    builder.build()
}

/// The name of a model of Anthropic's, with or without its publisher before it.
#[cfg(feature = "anthropic")]
fn claude_name(model: &str) -> Option<&str> {
    let name = model.strip_prefix("anthropic/").unwrap_or(model);
    name.starts_with("claude").then_some(name)
}

impl ModelSource for Vertex {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        #[cfg(feature = "anthropic")]
        if let Some(name) = claude_name(model) {
            return Some(self.claude.chat(name));
        }
        Some(self.gemini.chat(model))
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        Some(self.gemini.embedding(model))
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        self.gemini.model_names()
    }
}

impl Client for Vertex {
    fn chat_with(&self, info: ModelInfo) -> Option<Arc<dyn ChatModel>> {
        #[cfg(feature = "anthropic")]
        if claude_name(&info.name.model).is_some() {
            return Some(self.claude.chat_with(info));
        }
        Some(self.gemini.chat_with(info))
    }

    fn embedding_with(&self, info: ModelInfo) -> Option<Arc<dyn EmbeddingModel>> {
        Some(self.gemini.embedding_with(info))
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
        assert!(tokens(Some(&"token".into()), None, &public).is_ok());
    }
}
