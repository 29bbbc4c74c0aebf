//! From configuration and environment to providers that can be asked.

mod identity;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use accounts::OwnProviderSettings;
use llm_bundle::{BatchOptions, Batched, Paces};
use llm_core::{
    ChatModel, EmbeddingModel, ModelInfo, ModelKind, ModelSource, RerankModel, SpeechModel,
    TranscriptionModel, VisionModel,
};
use llm_providers::catalogue::{self, Dialect, ProviderEntry, Variable};
use llm_providers::{Access, AddressPolicy, ModelCatalogue, TransportOptions, connect_entry};
use llm_replay::RecordedProvider;
use secrecy::SecretString;

use self::identity::{Identity, text};
use crate::causes_line;
use crate::config::{ConfigError, Environment, ProviderConfig};
use crate::detour::{self, Detour};

/// A provider that can be asked.
#[derive(Clone)]
pub(crate) struct Provider {
    /// The name before the slash of its models.
    pub(crate) name: String,
    /// The client; clones share its connections.
    pub(crate) client: Arc<dyn ModelSource>,
    /// Those with its further keys.
    pub(crate) further: Vec<Arc<dyn ModelSource>>,
    /// The chat model to use when none is named.
    pub(crate) default_model: Option<String>,
    /// Where its key comes from, for people; never the key.
    pub(crate) key_source: String,
    /// Whether its models may answer when no chat model is named anywhere.
    pub(crate) can_be_default: bool,
    /// Whether embedding calls that come at the same time go out as one.
    pub(crate) joins_embeddings: bool,
}

/// What providers are made with, besides their configuration.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) environment: &'a Environment,
    /// What is known of models, if more than what is built in.
    pub(crate) models: &'a Option<Arc<ModelCatalogue>>,
    /// What stands between this server and them.
    pub(crate) detour: &'a Detour,
    /// Who hears what they tell of their limits.
    pub(crate) paces: &'a Paces,
}

impl Provider {
    /// Itself, once for each key.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn ModelSource>> {
        let with = |client: &Arc<dyn ModelSource>| -> Arc<dyn ModelSource> {
            Arc::new(Self { client: client.clone(), further: Vec::new(), ..self.clone() })
        };
        std::iter::once(&self.client).chain(&self.further).map(with).collect()
    }
}

/// The providers of the configuration, then those that the environment makes usable; where recordings answer, those that
/// were recorded, and keys do not matter.
///
/// # Errors
/// A provider without a base URL, a secret that is not there, a name that is taken.
pub(crate) fn providers(
    configured: &[ProviderConfig],
    means: Means<'_>,
) -> Result<Vec<Provider>, ConfigError> {
    let mut providers: Vec<Provider> = Vec::new();
    for config in configured {
        let place = format!("[[provider]] `{}`", config.name);
        let fail = |reason: String| ConfigError::new(place.clone(), reason);
        let is_taken = providers.iter().any(|provider| provider.name == config.name);
        if is_taken {
            return Err(fail("is there twice".into()));
        }
        providers.push(from_config(config, means).map_err(fail)?);
    }
    match means.detour.is_replay() {
        true => add_recorded(&mut providers, means)?,
        false => add_usable(&mut providers, means)?,
    }
    Ok(providers)
}

/// Adds those that the environment makes usable.
fn add_usable(providers: &mut Vec<Provider>, means: Means<'_>) -> Result<(), ConfigError> {
    for entry in catalogue::entries() {
        let is_taken = providers.iter().any(|provider| provider.name == entry.name);
        if is_taken {
            continue;
        }
        let fail = |reason| {
            ConfigError::new(format!("provider `{}` of the environment", entry.name), reason)
        };
        providers.extend(from_environment(entry, means).map_err(fail)?);
    }
    Ok(())
}

/// Adds those that recordings answer for.
fn add_recorded(providers: &mut Vec<Provider>, means: Means<'_>) -> Result<(), ConfigError> {
    for recorded in means.detour.recorded() {
        let is_taken = providers.iter().any(|provider| provider.name == recorded.name);
        if is_taken || !can_be_named(&recorded.name) {
            continue;
        }
        let fail = |reason| {
            ConfigError::new(format!("provider `{}` of the recordings", recorded.name), reason)
        };
        providers.push(from_recordings(recorded, means).map_err(fail)?);
    }
    Ok(())
}

