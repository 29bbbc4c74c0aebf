//! Records of model calls become metrics, a line in the log, and a row among the usage records.

use std::sync::Arc;

use llm_bundle::{CallRecord, Capture, Place, RecordQueue, RecordSink, Reservation};

use crate::config::TelemetryConfig;
use crate::metrics::Metrics;
use crate::telemetry::{self, Instruments};

/// Counts every call that ends, and hands its record on. Cheap and never blocks: a few atomic additions.
pub(crate) struct Calls {
    pub(crate) metrics: Arc<Metrics>,
    /// Where records are kept, if they are.
    pub(crate) queue: Option<RecordQueue>,
    /// What the collector is told, if there is one.
    pub(crate) told: Option<Told>,
}

/// What a collector of OpenTelemetry is told of calls, besides their spans.
pub(crate) struct Told {
    instruments: Instruments,
    capture: Option<Capture>,
}

impl Told {
    /// As configured; nothing without a collector.
    pub(crate) fn new(config: &TelemetryConfig) -> Option<Self> {
        config.is_on().then(|| Self {
            instruments: Instruments::new(&opentelemetry::global::meter("colloquy")),
            capture: config
                .capture_content
                .then(|| Capture::new(Arc::new(()), config.max_content_bytes)),
        })
    }
}

impl RecordSink for Calls {
    fn reserve(&self) -> Reservation {
        match &self.queue {
            Some(queue) => queue.reserve(),
            None => Reservation::Ready(Place::unlimited()),
        }
    }

    fn record(&self, mut record: CallRecord, place: Place) {
        self.metrics.model_call(&record);
        if let Some(told) = &self.told {
            told.instruments.record(&record);
            record.trace = telemetry::current_trace();
            if let Some(reason) = record.finish {
                telemetry::finished_with(reason.as_openai());
            }
        }
        tracing::info!(
            target: "calls",
            id = %record.id,
            model = %record.target,
            operation = %record.operation,
            outcome = record.ending().as_str(),
            error = record.error.map(|kind| kind.as_str()),
            input_tokens = record.usage.input_tokens,
            output_tokens = record.usage.output_tokens,
            estimated = record.usage.estimated,
            cost = record.cost,
            attempts = record.attempts,
            milliseconds = record.total.as_secs_f64() * 1e3,
        );
        if let Some(queue) = &self.queue {
            queue.record(record, place);
        }
    }

    fn capture(&self) -> Option<&Capture> {
        self.told.as_ref()?.capture.as_ref()
    }
}
