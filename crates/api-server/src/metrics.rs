//! The server's metrics, as `/metrics` shows them. Names are stable; docs/metrics.md lists them.

mod operation;
mod targets;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use llm_bundle::{CallRecord, TargetStatus};
use llm_core::ModelName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::operation::OpenConnection;
use self::operation::OperationMetrics;
use self::targets::TargetGauges;

/// Models with a label of their own; more are counted as `other`.
const MODELS_LABELLED: usize = 500;

/// The metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
    live_streams: Gauge,
    model_calls: Family<CallLabels, Counter>,
    model_tokens: Family<TokenLabels, Counter>,
    model_cost: Family<ModelLabels, Counter<f64, AtomicU64>>,
    first_event_seconds: Family<ModelLabels, Histogram>,
    queue_seconds: Family<ModelLabels, Histogram>,
    usage_unwritten: Gauge,
    usage_write_failures: Gauge,
    ingested: Family<IngestLabels, Counter>,
    targets: TargetGauges,
    operation: OperationMetrics,
    pool_queued: Family<PoolLabels, Gauge>,
    pool_running: Family<PoolLabels, Gauge>,
    limits_refused: Family<LimitLabels, Counter>,
    limits_shared: Gauge,
    cache_lookups: Family<CacheLabels, Counter>,
    cache_bytes: Gauge,
    cache_failing: Gauge,
    ready_seconds: Gauge<f64, AtomicU64>,
    models_seen: Mutex<HashSet<ModelName>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    model: String,
    operation: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    provider: String,
    model: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    provider: String,
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IngestLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    scope: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    kind: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: &'static str,
}