fn from_config(config: &ProviderConfig, means: Means<'_>) -> Result<Provider, String> {
    let name = &config.name;
    if !can_be_named(name) {
        return Err("choose a name without a slash, other than `local` and `dialog`".into());
    }
    let entry = row(config)?;
    let identities = match Identity::all_of_config(config, &entry, means.environment) {
        Err(_) if means.detour.is_replay() => vec![Identity::of_recordings()],
        identities => identities?,
    };
    let elsewhere = config.base_url.as_ref().is_some_and(|url| *url != entry.base_url);
    let known_default = entry.default_chat.clone().filter(|_| !elsewhere);
    let mut clients = VecDeque::new();
    let mut sources = Vec::new();
    for (number, identity) in identities.into_iter().enumerate() {
        let mut transport = match means.detour.is_replay() {
            true => TransportOptions::default(),
            false => config.transport(means.environment)?,
        };
        transport.rate_limits = Some(means.paces.of_key(number));
        let access = Access {
            key: identity.key,
            base_url: config.base_url.clone(),
            headers: config.headers.clone(),
            variables: variables(&entry, &config.variables, means.environment),
            secrets: identity.secrets,
            body: config.body.clone(),
            transport,
            models: means.models.clone(),
        };
        clients.push_back(connected(&entry, access, means.detour)?);
        sources.push(identity.source);
    }
    Ok(Provider {
        name: name.clone(),
        client: clients.pop_front().ok_or("has no key")?,
        further: clients.into(),
        default_model: config.default_model.clone().or(known_default),
        key_source: sources.join(", "),
        can_be_default: true,
        joins_embeddings: config.join_embeddings,
    })
}

/// A provider that a tenant brings. Nothing of the operator's environment or files is used for it.
///
/// # Errors
/// One line that says why it cannot be set up.
pub(crate) fn from_tenant(
    name: &str,
    settings: &OwnProviderSettings,
    key: Option<SecretString>,
    addresses: AddressPolicy,
    detour: &Detour,
) -> Result<Provider, String> {
    if !can_be_named(name) {
        return Err("choose a name other than `local` and `dialog`".into());
    }
    let OwnProviderSettings { like, dialect, base_url, default_model, variables } = settings;
    let config = serde_json::json!({
        "name": name, "like": like, "dialect": dialect, "base_url": base_url,
    });
    let config: ProviderConfig =
        serde_json::from_value(config).map_err(|error| error.to_string())?;
    let entry = row(&config)?;
    let elsewhere = base_url.as_ref().is_some_and(|url| *url != entry.base_url);
    let access = Access {
        key,
        base_url: base_url.clone(),
        variables: variables.clone(),
        transport: TransportOptions { addresses, ..TransportOptions::default() },
        ..Access::default()
    };
    Ok(Provider {
        name: name.to_owned(),
        client: connected(&entry, access, detour)?,
        further: Vec::new(),
        default_model: default_model.clone().or(entry.default_chat.filter(|_| !elsewhere)),
        key_source: "of the tenant".to_owned(),
        can_be_default: true,
        joins_embeddings: false,
    })
}

/// Whether models can be named after it: `name/model`.
fn can_be_named(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !matches!(name, "local" | "dialog")
}

/// What is known of a configured provider, under its own name.
fn row(config: &ProviderConfig) -> Result<ProviderEntry, String> {
    let known = catalogue::find(config.like.as_ref().unwrap_or(&config.name));
    let mut entry = match (known, &config.like, &config.base_url) {
        (Some(known), ..) => known.renamed(&config.name),
        (None, Some(like), _) => return Err(format!("`like`: no provider `{like}` is known")),
        (None, None, Some(url)) => ProviderEntry::unlisted(&config.name, Dialect::default(), url),
        (None, None, None) => {
            return Err("needs a `base_url`, since its name is not a well-known one".into());
        }
    };
    if let Some(dialect) = config.dialect {
        if config.base_url.is_none() && !share_an_address(dialect, entry.dialect) {
            let reason = "speaks another dialect at its usual address; add a `base_url`";
            return Err(reason.into());
        }
        entry.dialect = dialect;
    }
    Ok(entry)
}

fn share_an_address(one: Dialect, other: Dialect) -> bool {
    let is_openai = |dialect| matches!(dialect, Dialect::OpenAi | Dialect::OpenAiResponses);
    one == other || is_openai(one) && is_openai(other)
}

