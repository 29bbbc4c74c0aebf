//! From configuration and environment to providers that can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_core::{
    ChatModel, EmbeddingModel, ModelInfo, ModelSource, RerankModel, SpeechModel,
    TranscriptionModel, VisionModel,
};
use llm_providers::catalogue::{self, Dialect, ProviderEntry};
use llm_providers::{Anthropic, ByResponses, Gemini, OpenAi, TransportOptions};
use secrecy::SecretString;

use crate::causes_line;
use crate::config::{ConfigError, Environment, ProviderConfig};

/// A provider that can be asked.
#[derive(Clone)]
pub(crate) struct Provider {
    /// The name before the slash of its models.
    pub(crate) name: String,
    /// The client; clones share its connections.
    pub(crate) client: Arc<dyn ModelSource>,
    /// The chat model to use when none is named.
    pub(crate) default_model: Option<String>,
    /// Where its key comes from, for people; never the key.
    pub(crate) key_source: String,
}

/// The providers of the configuration, then those whose well-known key variable is set.
///
/// # Errors
/// A provider without a base URL, a secret that is not there, a name that is taken.
pub(crate) fn providers(
    configured: &[ProviderConfig],
    environment: &Environment,
) -> Result<Vec<Provider>, ConfigError> {
    let mut providers = BTreeMap::new();
    let mut order = Vec::new();
    for config in configured {
        let place = format!("[[provider]] `{}`", config.name);
        let fail = |reason: String| ConfigError::new(place.clone(), reason);
        if config.name.is_empty()
            || config.name.contains('/')
            || matches!(config.name.as_str(), "local" | "dialog")
        {
            return Err(fail(
                "choose a name without a slash, other than `local` and `dialog`".into(),
            ));
        }
        let provider = from_config(config, environment).map_err(fail)?;
        if providers.insert(config.name.clone(), provider).is_some() {
            return Err(ConfigError::new(place, "is there twice"));
        }
        order.push(config.name.clone());
    }
    for entry in catalogue::entries() {
        if entry.dialect == Dialect::Bedrock {
            // It also needs a region, and most have AWS keys and not a bearer token.
            continue;
        }
        let key = well_known_key(entry, environment);
        if let (Some((variable, key)), false) = (key, providers.contains_key(&entry.name)) {
            let provider = from_environment(entry, variable, key, environment)
                .map_err(|reason| ConfigError::new(format!("variable {variable}"), reason))?;
            providers.insert(entry.name.clone(), provider);
            order.push(entry.name.clone());
        }
    }
    Ok(order.iter().filter_map(|name| providers.remove(name)).collect())
}

fn from_config(config: &ProviderConfig, environment: &Environment) -> Result<Provider, String> {
    let known = catalogue::find(&config.name);
    let base_url = config
        .base_url
        .clone()
        .or_else(|| known.map(|entry| entry.base_url.clone()))
        .ok_or("needs a `base_url`, since its name is not a well-known one")?;
    let (key, key_source) = match (&config.api_key, known) {
        (Some(reference), _) => (Some(reference.resolve(environment)?), reference.to_string()),
        (None, Some(entry)) => match well_known_key(entry, environment) {
            Some((name, key)) => (Some(key), format!("env:{name}")),
            None => (None, "none".into()),
        },
        (None, None) => (None, "none".into()),
    };
    let elsewhere = known.is_none_or(|entry| entry.base_url != base_url);
    let default_model = config
        .default_model
        .clone()
        .or_else(|| known.and_then(|entry| entry.default_chat.clone()).filter(|_| !elsewhere));
    let dialect = config.dialect.or(known.map(|entry| entry.dialect)).unwrap_or_default();
    let options = config.transport(environment)?;
    let client = client(&config.name, dialect, &base_url, key, known, &config.headers, options)?;
    Ok(Provider { name: config.name.clone(), client, default_model, key_source })
}

fn from_environment(
    entry: &ProviderEntry,
    variable: &str,
    key: SecretString,
    environment: &Environment,
) -> Result<Provider, String> {
    let moved = entry.base_url_variable.as_ref().and_then(|name| environment.get(name));
    let moved = moved.map(|url| url.trim().trim_end_matches('/')).filter(|url| !url.is_empty());
    let base_url = moved.unwrap_or(&entry.base_url);
    let default_model = entry.default_chat.clone().filter(|_| base_url == entry.base_url);
    let (headers, options) = (BTreeMap::new(), TransportOptions::default());
    let client =
        client(&entry.name, entry.dialect, base_url, Some(key), Some(entry), &headers, options)?;
    let key_source = format!("env:{variable}");
    Ok(Provider { name: entry.name.clone(), client, default_model, key_source })
}

fn client(
    name: &str,
    dialect: Dialect,
    base_url: &str,
    key: Option<SecretString>,
    known: Option<&ProviderEntry>,
    headers: &BTreeMap<String, String>,
    options: TransportOptions,
) -> Result<Arc<dyn ModelSource>, String> {
    /// The builders have the same methods, but no trait in common.
    macro_rules! build {
        ($builder:expr, $client:expr) => {{
            let mut builder = $builder.transport(options);
            if let Some(key) = key {
                builder = builder.api_key(key);
            }
            for (header, value) in headers {
                builder = builder.header(header, value);
            }
            let client = builder.build().map_err(|error| causes_line(&error))?;
            Ok(Arc::new($client(client)))
        }};
    }
    let quirks = known.map(|entry| entry.quirks.clone()).unwrap_or_default();
    match dialect {
        Dialect::OpenAi => build!(OpenAi::builder(name, base_url).quirks(quirks), |client| client),
        Dialect::OpenAiResponses => {
            build!(OpenAi::builder(name, base_url).quirks(quirks), ByResponses)
        }
        Dialect::Anthropic => {
            build!(Anthropic::builder(name).base_url(base_url).quirks(quirks), |client| client)
        }
        Dialect::Gemini => build!(Gemini::builder(name).base_url(base_url), |client| client),
        _ => Err("this dialect cannot be configured yet; use the crate `llm-providers`".into()),
    }
}

fn well_known_key<'a>(
    entry: &'a ProviderEntry,
    environment: &Environment,
) -> Option<(&'a String, SecretString)> {
    entry.key_variables.iter().find_map(|name| Some((name, secret(environment, name)?)))
}

fn secret(environment: &Environment, name: &str) -> Option<SecretString> {
    environment
        .get(name)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
        .map(Into::into)
}

impl ModelSource for Provider {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        self.client.chat(model)
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        self.client.embedding(model)
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        self.client.rerank(model)
    }

    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        self.client.speech(model)
    }

    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        self.client.transcription(model)
    }

    fn vision(&self, model: &str) -> Option<Arc<dyn VisionModel>> {
        self.client.vision(model)
    }

    fn list(&self) -> Vec<ModelInfo> {
        let named = self.default_model.iter();
        named.filter_map(|model| Some(self.client.chat(model)?.info().clone())).collect()
    }
}
