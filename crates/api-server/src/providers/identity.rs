//! [`Identity`]: who we are to a provider, and where that is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use llm_providers::catalogue::{ProviderEntry, SecretVariable};
use secrecy::SecretString;

use crate::config::{Environment, ProviderConfig, SecretRef};

/// A key, or other secrets in its place.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) key: Option<SecretString>,
    pub(super) secrets: BTreeMap<String, SecretString>,
    /// Where they come from, for people; never the secrets.
    pub(super) source: String,
}

impl Identity {
    /// As configured, one for each key; else from the well-known variables.
    ///
    /// # Errors
    /// One line that names the secret that is not there.
    pub(super) fn all_of_config(
        config: &ProviderConfig,
        entry: &ProviderEntry,
        environment: &Environment,
    ) -> Result<Vec<Self>, String> {
        if config.api_keys.is_empty() {
            return Ok(vec![Self::of_config(config, entry, environment)?]);
        }
        if config.api_key.is_some() {
            return Err("choose one of `api_key` and `api_keys`".into());
        }
        config.api_keys.iter().map(|reference| Self::of_key(reference, environment)).collect()
    }

    fn of_key(reference: &SecretRef, environment: &Environment) -> Result<Self, String> {
        let key = Some(reference.resolve(environment)?);
        Ok(Self { key, source: reference.to_string(), ..Self::default() })
    }

    /// As configured, else from the well-known variables.
    ///
    /// # Errors
    /// One line that names the secret that is not there.
    fn of_config(
        config: &ProviderConfig,
        entry: &ProviderEntry,
        environment: &Environment,
    ) -> Result<Self, String> {
        if let Some(reference) = &config.api_key {
            return Self::of_key(reference, environment);
        }
        if config.secrets.is_empty() {
            let known = Self::of_environment(entry, environment)?;
            return Ok(known.unwrap_or_else(Self::nobody));
        }
        let mut identity = Self::default();
        for (name, reference) in &config.secrets {
            let secret = reference.resolve(environment);
            let secret = secret.map_err(|error| format!("`secrets.{name}`: {error}"))?;
            identity.secrets.insert(name.clone(), secret);
            identity.comes_from(reference);
        }
        Ok(identity)
    }

    /// From the well-known variables: a key, else all secrets, else nobody where the provider asks no key.
    ///
    /// # Errors
    /// A file that a variable names and that cannot be read.
    pub(super) fn of_environment(
        entry: &ProviderEntry,
        environment: &Environment,
    ) -> Result<Option<Self>, String> {
        let is_set = |name: &&String| text(environment, name).is_some();
        if let Some(name) = entry.key_variables.iter().find(is_set) {
            return Self::of_key(&SecretRef::Env(name.clone()), environment).map(Some);
        }
        let mut identity = Self::default();
        for (name, secret) in &entry.secrets {
            match (reference(secret, environment), secret.optional) {
                (Some(reference), _) => {
                    identity.secrets.insert(name.clone(), reference.resolve(environment)?);
                    identity.comes_from(&reference);
                }
                (None, true) => {}
                (None, false) => return Ok(entry.key_optional.then(Self::nobody)),
            }
        }
        if identity.secrets.is_empty() {
            return Ok(entry.key_optional.then(Self::nobody));
        }
        Ok(Some(identity))
    }

    /// Recordings ask nobody who he is.
    pub(super) fn of_recordings() -> Self {
        Self { source: "recordings".into(), ..Self::default() }
    }

    fn nobody() -> Self {
        Self { source: "none".into(), ..Self::default() }
    }

    fn comes_from(&mut self, reference: &SecretRef) {
        if !self.source.is_empty() {
            self.source.push_str(", ");
        }
        self.source.push_str(&reference.to_string());
    }
}

/// Where a secret is, by the well-known variables.
fn reference(secret: &SecretVariable, environment: &Environment) -> Option<SecretRef> {
    let is_set = |name: &&String| text(environment, name).is_some();
    if let Some(name) = secret.environment.iter().find(is_set) {
        return Some(SecretRef::Env(name.clone()));
    }
    let path = secret.files.iter().find_map(|name| text(environment, name));
    path.map(|path| SecretRef::File(PathBuf::from(path)))
}

/// What a variable holds, if anything.
pub(super) fn text<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}