/// A well-known provider, if the environment says who we are to it and all that differs between its customers.
fn from_environment(entry: &ProviderEntry, means: Means<'_>) -> Result<Option<Provider>, String> {
    let Means { environment, models, detour, paces } = means;
    let moved = entry.base_url_variable.as_ref().and_then(|name| text(environment, name));
    let moved = moved.map(|url| url.trim_end_matches('/').to_owned());
    let Some(identity) = Identity::of_environment(entry, environment)? else {
        return Ok(None);
    };
    let nobody = identity.key.is_none() && identity.secrets.is_empty();
    if nobody && moved.is_none() {
        return Ok(None);
    }
    let variables = variables(entry, &BTreeMap::new(), environment);
    let is_known = |(name, variable): (&String, &Variable)| {
        variable.optional || variable.default.is_some() || variables.contains_key(name)
    };
    if moved.is_none() && !entry.variables.iter().all(is_known) {
        tracing::debug!(provider = entry.name, "its key is set, its variables are not");
        return Ok(None);
    }
    let default_model = entry.default_chat.clone();
    let default_model =
        default_model.filter(|_| moved.as_ref().is_none_or(|url| *url == entry.base_url));
    let access = Access {
        key: identity.key,
        base_url: moved,
        variables,
        secrets: identity.secrets,
        models: models.clone(),
        transport: TransportOptions {
            rate_limits: Some(paces.of_key(0)),
            ..TransportOptions::default()
        },
        ..Access::default()
    };
    Ok(Some(Provider {
        name: entry.name.clone(),
        client: connected(entry, access, detour)?,
        further: Vec::new(),
        // Those list no models that chat, so nobody could tell which to ask.
        can_be_default: default_model.is_some()
            || entry.kinds.contains(&ModelKind::Chat)
                && !matches!(entry.dialect, Dialect::Bedrock | Dialect::Vertex | Dialect::Azure),
        default_model,
        key_source: identity.source,
        joins_embeddings: false,
    }))
}

/// A provider that nobody configured, but recordings answer for.
fn from_recordings(recorded: &RecordedProvider, means: Means<'_>) -> Result<Provider, String> {
    let entry = detour::row(recorded);
    let access = Access {
        variables: variables(&entry, &BTreeMap::new(), means.environment),
        models: means.models.clone(),
        ..Access::default()
    };
    Ok(Provider {
        client: connected(&entry, access, means.detour)?,
        further: Vec::new(),
        default_model: recorded.model.clone(),
        key_source: Identity::of_recordings().source,
        can_be_default: recorded.model.is_some(),
        joins_embeddings: false,
        name: entry.name,
    })
}

/// The client of a provider, or of what stands in its place.
fn connected(
    entry: &ProviderEntry,
    access: Access,
    detour: &Detour,
) -> Result<Arc<dyn ModelSource>, String> {
    connect_entry(entry, detour.lead(entry, access)).map_err(|error| causes_line(&error))
}

/// What differs between customers: as configured, else from the environment.
fn variables(
    entry: &ProviderEntry,
    configured: &BTreeMap<String, String>,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let mut variables = configured.clone();
    for (name, variable) in &entry.variables {
        let found = variable.environment.iter().find_map(|name| text(environment, name));
        if let (Some(value), false) = (found, variables.contains_key(name)) {
            variables.insert(name.clone(), value.to_owned());
        }
    }
    variables
}

