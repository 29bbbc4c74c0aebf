//! One client of each dialect out of a provider's row and what a customer says.

use std::sync::Arc;

use url::form_urlencoded;

use super::client::Client;
use super::{Access, url_template};
use crate::OpenAi;
use crate::catalogue::{Dialect, ProviderEntry};
use crate::credentials::TokenSource;
use crate::openai::AzureApi;
use crate::transport::BuildError;

type Made = Result<Arc<dyn Client>, BuildError>;

/// The client for a row. `query` goes into the base URL.
pub(super) fn client(entry: &ProviderEntry, access: Access, query: &[(&str, String)]) -> Made {
    match entry.dialect {
        Dialect::OpenAi => Ok(Arc::new(openai(entry, access, query)?)),
        #[cfg(feature = "openai-responses")]
        Dialect::OpenAiResponses => Ok(Arc::new(crate::ByResponses(openai(entry, access, query)?))),
        #[cfg(feature = "anthropic")]
        Dialect::Anthropic => anthropic(entry, access),
        #[cfg(feature = "cohere")]
        Dialect::Cohere => cohere(entry, access),
        #[cfg(feature = "gemini")]
        Dialect::Gemini => gemini(entry, access),
        #[cfg(feature = "gemini")]
        Dialect::Vertex => super::vertex::client(entry, access),
        #[cfg(feature = "bedrock")]
        Dialect::Bedrock => bedrock(entry, access),
        Dialect::Azure => azure(entry, access),
        #[cfg(feature = "audio")]
        Dialect::Deepgram => voice(crate::voice::Deepgram::builder(&entry.name), entry, access),
        #[cfg(feature = "audio")]
        Dialect::ElevenLabs => voice(crate::voice::ElevenLabs::builder(&entry.name), entry, access),
        #[cfg(feature = "audio")]
        Dialect::FishAudio => voice(crate::voice::FishAudio::builder(&entry.name), entry, access),
        #[cfg(feature = "dashscope")]
        Dialect::DashScope => dashscope(entry, access),
        #[cfg(feature = "ollama")]
        Dialect::Ollama => ollama(entry, access),
        #[allow(unreachable_patterns, reason = "reached where a dialect's feature is off")]
        _ => Err(BuildError::Dialect { provider: entry.name.clone() }),
    }
}

/// Where the provider is, for this customer.
fn base_url(
    entry: &ProviderEntry,
    access: &Access,
    query: &[(&str, String)],
) -> Result<String, BuildError> {
    let mut url = match &access.base_url {
        Some(url) => url.clone(),
        None => entry.base_url_for(&access.variables)?,
    };
    for (name, value) in query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        url.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
    Ok(url)
}

fn openai(
    entry: &ProviderEntry,
    access: Access,
    query: &[(&str, String)],
) -> Result<OpenAi, BuildError> {
    let base_url = base_url(entry, &access, query)?;
    let mut builder = OpenAi::from_entry(entry).base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    builder.build()
}

