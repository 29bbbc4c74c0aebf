//! [`Telemetry`]: spans and metrics on their way to a collector of OpenTelemetry.
//!
//! Off unless the configuration names a collector; then nothing here exists. What is measured follows the semantic
//! conventions for generative AI; docs/telemetry.md lists it.

mod collector;
mod instruments;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{ConfigError, Environment, TelemetryConfig};
use collector::Collector;
pub(crate) use instruments::{Instruments, current_trace, finished_with};

/// The target of the spans of requests, which are made for the collector alone.
pub(crate) const TARGET: &str = "telemetry";

/// How long what is left may take to be sent at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Sends spans and metrics. Both are kept for a few seconds and sent in batches by threads of their own; when the
/// collector does not take them, they are dropped beyond a bounded number (2,048 spans).
pub(crate) struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
}

impl Telemetry {
    /// Begins, if a collector is configured. Must be called on the runtime that shall own all I/O.
    ///
    /// # Errors
    /// An endpoint that is no URL, a header's secret that is not there.
    pub(crate) fn start(
        config: &TelemetryConfig,
        environment: &Environment,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(endpoint) = &config.otlp_endpoint else {
            return Ok(None);
        };
        let place = "[telemetry]";
        let collector = Collector::new(endpoint, &config.headers, environment, Handle::current())
            .map_err(|reason| ConfigError::new(place, reason))?;
        let failed = |error: opentelemetry_otlp::ExporterBuildError| {
            ConfigError::new(place, error.to_string())
        };
        let resource = Resource::builder()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let spans = SpanExporter::builder()
            .with_http()
            .with_http_client(collector.to("v1/traces"))
            .with_endpoint(collector.address("v1/traces"))
            .build()
            .map_err(failed)?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_http_client(collector.to("v1/metrics"))
            .with_endpoint(collector.address("v1/metrics"))
            .build()
            .map_err(failed)?;
        let sampler = Sampler::TraceIdRatioBased(config.sample_ratio);
        let tracer = SdkTracerProvider::builder()
            .with_batch_exporter(spans)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource.clone())
            .build();
        let meter = SdkMeterProvider::builder()
            .with_periodic_exporter(metrics)
            .with_resource(resource)
            .build();
        opentelemetry::global::set_meter_provider(meter.clone());
        Ok(Some(Self { tracer, meter }))
    }

    /// What makes spans of ours into spans of OpenTelemetry: those of requests, of the steps of turns and of model
    /// calls, and the content of calls, where that is captured.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let wanted = Targets::new()
            .with_target(TARGET, LevelFilter::INFO)
            .with_target("dialog_service", LevelFilter::INFO)
            .with_target("gen_ai", LevelFilter::INFO)
            .with_target("llm_bundle", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.tracer("colloquy"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(wanted)
    }

    /// Sends what is left, and ends. Blocks, for five seconds at most; the runtime must still run.
    pub(crate) fn stop(self) {
        for result in [
            self.tracer.shutdown_with_timeout(LAST_WORDS),
            self.meter.shutdown_with_timeout(LAST_WORDS),
        ] {
            if let Err(error) = result {
                tracing::warn!(%error, "the last spans and metrics were not sent");
            }
        }
    }
}