/// 1 ms to about 2 minutes.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("colloquy"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            live_streams: Gauge::default(),
            model_calls: Family::default(),
            model_tokens: Family::default(),
            model_cost: Family::default(),
            first_event_seconds: Family::new_with_constructor(seconds),
            queue_seconds: Family::new_with_constructor(seconds),
            usage_unwritten: Gauge::default(),
            usage_write_failures: Gauge::default(),
            ingested: Family::default(),
            targets: TargetGauges::default(),
            operation: OperationMetrics::default(),
            pool_queued: Family::default(),
            pool_running: Family::default(),
            limits_refused: Family::default(),
            limits_shared: Gauge::default(),
            cache_lookups: Family::default(),
            cache_bytes: Gauge::default(),
            cache_failing: Gauge::default(),
            ready_seconds: Gauge::default(),
            models_seen: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "From a request's head to the end of its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register("live_streams", "Streamed answers under way", self.live_streams.clone());
        registry.register("model_calls", "Calls of models that ended", self.model_calls.clone());
        registry.register(
            "model_tokens",
            "Tokens that models consumed, as providers count them",
            self.model_tokens.clone(),
        );
        registry.register(
            "model_cost_dollars",
            "What model calls cost, where that is known",
            self.model_cost.clone(),
        );
        registry.register_with_unit(
            "model_queue",
            "From a model call to its first attempt",
            Unit::Seconds,
            self.queue_seconds.clone(),
        );
        registry.register(
            "usage_unwritten",
            "Usage records that are not written yet",
            self.usage_unwritten.clone(),
        );
        registry.register(
            "usage_write_failures",
            "Batches of usage records that could not be written and wait for the next try",
            self.usage_write_failures.clone(),
        );
        registry.register_with_unit(
            "model_first_event",
            "From a model call to its first event",
            Unit::Seconds,
            self.first_event_seconds.clone(),
        );
        registry.register("ingested_documents", "Documents ingested", self.ingested.clone());
        self.targets.register(registry);
        self.operation.register(registry);
        registry.register("pool_queued", "Jobs waiting for a thread", self.pool_queued.clone());
        registry.register("pool_running", "Jobs on a thread", self.pool_running.clone());
        let (refused, shared) = (self.limits_refused.clone(), self.limits_shared.clone());
        registry.register("limits_refused", "Model calls refused by a limit", refused);
        registry.register("limits_shared", "Whether replicas count limits together", shared);
        registry.register(
            "cache_lookups",
            "What the cache did for model calls",
            self.cache_lookups.clone(),
        );
        registry.register("cache_bytes", "Answers kept in memory", self.cache_bytes.clone());
        registry.register(
            "cache_failing",
            "Whether the cache's store does not answer",
            self.cache_failing.clone(),
        );
        registry.register_with_unit(
            "start_to_ready",
            "From the start of the process until it answered requests",
            Unit::Seconds,
            self.ready_seconds.clone(),
        );
    }

    /// All of it in the text format of OpenMetrics.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A request was answered to the end, or its client left.
    pub fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let labels = RequestLabels { route: route.into(), method: method.into(), status };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { route: route.into() };
        self.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a live stream until the value is dropped.
    pub fn live_stream(&self) -> LiveStream {
        self.live_streams.inc();
        LiveStream(self.live_streams.clone())
    }

    /// A model call ended.
    pub(crate) fn model_call(&self, record: &CallRecord) {
        let target = &record.target;
        let (provider, model) = (target.provider.clone(), self.model_label(target));
        let labels = CallLabels {
            provider: provider.clone(),
            model: model.clone(),
            operation: record.operation.to_string(),
            outcome: record.ending().as_str(),
        };
        self.model_calls.get_or_create(&labels).inc();
        if let Some(status) = record.cache {
            let labels =
                CacheLabels { kind: record.operation.to_string(), result: status.as_str() };
            self.cache_lookups.get_or_create(&labels).inc();
        }
        let usage = &record.usage;
        for (kind, tokens) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ] {
            if let Some(tokens) = tokens {
                let labels = TokenLabels { provider: provider.clone(), model: model.clone(), kind };
                self.model_tokens.get_or_create(&labels).inc_by(tokens);
            }
        }
        let labels = ModelLabels { provider, model };
        if let Some(cost) = record.cost.filter(|cost| cost.is_finite() && *cost > 0.0) {
            self.model_cost.get_or_create(&labels).inc_by(cost);
        }
        for (family, duration) in
            [(&self.first_event_seconds, record.first_event), (&self.queue_seconds, record.queued)]
        {
            if let Some(duration) = duration {
                family.get_or_create(&labels).observe(duration.as_secs_f64());
            }
        }
    }

    /// How the models stand that have been asked. Those that are not among them any more are gone from the gauges, too.
    pub(crate) fn targets(&self, targets: &[TargetStatus]) {
        self.targets.set(targets);
    }

    /// What the cache holds in this process, and whether its store does not answer.
    pub(crate) fn cache(&self, bytes: u64, is_failing: bool) {
        self.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.cache_failing.set(i64::from(is_failing));
    }

    /// How many usage records wait to be written, and how often that failed.
    pub(crate) fn usage(&self, unwritten: u64, failures: u64) {
        self.usage_unwritten.set(i64::try_from(unwritten).unwrap_or(i64::MAX));
        self.usage_write_failures.set(i64::try_from(failures).unwrap_or(i64::MAX));
    }

    /// The model's name, while there are few: names come from callers, and every label is kept for ever.
    fn model_label(&self, name: &ModelName) -> String {
        let mut seen = self.models_seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if seen.len() < MODELS_LABELLED || seen.contains(name) {
            seen.insert(name.clone());
            return name.model.clone();
        }
        "other".into()
    }

    /// Documents were ingested, with this outcome.
    pub fn ingested(&self, outcome: &'static str, documents: u64) {
        self.ingested.get_or_create(&IngestLabels { outcome }).inc_by(documents);
    }

    /// The load of a pool of threads.
    pub fn pool(&self, pool: &'static str, queued: usize, running: usize) {
        let labels = PoolLabels { pool };
        self.pool_queued.get_or_create(&labels).set(queued as i64);
        self.pool_running.get_or_create(&labels).set(running as i64);
    }

    /// A model call was refused by a limit of this scope.
    pub(crate) fn limit_refused(&self, scope: &'static str, kind: &'static str) {
        self.limits_refused.get_or_create(&LimitLabels { scope, kind }).inc();
    }

    /// Whether limits are counted together with other replicas at this moment.
    pub(crate) fn limits_shared(&self, shared: bool) {
        self.limits_shared.set(i64::from(shared));
    }

    /// The server began to answer.
    pub fn ready(&self, after: Duration) {
        self.ready_seconds.set(after.as_secs_f64());
    }
}

/// Counts one live stream while it exists.
#[derive(Debug)]
pub struct LiveStream(Gauge);

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
