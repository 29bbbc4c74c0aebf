//! Records of model calls become metrics and a line in the log.

use std::sync::Arc;

use llm_bundle::{CallRecord, Place, RecordSink};

use crate::metrics::Metrics;

/// Counts every call that ends. Cheap and never blocks: a few atomic additions.
pub(crate) struct CountedCalls(pub(crate) Arc<Metrics>);

impl RecordSink for CountedCalls {
    fn record(&self, record: CallRecord, _: Place) {
        self.0.model_call(&record);
        tracing::info!(
            target: "calls",
            model = %record.target,
            operation = %record.operation,
            outcome = record.ending().as_str(),
            error = record.error.map(|kind| kind.as_str()),
            input_tokens = record.usage.input_tokens,
            output_tokens = record.usage.output_tokens,
            estimated = record.usage.estimated,
            attempts = record.attempts,
            milliseconds = record.total.as_secs_f64() * 1e3,
        );
    }
}
