//! The configuration: typed, read once at start, passed down as values.
//!
//! Flags win over environment (`COLLOQUY_SERVER__LISTEN`), environment over the file, the file over defaults. Unknown
//! keys are refused with the nearest known name. Secrets are written as `env:NAME` or `file:PATH`.

mod cache;
mod connection;
mod limits;
mod load;
mod local_model;
mod mcp;
mod models;
mod reload;
mod responses;
mod secret;
mod server;
mod sessions;
mod storage;
mod telemetry;
mod usage;
mod web;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use llm_bundle::{Fallback, HedgeOptions, RouteOptions, RouteTarget, Strategy};
use llm_core::{Extra, ModelKind, ModelName};
use llm_providers::catalogue::Dialect;
use serde::Deserialize;

pub use cache::{CacheConfig, CacheMode, CacheScopeConfig, CacheStoreKind, SemanticConfig};
pub use limits::{LimitConfig, LimitsConfig, RedisAddress, SharedConfig};
pub use load::{ConfigError, Environment, load};
pub use local_model::LocalModelConfig;
pub use mcp::McpConfig;
pub use models::{KnownModel, ModelsConfig};
pub use responses::ResponsesConfig;
pub use secret::SecretRef;
pub use server::{MetricsConfig, ServerConfig, TlsConfig};
pub use sessions::{SessionsConfig, WhenBusyConfig};
pub use storage::{IndexEngine, MetadataEngine, PostgresAddress, StorageConfig};
pub use telemetry::TelemetryConfig;
pub use usage::UsageConfig;
pub use web::WebConfig;

/// The whole configuration. `Config::default()` needs no file, no key and no network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How it is reached.
    pub server: ServerConfig,
    /// Who may use it.
    pub auth: AuthConfig,
    /// Where data lives.
    pub storage: StorageConfig,
    /// Model providers besides those whose well-known key variable is set.
    pub provider: Vec<ProviderConfig>,
    /// Embedding models that the operator brings along.
    pub local_model: Vec<LocalModelConfig>,
    /// Names of the operator's own for models.
    pub model: Vec<ModelConfig>,
    /// Servers whose tools a chat may use.
    pub mcp: Vec<McpConfig>,
    /// Search engines that dialogs may ask.
    pub web: Vec<WebConfig>,
    /// What is known of models.
    pub models: ModelsConfig,
    /// Which models are used when none is named.
    pub defaults: DefaultsConfig,
    /// How questions about documents are answered.
    pub dialog: DialogConfig,
    /// Conversations that are kept.
    pub sessions: SessionsConfig,
    /// Answers of `/v1/responses` that callers may go on from.
    pub responses: ResponsesConfig,
    /// How much tenants and API keys may use.
    pub limits: LimitsConfig,
    /// Answers that are kept and given again.
    pub cache: CacheConfig,
    /// What replicas have in common.
    pub shared: SharedConfig,
    /// Recording what passes between the server and its providers, and answering from recordings.
    pub recordings: RecordingsConfig,
    /// Records of what model calls consumed.
    pub usage: UsageConfig,
    /// Spans and metrics for a collector.
    pub telemetry: TelemetryConfig,
    /// Where metrics are read without a key.
    pub metrics: MetricsConfig,
    /// What the file and the environment say.
    #[serde(skip)]
    pub(crate) read_from: toml::Table,
}

/// `[auth]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Who may use the server.
    pub mode: AuthMode,
    /// Seals keys of providers that tenants bring: the base64 of 32 random bytes. Left out, it is in `master.key` in the data
    /// directory, which is made at the first start.
    pub master_key: Option<SecretRef>,
}

/// Who may use the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Whoever is on this machine; no key is asked. Refuses to listen on any other address.
    #[default]
    Local,
    /// Whoever has an API key, from any address.
    Keys,
}

