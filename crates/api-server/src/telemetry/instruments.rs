//! [`Instruments`]: the metrics of the conventions for generative AI.

use llm_bundle::{CallRecord, Ending, operation_name, provider_name};
use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The histograms. Cheap to record into; the SDK bounds how many combinations of attributes it keeps.
pub(crate) struct Instruments {
    tokens: Histogram<u64>,
    duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    first_token: Histogram<f64>,
}

impl Instruments {
    /// Instruments of this meter, with the bounds that the conventions recommend.
    pub(crate) fn new(meter: &Meter) -> Self {
        let powers_of_four = (0..14).map(|power| 4_f64.powi(power)).collect();
        let doubling = |first: f64| (0..14).map(|power| first * 2_f64.powi(power)).collect();
        let first_token = vec![
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
            10.0,
        ];
        let seconds = |name: &'static str, bounds: Vec<f64>| {
            meter.f64_histogram(name).with_unit("s").with_boundaries(bounds).build()
        };
        Self {
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_boundaries(powers_of_four)
                .build(),
            duration: seconds("gen_ai.client.operation.duration", doubling(0.01)),
            first_chunk: seconds(
                "gen_ai.client.operation.time_to_first_chunk",
                first_token.clone(),
            ),
            first_token: seconds("gen_ai.server.time_to_first_token", first_token),
        }
    }

    /// Counts a call. Those that no model was asked for are none to the conventions; estimated counts of tokens must
    /// not be reported.
    pub(crate) fn record(&self, record: &CallRecord) {
        if record.attempts == 0 {
            return;
        }
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", operation_name(record.operation)),
            KeyValue::new(
                "gen_ai.provider.name",
                provider_name(&record.target.provider).to_owned(),
            ),
            KeyValue::new("gen_ai.request.model", record.target.model.clone()),
        ];
        let usage = &record.usage;
        if !usage.estimated {
            for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
                if let Some(tokens) = tokens {
                    attributes.push(KeyValue::new("gen_ai.token.type", kind));
                    self.tokens.record(tokens, &attributes);
                    attributes.pop();
                }
            }
        }
        if let (Some(first), Ending::Completed) = (record.first_event, record.ending()) {
            self.first_chunk.record(first.as_secs_f64(), &attributes);
            self.first_token.record(first.as_secs_f64(), &attributes);
        }
        let error = match record.ending() {
            Ending::Cancelled => Some("cancelled"),
            _ => record.error.map(|kind| kind.as_str()),
        };
        attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
        self.duration.record(record.total.as_secs_f64(), &attributes);
    }
}

/// The trace that the current span is part of.
pub(crate) fn current_trace() -> Option<u128> {
    let context = Span::current().context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| u128::from_be_bytes(context.trace_id().to_bytes()))
}

/// Writes into the current span why the answer ended. A list, which spans of `tracing` do not have.
pub(crate) fn finished_with(reason: &'static str) {
    let reasons = Value::Array(Array::String(vec![StringValue::from(reason)]));
    Span::current().set_attribute("gen_ai.response.finish_reasons", reasons);
}