impl ModelSource for Provider {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        self.client.chat(model)
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        let model = self.client.embedding(model)?;
        Some(match self.joins_embeddings {
            true => Arc::new(Batched::new(model, BatchOptions::remote())),
            false => model,
        })
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
        let named = named.filter_map(|model| Some(self.client.chat(model)?.info().clone()));
        named.chain(self.client.list()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name key-source base` of each provider.
    fn check(config: &str, variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let config: crate::config::Config = toml::from_str(config).unwrap();
        let environment =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (models, detour) = (None, Detour::None);
        let paces = Paces::default();
        let means =
            Means { environment: &environment, models: &models, detour: &detour, paces: &paces };
        let providers = providers(&config.provider, means).map_err(|e| e.to_string())?;
        Ok(providers.iter().map(|p| format!("{} {}", p.name, p.key_source)).collect())
    }

    #[test]
    fn a_provider_may_have_several_keys() {
        let variables = [("A", "a"), ("B", "b")];
        let keys = "[[provider]]\nname = \"openai\"\napi_keys = [\"env:A\", \"env:B\"]";
        assert_eq!(check(keys, &variables).unwrap(), ["openai env:A, env:B"]);
        let error = check(&format!("{keys}\napi_key = \"env:A\""), &variables).unwrap_err();
        assert!(error.contains("choose one of `api_key` and `api_keys`"), "{error}");
        let error = check(keys, &variables[..1]).unwrap_err();
        assert!(error.contains("variable `B` is not set"), "{error}");
    }

    #[test]
    fn the_environment_makes_providers_usable() {
        for (variables, expected) in [
            (&[][..], &[][..]),
            (&[("OPENAI_API_KEY", "k")], &["openai env:OPENAI_API_KEY"]),
            (&[("OPENAI_API_KEY", " ")], &[]),
            (&[("CLOUDFLARE_API_KEY", "k")], &[]),
            (
                &[("CLOUDFLARE_API_KEY", "k"), ("CLOUDFLARE_ACCOUNT_ID", "a")],
                &["cloudflare env:CLOUDFLARE_API_KEY"],
            ),
            (&[("LLAMACPP_API_BASE", "http://127.0.0.1:9")], &["llamacpp none"]),
            (&[("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s")], &[]),
            (&[("AWS_ACCESS_KEY_ID", "i"), ("AWS_REGION", "eu-1")], &[]),
            (
                &[
                    ("AWS_ACCESS_KEY_ID", "i"),
                    ("AWS_SECRET_ACCESS_KEY", "s"),
                    ("AWS_DEFAULT_REGION", "eu-1"),
                ],
                &["bedrock env:AWS_ACCESS_KEY_ID, env:AWS_SECRET_ACCESS_KEY"],
            ),
            (
                &[("AWS_BEARER_TOKEN_BEDROCK", "t"), ("AWS_REGION", "eu-1")],
                &["bedrock env:AWS_BEARER_TOKEN_BEDROCK"],
            ),
        ] {
            assert_eq!(check("", variables).unwrap(), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_is_configured_counts_first() {
        let aws = [("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s")];
        for (config, variables, expected) in [
            (
                "[[provider]]\nname = \"groq\"",
                &[("GROQ_API_KEY", "k")][..],
                "groq env:GROQ_API_KEY",
            ),
            ("[[provider]]\nname = \"vllm\"", &[], "vllm none"),
            ("[[provider]]\nname = \"own\"\nlike = \"VLLM\"", &[], "own none"),
            (
                "[[provider]]\nname = \"SILICONFLOW\"\napi_key = \"env:K\"",
                &[("K", "k")],
                "SILICONFLOW env:K",
            ),
            (
                "[[provider]]\nname = \"bedrock\"\nvariables.region = \"eu-1\"",
                &aws,
                "bedrock env:AWS_ACCESS_KEY_ID, env:AWS_SECRET_ACCESS_KEY",
            ),
            (
                "[[provider]]\nname = \"aws\"\nlike = \"bedrock\"\nvariables.region = \"eu-1\"\n\
                 secrets = { access_key_id = \"env:A\", secret_access_key = \"env:B\" }",
                &[("A", "a"), ("B", "b")],
                "aws env:A, env:B",
            ),
        ] {
            assert_eq!(check(config, variables).unwrap(), [expected], "{config}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_provider() {
        for (config, expected) in [
            ("name = \"own\"", "[[provider]] `own`: needs a `base_url`"),
            ("name = \"a/b\"", "choose a name without a slash"),
            ("name = \"local\"", "other than `local`"),
            ("name = \"own\"\nlike = \"nobody\"", "`like`: no provider `nobody` is known"),
            ("name = \"bedrock\"", "`region` has no value; it usually stands in AWS_REGION"),
            ("name = \"groq\"\nvariables.region = \"x\"", "`groq` has no such variable"),
            ("name = \"groq\"\nsecrets.x = \"env:HUSH\"", "`secrets.x`: the environment variable"),
            ("name = \"openrouter\"\napi_key = \"env:JSON\"", "its field `x` is unknown"),
            ("name = \"groq\"\n[[provider]]\nname = \"groq\"", "is there twice"),
        ] {
            let config = format!("[[provider]]\n{config}");
            let error =
                check(&config, &[("JSON", r#"{"api_key":"hush","x":"hush"}"#)]).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hush\""), "{error}");
        }
    }
}