/// `[[provider]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// The name before the slash of its models. A well-known name fills in what is left out.
    pub name: String,
    /// The well-known name that fills in what is left out, where `name` is one of the operator's own.
    pub like: Option<String>,
    /// How it talks; left out, as the well-known provider of its name does, else `openai`.
    pub dialect: Option<Dialect>,
    /// Base URL, up to and including the version (`https://api.openai.com/v1`). Any address is allowed.
    pub base_url: Option<String>,
    /// Its key; may be left out where none is asked.
    pub api_key: Option<SecretRef>,
    /// Several keys in place of one: a call goes to the one with the fewest calls under way, and to the next one when it
    /// fails. Limits are those of each.
    #[serde(default)]
    pub api_keys: Vec<SecretRef>,
    /// What differs between its customers and is no secret (`region`, `account`); left out, the well-known variables count.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What proves who asks where there is no key (`access_key_id` and `secret_access_key`, `service_account`); left out,
    /// the well-known variables count.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// Further headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further fields of the body of every chat, embedding and speech request.
    #[serde(default)]
    pub body: Extra,
    /// The model to use when a provider is configured, but no default chat model.
    pub default_model: Option<String>,
    /// The proxy that it is reached through: `http://`, `https://`, `socks5://` or `socks5h://`, without a password.
    pub proxy: Option<String>,
    /// Who we are to the proxy.
    pub proxy_user: Option<String>,
    /// The password for the proxy.
    pub proxy_password: Option<SecretRef>,
    /// Hosts that are reached without the proxy: domains, addresses, networks.
    #[serde(default)]
    pub no_proxy: Vec<String>,
    /// A file with certificate authorities to trust besides the system's, in PEM.
    pub ca_certificates: Option<PathBuf>,
    /// A file with the certificate to show when asked for one, and those up to its authority, in PEM.
    pub client_certificate: Option<PathBuf>,
    /// That certificate's private key, in PEM.
    pub client_key: Option<SecretRef>,
    /// Requests in any minute with its key, retries included.
    pub requests_per_minute: Option<u64>,
    /// Tokens of prompts and answers in any minute with its key.
    pub tokens_per_minute: Option<u64>,
    /// Answers under way at once with its key.
    pub concurrent: Option<u64>,
    /// Whether embedding calls of one tenant and key that come at the same time go out as one.
    #[serde(default)]
    pub join_embeddings: bool,
    /// How long a connection may take to be made, in seconds.
    pub connect_timeout_seconds: Option<NonZeroU64>,
    /// How long it may be silent, in seconds, before its connection counts as dead.
    pub read_timeout_seconds: Option<NonZeroU64>,
}

/// `[[model]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The name.
    pub name: String,
    /// What it does.
    #[serde(default = "chat")]
    pub kind: ModelKind,
    /// The models it stands for.
    pub targets: Vec<ModelName>,
    /// How much of the load each takes, where the strategy weighs; left out, all the same.
    #[serde(default)]
    pub weights: Vec<u32>,
    /// Which of them is asked first.
    #[serde(default)]
    pub strategy: RouteStrategy,
    /// After which failures the next one is asked.
    #[serde(default = "all_failures")]
    pub fallback: Vec<FallbackOn>,
    /// The share of answers that begin sooner than a second target is asked beside a slow one; left out, none is.
    pub hedge_percentile: Option<f64>,
    /// Whether an answer that breaks off is continued by a target that can.
    #[serde(default)]
    pub continuation: bool,
}

/// Which target of a `[[model]]` is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum RouteStrategy {
    #[default]
    Order,
    Weighted,
    LeastBusy,
    LowestLatency,
    Cheapest,
}

/// Failures after which the next target of a `[[model]]` may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum FallbackOn {
    RateLimit,
    Outage,
    ContextLength,
    ContentFilter,
}

fn all_failures() -> Vec<FallbackOn> {
    use FallbackOn::{ContentFilter, ContextLength, Outage, RateLimit};
    vec![RateLimit, Outage, ContextLength, ContentFilter]
}

