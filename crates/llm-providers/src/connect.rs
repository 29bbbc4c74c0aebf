//! [`connect`]: from a provider's name or row to its models, whatever its dialect.

mod client;
mod connected;
mod dialect;
mod key_format;
mod url_template;
#[cfg(feature = "gemini")]
mod vertex;
mod vision;

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_core::{Extra, ModelSource};
use secrecy::SecretString;

use self::connected::Connected;
use self::key_format::Unpacked;
use crate::ModelCatalogue;
use crate::catalogue::{self, ProviderEntry};
use crate::transport::{BuildError, TransportOptions};

pub use self::key_format::KeyFormat;
pub(crate) use self::url_template::fill;
#[cfg(test)]
pub(crate) use self::url_template::placeholders;

/// How one customer reaches a provider. `Default` says nothing: right for a server on the own machine that asks no key.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The key, plain or in the form that the provider's [`KeyFormat`] describes.
    pub key: Option<SecretString>,
    /// Another base URL than the row's.
    pub base_url: Option<String>,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// Values for [`ProviderEntry::variables`].
    pub variables: BTreeMap<String, String>,
    /// Values for [`ProviderEntry::secrets`].
    pub secrets: BTreeMap<String, SecretString>,
    /// Fields of the body of every chat, embedding and speech request, unless the request has them.
    pub body: Extra,
    /// What is known of models; without it, the built-in list counts.
    pub models: Option<Arc<ModelCatalogue>>,
    /// Limits and options of its connections.
    pub transport: TransportOptions,
}

/// Connects to a provider of the [catalogue], by its name or what other programs call it. Nothing is sent.
///
/// ```
/// use llm_providers::{Access, connect};
///
/// let key = Some("sk-…".replace('…', "123").into());
/// let provider = connect("SILICONFLOW", Access { key, ..Access::default() })?;
/// let chat = provider.chat("Qwen/Qwen3-8B").unwrap();
/// assert_eq!(chat.info().name.to_string(), "siliconflow/Qwen/Qwen3-8B");
/// # Ok::<(), llm_providers::BuildError>(())
/// ```
///
/// # Errors
/// An unknown name, and as [`connect_entry`].
pub fn connect(name: &str, access: Access) -> Result<Arc<dyn ModelSource>, BuildError> {
    let unknown = || BuildError::UnknownProvider { name: name.to_owned() };
    connect_entry(catalogue::find(name).ok_or_else(unknown)?, access)
}

/// Connects to a provider by its row: one of the catalogue, a changed one, or one of the caller's own
/// ([`ProviderEntry::unlisted`]). Nothing is sent. The models that it makes know of themselves what [`Access::models`] knows.
///
/// # Errors
/// When a variable has no value, the key is not of the row's format, the dialect is not part of this build, or the base
/// URL, a header or TLS is not in order. No error holds a secret.
pub fn connect_entry(
    entry: &ProviderEntry,
    mut access: Access,
) -> Result<Arc<dyn ModelSource>, BuildError> {
    for name in access.variables.keys() {
        known(entry, "variable", name, entry.variables.keys())?;
    }
    for name in access.secrets.keys() {
        known(entry, "secret", name, entry.secrets.keys())?;
    }
    let Unpacked { query, model } = entry.key_format.unpack(&mut access)?;
    let (body, models) = (std::mem::take(&mut access.body), access.models.take());
    let client = dialect::client(entry, access, &query)?;
    Ok(Arc::new(Connected::new(client, entry, body, model, models)))
}

fn known<'a>(
    entry: &ProviderEntry,
    what: &'static str,
    name: &str,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), BuildError> {
    if names.any(|known| known == name) {
        return Ok(());
    }
    let reason = format!("`{}` has no such {what}", entry.name);
    Err(BuildError::Variable { name: name.to_owned(), reason })
}
