//! The span of a model call, by the semantic conventions of OpenTelemetry for generative AI
//! (<https://github.com/open-telemetry/semantic-conventions-genai>, in the state of their split from the main
//! conventions, 1.41). A subscriber with `tracing-opentelemetry` turns it into a span `{operation} {model}`; where no
//! subscriber wants it, it costs nothing.

use llm_core::{Execution, ModelName, Operation};
use tracing::Span;
use tracing::field::Empty;

use crate::call::CallContext;
use crate::payee::Payee;
use crate::record::{CallRecord, Ending};

/// The conventions' name of what is done; where they have none, ours.
pub fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "chat",
        Operation::Embed => "embeddings",
        Operation::Rerank => "rerank",
        Operation::Speak => "speech",
        Operation::Transcribe => "transcription",
        Operation::Describe => "vision",
        _ => "other",
    }
}

/// The conventions' name of a provider; where they have none, its own.
pub fn provider_name(provider: &str) -> &str {
    const NAMES: &[(&str, &str)] = &[
        ("azure", "azure.ai.openai"),
        ("azure-ai", "azure.ai.inference"),
        ("bedrock", "aws.bedrock"),
        ("gemini", "gcp.gemini"),
        ("mistral", "mistral_ai"),
        ("moonshot", "moonshot_ai"),
        ("vertex", "gcp.vertex_ai"),
        ("watsonx", "ibm.watsonx.ai"),
        ("xai", "x_ai"),
    ];
    let known = NAMES.iter().find(|(ours, _)| *ours == provider);
    known.map_or(provider, |(_, theirs)| theirs)
}

/// The span that a call begins in. What is known at its end only is [written](end) then.
pub(crate) fn begin(operation: Operation, payee: &Payee, context: &CallContext) -> Span {
    let ModelName { provider, model } = &*payee.name;
    let kind = match payee.execution {
        Execution::Sync => "internal",
        _ => "client",
    };
    tracing::info_span!(
        "model.call",
        otel.name = %format_args!("{} {model}", operation_name(operation)),
        otel.kind = kind,
        otel.status_code = Empty,
        gen_ai.operation.name = operation_name(operation),
        gen_ai.provider.name = provider_name(provider),
        gen_ai.request.model = model,
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        gen_ai.response.time_to_first_chunk = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        error.type = Empty,
        tenant = context.tenant.as_deref(),
        target = Empty,
        outcome = Empty,
        attempts = Empty,
    )
}

/// Writes into the call's span what its record tells.
pub(crate) fn end(span: &Span, record: &CallRecord) {
    if span.is_disabled() {
        return;
    }
    let usage = &record.usage;
    span.record("gen_ai.response.id", record.response_id.as_deref());
    span.record("gen_ai.response.model", record.response_model.as_deref());
    span.record("gen_ai.usage.input_tokens", usage.input_tokens);
    span.record("gen_ai.usage.output_tokens", usage.output_tokens);
    span.record("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens);
    span.record("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens);
    span.record("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens);
    let first = record.first_event.map(|first| first.as_secs_f64());
    span.record("gen_ai.response.time_to_first_chunk", first);
    span.record("target", tracing::field::display(&record.target));
    span.record("outcome", record.ending().as_str());
    span.record("attempts", record.attempts);
    // Leaving is no failure of the model; the conventions want a type of error all the same.
    let error = match record.ending() {
        Ending::Cancelled => Some("cancelled"),
        _ => record.error.map(|kind| kind.as_str()),
    };
    if let Some(error) = error {
        span.record("error.type", error);
        span.record("otel.status_code", "ERROR");
    }
}