impl ModelConfig {
    /// Its targets with their weights.
    pub fn targets(&self) -> Vec<RouteTarget> {
        let weights = self.weights.iter().copied().chain(std::iter::repeat(1));
        let targets = self.targets.iter().cloned().zip(weights);
        targets.map(|(model, weight)| RouteTarget { model, weight }).collect()
    }

    /// How it chooses among them.
    pub fn options(&self) -> RouteOptions {
        let on = |failure| self.fallback.contains(&failure);
        RouteOptions {
            strategy: match self.strategy {
                RouteStrategy::Order => Strategy::Order,
                RouteStrategy::Weighted => Strategy::Weighted,
                RouteStrategy::LeastBusy => Strategy::LeastBusy,
                RouteStrategy::LowestLatency => Strategy::LowestLatency,
                RouteStrategy::Cheapest => Strategy::Cheapest,
            },
            fallback: Fallback {
                rate_limit: on(FallbackOn::RateLimit),
                outage: on(FallbackOn::Outage),
                context_length: on(FallbackOn::ContextLength),
                content_filter: on(FallbackOn::ContentFilter),
            },
            hedge: self
                .hedge_percentile
                .map(|percentile| HedgeOptions { percentile, ..HedgeOptions::default() }),
            continuation: self.continuation,
        }
    }
}

fn chat() -> ModelKind {
    ModelKind::Chat
}

/// `[recordings]`. One of both at most.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingsConfig {
    /// The folder that calls to providers are recorded in, without their secrets.
    pub record: Option<PathBuf>,
    /// The folder of recordings that answer in the providers' place.
    pub replay: Option<PathBuf>,
}

/// `[defaults]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultsConfig {
    /// Chat model: `provider/model` or the name of a `[[model]]`. Left out, it is the default model of the first
    /// provider that has a key, else `local/extractive`.
    pub chat: Option<String>,
    /// Embedding model of new datasets.
    pub embedding: String,
    /// Vision model that reads scanned pages and figures of documents. Left out, these are not read.
    pub vision: Option<String>,
}

impl Default for DefaultsConfig {
    fn default() -> Self {
        Self { chat: None, embedding: "local/static".into(), vision: None }
    }
}

/// `[dialog]`: how `dialog/NAME` answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialogConfig {
    /// The most passages that the model sees.
    pub top: usize,
    /// Passages with a lower score (0 to 1) are left out.
    pub threshold: f32,
    /// Weight of the vectors against full text, 0 to 1; left out, the one measured for the embedding model.
    pub vector_weight: Option<f32>,
    /// A model that orders the best passages anew; left out: none.
    pub rerank: Option<String>,
    /// The operator's own instructions to the model.
    pub instructions: Option<String>,
    /// What to say when nothing was found. Blank lets the model answer without evidence.
    pub empty_response: String,
    /// Whether the model rewords a question that leans on the conversation before it.
    pub rewrite: bool,
    /// Whether the model names keywords to search for with the question.
    pub keywords: bool,
    /// Languages that the model translates the question into, to search in those, too; at most eight.
    pub languages: Vec<String>,
    /// How long a turn may take; then the answer ends where it is. 0 sets no limit.
    pub deadline_seconds: u64,
}

impl DialogConfig {
    /// [`deadline_seconds`](Self::deadline_seconds) as a duration; `None` is no limit.
    pub fn deadline(&self) -> Option<Duration> {
        deadline(self.deadline_seconds)
    }
}

/// So many seconds; 0 is no limit.
pub(crate) fn deadline(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

impl Default for DialogConfig {
    fn default() -> Self {
        let dialog = dialog_service::Dialog::default();
        Self {
            top: dialog.top,
            threshold: dialog.threshold,
            vector_weight: None,
            rerank: None,
            instructions: None,
            empty_response: "I found nothing in the documents that answers this.".into(),
            rewrite: dialog.rewrite,
            keywords: dialog.keywords,
            languages: dialog.languages,
            deadline_seconds: 600,
        }
    }
}
