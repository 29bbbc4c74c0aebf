//! From configuration to quotas, and to what replicas count together.

use std::sync::Arc;
use std::time::Duration;

use llm_bundle::quota::{LimitStore, MemoryLimits};
use llm_bundle::{Limits, Quotas};
use llm_redis::{RedisConnection, RedisLimits, RedisLimitsOptions, RedisOptions};

use crate::causes_line;
use crate::config::{ConfigError, Environment, LimitsConfig, ProviderConfig, SharedConfig};
use crate::metrics::Metrics;

/// The connection that replicas share things through, if one is configured. Redis need not be there: what uses it goes on
/// without it, and it is asked again.
///
/// # Errors
/// An address that cannot be read.
pub(crate) async fn connect(
    config: &SharedConfig,
    environment: &Environment,
) -> Result<Option<RedisConnection>, ConfigError> {
    let Some(address) = &config.redis else {
        return Ok(None);
    };
    let fail = |reason: String| ConfigError::new("[shared] `redis`", reason);
    let options = RedisOptions {
        timeout: Duration::from_millis(config.timeout_milliseconds.get()),
        prefix: config.prefix.clone(),
        ..RedisOptions::new(address.resolve(environment).map_err(fail)?)
    };
    let connection = RedisConnection::open(&options).map_err(|error| fail(causes_line(&error)))?;
    // That it does not answer is in the log, and no reason not to start.
    let _ = connection.connect().await;
    Ok(Some(connection))
}

/// Where it is counted what is used: in Redis where it is configured, else here.
pub(crate) fn store(shared: &SharedConfig, redis: Option<&RedisConnection>) -> Arc<dyn LimitStore> {
    match redis {
        None => Arc::new(MemoryLimits::new()),
        Some(redis) => {
            let replicas = shared.replicas.get();
            let options = RedisLimitsOptions { replicas, ..RedisLimitsOptions::default() };
            Arc::new(RedisLimits::new(redis.clone(), &options))
        }
    }
}

/// How much tenants and keys may use.
pub(crate) fn quotas(
    limits: &LimitsConfig,
    store: Arc<dyn LimitStore>,
    metrics: Arc<Metrics>,
) -> Result<Quotas, ConfigError> {
    let fail = |reason| ConfigError::new("[limits]", reason);
    let mut quotas = Quotas::builder()
        .every_tenant(limits.tenant.limits().map_err(fail)?)
        .every_key(limits.key.limits().map_err(fail)?)
        .longest_wait(Duration::from_secs(limits.longest_wait_seconds))
        .queue(limits.queue)
        .store(store)
        .on_refusal(move |scope, kind| metrics.limit_refused(scope.kind.as_str(), kind));
    for (id, limits) in &limits.tenants {
        quotas = quotas.tenant(id.as_str(), limits.limits().map_err(fail)?);
    }
    for (id, limits) in &limits.keys {
        quotas = quotas.key(id.as_str(), limits.limits().map_err(fail)?);
    }
    Ok(quotas.build())
}

/// How much all calls of a provider may use with one key.
pub(crate) fn of_provider(config: &ProviderConfig) -> Limits {
    Limits {
        requests_per_minute: config.requests_per_minute,
        tokens_per_minute: config.tokens_per_minute,
        concurrent: config.concurrent,
        dollars_per_day: None,
    }
}
