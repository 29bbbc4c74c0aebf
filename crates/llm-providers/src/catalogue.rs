//! Providers that are known by name, as data (`catalogue.toml` beside this file).

use std::sync::LazyLock;

use llm_core::ModelKind;
use serde::Deserialize;

use crate::Quirks;

/// A provider that is known by name. Nothing here is read from the environment: the names of variables are data for
/// whoever assembles a configuration.
///
/// ```
/// let groq = llm_providers::catalogue::find("groq").unwrap();
/// assert_eq!(groq.base_url, "https://api.groq.com/openai/v1");
/// assert_eq!(groq.key_variables, ["GROQ_API_KEY"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// The first half of its models' names.
    pub name: String,
    /// What it speaks.
    #[serde(default)]
    pub dialect: Dialect,
    /// Where its API begins, without a slash at the end.
    pub base_url: String,
    /// The environment variable that usually replaces `base_url`.
    #[serde(default)]
    pub base_url_variable: Option<String>,
    /// The environment variables that usually hold its key; the first that is set counts.
    pub key_variables: Vec<String>,
    /// Whether it can be used without a key.
    #[serde(default)]
    pub key_optional: bool,
    /// A chat model of its that fits most uses, for callers who name none.
    #[serde(default)]
    pub default_chat: Option<String>,
    /// What it serves through this dialect.
    pub kinds: Vec<ModelKind>,
    /// How it differs from the dialect.
    #[serde(default)]
    pub quirks: Quirks,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
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
    /// AWS Bedrock: Converse, and embeddings and rerank beside it (`llm_providers::bedrock`). Besides its key, which is a
    /// bearer token, it can be used with AWS keys.
    Bedrock,
    /// Anthropic's Messages.
    Anthropic,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Vec<ProviderEntry>,
}

static ENTRIES: LazyLock<Vec<ProviderEntry>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("catalogue.toml"))
        .expect("the catalogue is part of this crate, and a test reads it");
    file.provider
});

/// All providers that are known, in the order of the file.
pub fn entries() -> &'static [ProviderEntry] {
    &ENTRIES
}

/// The provider with this name.
pub fn find(name: &str) -> Option<&'static ProviderEntry> {
    entries().iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_can_be_used() {
        let names: BTreeSet<_> = entries().iter().map(|entry| &entry.name).collect();
        assert_eq!(names.len(), entries().len(), "names are unique");
        for entry in entries() {
            assert!(url::Url::parse(&entry.base_url).is_ok(), "{}", entry.name);
            assert!(!entry.base_url.ends_with('/'), "{}", entry.name);
            assert!(entry.key_optional || !entry.key_variables.is_empty(), "{}", entry.name);
            assert!(!entry.kinds.is_empty(), "{}", entry.name);
        }
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
