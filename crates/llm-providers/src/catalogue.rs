//! Providers that are known by name, as data (`catalogue.toml` beside this file, and the files in `catalogue/`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use llm_core::ModelKind;
use serde::{Deserialize, Serialize};

use crate::connect::{self, KeyFormat};
use crate::{BuildError, Quirks};

/// A provider that is known by name. Nothing here is read from the environment: the names of variables are data for
/// whoever assembles a configuration. [`connect`](crate::connect()) makes a client of it.
///
/// ```
/// let groq = llm_providers::catalogue::find("groq").unwrap();
/// assert_eq!(groq.base_url, "https://api.groq.com/openai/v1");
/// assert_eq!(groq.key_variables, ["GROQ_API_KEY"]);
/// // What other programs call it is known, too.
/// assert_eq!(llm_providers::catalogue::find("Tencent Hunyuan").unwrap().name, "hunyuan");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// The first half of its models' names.
    pub name: String,
    /// What other programs call it: RAGFlow's factories, LiteLLM's prefixes.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The provider whose models it has, where that has another name. The [list of models](crate::ModelCatalogue) names that.
    #[serde(default)]
    pub known_as: Option<String>,
    /// What it speaks.
    #[serde(default)]
    pub dialect: Dialect,
    /// Where its API begins, without a slash at the end. `{name}` stands for one of the `variables`.
    pub base_url: String,
    /// The environment variable that usually replaces `base_url`.
    #[serde(default)]
    pub base_url_variable: Option<String>,
    /// The environment variables that usually hold its key; the first that is set counts.
    pub key_variables: Vec<String>,
    /// Whether it can be used without a key.
    #[serde(default)]
    pub key_optional: bool,
    /// What its key may be besides a plain text.
    #[serde(default)]
    pub key_format: KeyFormat,
    /// A chat model of its that fits most uses, for callers who name none.
    #[serde(default)]
    pub default_chat: Option<String>,
    /// What it serves through this dialect.
    pub kinds: Vec<ModelKind>,
    /// What is not the same for all of its customers, and no secret: a region, an account.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Secrets besides the key that prove who asks: a pair of keys, a service account. They count where there is no key.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretVariable>,
    /// How it differs from the dialect.
    #[serde(default)]
    pub quirks: Quirks,
}

/// What is not the same for all customers of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variable {
    /// The environment variables that usually hold it; the first that is set counts.
    pub environment: Vec<String>,
    /// What it is when nobody says so.
    pub default: Option<String>,
    /// Whether it can be left out.
    pub optional: bool,
}

/// A secret besides the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretVariable {
    /// The environment variables that usually hold it; the first that is set counts.
    pub environment: Vec<String>,
    /// The environment variables that usually name a file with it.
    pub files: Vec<String>,
    /// Whether it can be left out.
    pub optional: bool,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Dialect {
    /// Chat completions and embeddings as OpenAI defined them.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// OpenAI's Responses ([`OpenAi::responses`](crate::OpenAi::responses)), and embeddings as in `OpenAi`.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Gemini's generateContent with an API key.
    Gemini,
    /// Gemini and Claude on Vertex AI, with access tokens.
    Vertex,
    /// AWS Bedrock: Converse, and embeddings and rerank beside it (`llm_providers::bedrock`). Besides its key, which is a
    /// bearer token, it can be used with AWS keys.
    Bedrock,
    /// Anthropic's Messages.
    Anthropic,
    /// Cohere's own API, version 2.
    Cohere,
    /// OpenAI's on Azure ([`OpenAi::azure`](crate::OpenAi::azure)), with a key or tokens of Entra. Without the variable
    /// `api_version` its interface v1 is asked, with one deployments, or Foundry's `/models` where the variable `interface` is
    /// `models`.
    Azure,
    /// Speech and transcription of Deepgram.
    Deepgram,
    /// Speech and transcription of ElevenLabs.
    #[serde(rename = "elevenlabs")]
    ElevenLabs,
    /// Speech of Fish Audio.
    FishAudio,
    /// DashScope's own API (Alibaba Cloud).
    #[serde(rename = "dashscope")]
    DashScope,
    /// Ollama's own API. Its server speaks OpenAI's dialect, too, at `…/v1`.
    Ollama,
}

