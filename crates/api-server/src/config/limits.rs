//! `[limits]` and `[shared]`: how much may be used, and what replicas have in common.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use llm_bundle::Limits;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{ConfigError, Environment, SecretRef};

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Of each tenant that has none of its own.
    pub tenant: LimitConfig,
    /// Of each API key that has none of its own.
    pub key: LimitConfig,
    /// Of one tenant, by its id.
    pub tenants: BTreeMap<String, LimitConfig>,
    /// Of one API key, by its id.
    pub keys: BTreeMap<String, LimitConfig>,
    /// How long a call may wait for what it needs, in seconds.
    pub longest_wait_seconds: u64,
    /// How many calls of a tenant and key may wait.
    pub queue: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            tenant: LimitConfig::default(),
            key: LimitConfig::default(),
            tenants: BTreeMap::new(),
            keys: BTreeMap::new(),
            longest_wait_seconds: 5,
            queue: 1_024,
        }
    }
}

/// How much may be used. What is left out is not limited.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// Calls of models in any minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens of prompts and answers in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Answers under way at once.
    pub concurrent: Option<u64>,
    /// US dollars in a day (UTC).
    pub dollars_per_day: Option<f64>,
}

impl LimitConfig {
    /// The limits.
    ///
    /// # Errors
    /// What is wrong with them, in one line.
    pub fn limits(&self) -> Result<Limits, String> {
        if self.dollars_per_day.is_some_and(|dollars| !(0.0..=1e6).contains(&dollars)) {
            return Err("`dollars_per_day` lies between 0 and a million".into());
        }
        Ok(Limits {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            concurrent: self.concurrent,
            dollars_per_day: self.dollars_per_day,
        })
    }
}

impl LimitsConfig {
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let named = |section: &'static str, limits: &BTreeMap<String, LimitConfig>| {
            let named =
                |(id, limits): (&String, &LimitConfig)| (format!("{section}.{id}"), limits.clone());
            limits.iter().map(named).collect::<Vec<_>>()
        };
        let all = [("tenant".into(), self.tenant.clone()), ("key".into(), self.key.clone())]
            .into_iter()
            .chain(named("tenants", &self.tenants))
            .chain(named("keys", &self.keys));
        for (section, limits) in all {
            let fail = |reason| ConfigError::new(format!("[limits.{section}]"), reason);
            limits.limits().map_err(fail)?;
        }
        Ok(())
    }
}

/// `[shared]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharedConfig {
    /// The Redis or Valkey through which replicas count limits together; left out, each counts for itself.
    pub redis: Option<RedisAddress>,
    /// What all keys in it begin with.
    pub prefix: String,
    /// How many replicas there are: while Redis is gone, each keeps to its share of every limit.
    pub replicas: NonZeroU64,
    /// The longest that one question to Redis may take, in milliseconds.
    pub timeout_milliseconds: NonZeroU64,
}

impl Default for SharedConfig {
    fn default() -> Self {
        Self {
            redis: None,
            prefix: "colloquy".into(),
            replicas: NonZeroU64::MIN,
            timeout_milliseconds: NonZeroU64::MIN
                .saturating_mul(NonZeroU64::MIN.saturating_add(49)),
        }
    }
}

/// Where Redis is: written out where it holds no password, else by reference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RedisAddress {
    /// `redis://`, `rediss://` or `redis+unix://`, without a password.
    Plain(String),
    /// Where the address is, which may hold a password.
    Secret(SecretRef),
}

impl TryFrom<String> for RedisAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const SCHEMES: [&str; 3] = ["redis://", "rediss://", "redis+unix://"];
        if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            return text.try_into().map(Self::Secret).map_err(|_| {
                "an address of Redis is `redis://host:port`, `rediss://…`, `redis+unix:///path`, `env:NAME` or \
                 `file:PATH`"
                    .into()
            });
        }
        match text.contains('@') || text.contains("pass=") {
            false => Ok(Self::Plain(text)),
            true => {
                Err("an address with a password is a secret; write `env:NAME` or `file:PATH`"
                    .into())
            }
        }
    }
}

impl RedisAddress {
    /// The address.
    ///
    /// # Errors
    /// The secret is not there.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, String> {
        match self {
            RedisAddress::Plain(url) => Ok(url.as_str().into()),
            RedisAddress::Secret(secret) => {
                let url = secret.resolve(environment)?;
                Ok(url.expose_secret().trim().into())
            }
        }
    }
}