fn azure(entry: &ProviderEntry, access: Access) -> Made {
    let endpoint = base_url(entry, &access, &[])?;
    let value = |name| url_template::optional(name, &entry.variables, &access.variables);
    let api = match (value("interface")?, value("api_version")?) {
        (Some("models"), Some(version)) => AzureApi::Models { version: version.to_owned() },
        (None | Some("openai"), Some(version)) if version != "v1" => {
            AzureApi::Deployments { version: version.to_owned() }
        }
        (None | Some("openai"), _) => AzureApi::V1,
        (Some(_), _) => {
            let reason = "is `openai`, or `models` with an `api_version`".to_owned();
            return Err(BuildError::Variable { name: "interface".to_owned(), reason });
        }
    };
    let mut builder = OpenAi::azure(&entry.name, endpoint, api).quirks(entry.quirks.clone());
    if let Some(key) = &access.key {
        builder = builder.api_key(key.clone());
    } else if let Some(tokens) = entra(&access)? {
        builder = builder.token_source(tokens);
    }
    builder = builder.transport(access.transport);
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

/// Tokens for an application with a secret.
#[cfg(feature = "azure-credentials")]
fn entra(access: &Access) -> Result<Option<Arc<dyn TokenSource>>, BuildError> {
    use secrecy::ExposeSecret;

    use crate::credentials::CachedTokens;
    use crate::credentials::azure::Entra;

    let secret = |name: &str| access.secrets.get(name);
    let (Some(tenant), Some(client), Some(proof)) =
        (secret("tenant_id"), secret("client_id"), secret("client_secret"))
    else {
        return Ok(None);
    };
    let entra = Entra::with_secret(tenant.expose_secret(), client.expose_secret(), proof.clone())?;
    let entra = entra.transport(&access.transport)?;
    Ok(Some(Arc::new(CachedTokens::new(Arc::new(entra)))))
}

#[cfg(not(feature = "azure-credentials"))]
fn entra(access: &Access) -> Result<Option<Arc<dyn TokenSource>>, BuildError> {
    match access.secrets.is_empty() {
        true => Ok(None),
        false => {
            Err(BuildError::Key { reason: "tokens of Entra are not part of this build".into() })
        }
    }
}

#[cfg(feature = "cohere")]
fn cohere(entry: &ProviderEntry, access: Access) -> Made {
    let base_url = base_url(entry, &access, &[])?;
    let mut builder =
        crate::Cohere::from_entry(entry).base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "audio")]
fn voice<S: crate::voice::Service + Client + 'static>(
    builder: crate::voice::VoiceBuilder<S>,
    entry: &ProviderEntry,
    access: Access,
) -> Made {
    let base_url = base_url(entry, &access, &[])?;
    let mut builder = builder.base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "anthropic")]
fn anthropic(entry: &ProviderEntry, access: Access) -> Made {
    let base_url = base_url(entry, &access, &[])?;
    let mut builder =
        crate::Anthropic::from_entry(entry).base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "gemini")]
fn gemini(entry: &ProviderEntry, access: Access) -> Made {
    let base_url = base_url(entry, &access, &[])?;
    let mut builder =
        crate::Gemini::from_entry(entry).base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "dashscope")]
fn dashscope(entry: &ProviderEntry, access: Access) -> Made {
    let base_url = base_url(entry, &access, &[])?;
    let mut builder =
        crate::DashScope::from_entry(entry).base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "ollama")]
fn ollama(entry: &ProviderEntry, access: Access) -> Made {
    let base_url = base_url(entry, &access, &[])?;
    let mut builder =
        crate::Ollama::from_entry(entry).base_url(base_url).transport(access.transport);
    if let Some(key) = access.key {
        builder = builder.api_key(key);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}

/// A base URL of the customer's own stands for both of Bedrock's hosts, as a gateway's does; models of a VPC endpoint that
/// is not both have rerank models elsewhere.
#[cfg(feature = "bedrock")]
fn bedrock(entry: &ProviderEntry, access: Access) -> Made {
    use secrecy::ExposeSecret;

    use crate::bedrock::{Bedrock, Credentials};

    let region = url_template::value("region", &entry.variables, &access.variables)?;
    let mut builder = Bedrock::builder(&entry.name, region).transport(access.transport);
    if let Some(url) = access.base_url {
        builder = builder.runtime_url(&url).agent_url(url);
    }
    let secret = |name: &str| access.secrets.get(name);
    if let Some(key) = access.key {
        builder = builder.bearer_token(key);
    } else if let (Some(id), Some(secret_key)) =
        (secret("access_key_id"), secret("secret_access_key"))
    {
        let mut credentials = Credentials::new(id.expose_secret(), secret_key.clone());
        credentials.session_token = secret("session_token").cloned();
        builder = builder.credentials(credentials);
    }
    for (name, value) in access.headers {
        builder = builder.header(name, value);
    }
    Ok(Arc::new(builder.build()?))
}