impl ProviderEntry {
    /// A provider that is not in the catalogue, and takes everything that its dialect names.
    pub fn unlisted(
        name: impl Into<String>,
        dialect: Dialect,
        base_url: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), dialect, base_url: base_url.into(), ..Self::default() }
    }

    /// The same provider under another name, as one of several instances.
    pub fn renamed(&self, name: impl Into<String>) -> Self {
        let known_as = self.known_as.clone().or_else(|| Some(self.name.clone()));
        Self { name: name.into(), known_as, ..self.clone() }
    }

    /// Its base URL for a customer, who says what its [`variables`](Self::variables) stand for.
    ///
    /// ```
    /// use llm_providers::catalogue::find;
    ///
    /// let region = ("region".to_owned(), "eu-west-1".to_owned());
    /// let url = find("bedrock").unwrap().base_url_for(&[region].into())?;
    /// assert_eq!(url, "https://bedrock-runtime.eu-west-1.amazonaws.com");
    /// # Ok::<(), llm_providers::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// When a variable has no value, or one that could lead to another host or path.
    pub fn base_url_for(&self, variables: &BTreeMap<String, String>) -> Result<String, BuildError> {
        connect::fill(&self.base_url, &self.variables, variables)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Vec<ProviderEntry>,
}

const FILES: [&str; 6] = [
    include_str!("catalogue.toml"),
    include_str!("catalogue/makers.toml"),
    include_str!("catalogue/mainland.toml"),
    include_str!("catalogue/hosts.toml"),
    include_str!("catalogue/routers.toml"),
    include_str!("catalogue/own_machines.toml"),
];

static ENTRIES: LazyLock<Vec<ProviderEntry>> = LazyLock::new(|| {
    let parse = |text| {
        let file: File =
            toml::from_str(text).expect("the catalogue is part of this crate, and a test reads it");
        file.provider
    };
    FILES.into_iter().flat_map(parse).collect()
});

/// All providers that are known, in the order of the files.
pub fn entries() -> &'static [ProviderEntry] {
    &ENTRIES
}

/// The provider of this name, or the one that others call so.
pub fn find(name: &str) -> Option<&'static ProviderEntry> {
    let named = entries().iter().find(|entry| entry.name == name);
    named.or_else(|| entries().iter().find(|entry| entry.aliases.iter().any(|alias| alias == name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::connect::placeholders;

    #[test]
    fn every_row_can_be_used() {
        let names = || entries().iter().flat_map(|entry| entry.aliases.iter().chain([&entry.name]));
        let different: BTreeSet<_> = names().collect();
        assert_eq!(different.len(), names().count(), "names and aliases are unique");
        for entry in entries() {
            let name = &entry.name;
            assert!(!entry.base_url.ends_with('/'), "{name}");
            assert!(entry.key_optional || !entry.key_variables.is_empty(), "{name}");
            assert!(!entry.kinds.is_empty(), "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            for variable in placeholders(&entry.base_url) {
                assert!(entry.variables.contains_key(variable), "{name} declares no {variable}");
            }
            let is_variable = |name: &String| {
                name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
                    && !name.starts_with(|first: char| first.is_ascii_digit())
            };
            let variables = entry.variables.values().flat_map(|variable| &variable.environment);
            let secrets = entry.secrets.values().flat_map(|s| s.environment.iter().chain(&s.files));
            let all = entry.key_variables.iter().chain(&entry.base_url_variable);
            assert!(all.chain(variables).chain(secrets).all(is_variable), "{name}");
        }
    }

    #[test]
    fn names_of_other_programs_lead_to_the_row() {
        for (theirs, ours) in [
            ("OpenAI", "openai"),
            ("ZHIPU-AI", "bigmodel"),
            ("MiniMax", "minimax-cn"),
            ("VLLM", "vllm"),
            ("OpenAI-API-Compatible", "openai-compatible"),
            ("Google Cloud", "vertex"),
            ("together_ai", "together"),
            ("minimax", "minimax"),
        ] {
            assert_eq!(find(theirs).map(|entry| entry.name.as_str()), Some(ours), "{theirs}");
        }
        assert_eq!(find("no such provider"), None);
    }

    #[test]
    fn families_of_models_have_their_rules() {
        let quirks = &find("openai").unwrap().quirks;
        for (model, drops_temperature) in [
            ("o3-mini", true),
            ("gpt-5-nano", true),
            ("gpt-5-chat-latest", false),
            ("gpt-5.4", false),
            ("gpt-4o", false),
        ] {
            assert_eq!(quirks.drops(model, "temperature"), drops_temperature, "{model}");
        }
    }
}
