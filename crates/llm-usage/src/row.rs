//! Records as rows, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use llm_bundle::{CallRecord, Priority};
use llm_core::{FinishReason, Operation};
use rusqlite::{CachedStatement, Row, named_params};
use serde::Serialize;
use uuid::Uuid;

/// A call as it was kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredCall {
    /// Its place in the order of writing; the next page begins after the last one of this.
    pub cursor: i64,
    /// The record's id.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
    pub id: Uuid,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub started: Timestamp,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// With which API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `interactive` or `batch`.
    pub priority: String,
    /// The name that was asked for.
    pub route: String,
    /// The model that answered, `provider/model`.
    pub model: String,
    /// What was done.
    pub operation: String,
    /// How it ended.
    pub outcome: String,
    /// Why the answer ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tokens of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Tokens of the prompt that came from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Tokens of the prompt that went to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Tokens of the answer that were reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Tokens of the prompt that were sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input_tokens: Option<u64>,
    /// Tokens of the answer that were sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output_tokens: Option<u64>,
    /// Search units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_units: Option<u64>,
    /// Whether the counts are estimates.
    pub estimated: bool,
    /// What it cost, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// How often models were asked.
    pub attempts: u64,
    /// How many events were handed out.
    pub events: u64,
    /// Seconds from the call to its first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_seconds: Option<f64>,
    /// Seconds from the call to its first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_event_seconds: Option<f64>,
    /// Seconds from the call to its end.
    pub total_seconds: f64,
    /// The provider's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The provider's id of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// The model, as the provider named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_model: Option<String>,
    /// The trace that the call is part of, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// Names come from callers and providers: no more of them is kept than this.
const MOST_TEXT: usize = 256;

/// No call consumes more of anything; a provider that says so must not make sums overflow.
const MOST_COUNT: u64 = 1 << 40;

/// Billionths in a US dollar.
const NANO: f64 = 1e9;

/// The most that a call is taken to have cost: a million US dollars.
const MOST_COST: f64 = 1e15;

pub(crate) const INSERT: &str = "
    INSERT OR IGNORE INTO calls (
        id, started, tenant, key, priority, route, provider, model, operation, outcome, finish, error,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
        audio_input_tokens, audio_output_tokens, search_units, estimated, cost, attempts, events,
        queued, first_event, total, request_id, response_id, response_model, trace
    ) VALUES (
        :id, :started, :tenant, :key, :priority, :route, :provider, :model, :operation, :outcome, :finish, :error,
        :input_tokens, :output_tokens, :cache_read_tokens, :cache_write_tokens, :reasoning_tokens,
        :audio_input_tokens, :audio_output_tokens, :search_units, :estimated, :cost, :attempts, :events,
        :queued, :first_event, :total, :request_id, :response_id, :response_model, :trace
    )";

/// Writes a record, unless it is there already. Tells how many rows that made.
pub(crate) fn insert(
    statement: &mut CachedStatement<'_>,
    record: &CallRecord,
) -> rusqlite::Result<usize> {
    let usage = &record.usage;
    statement.execute(named_params! {
        ":id": record.id.as_bytes(),
        ":started": milliseconds(record.started),
        ":tenant": record.tenant.as_deref().map_or("", bounded),
        ":key": record.key.as_deref().map_or("", bounded),
        ":priority": priority(record.priority),
        ":route": bounded(&record.route),
        ":provider": bounded(&record.target.provider),
        ":model": bounded(&record.target.model),
        ":operation": operation(record.operation),
        ":outcome": record.ending().as_str(),
        ":finish": record.finish.map(finish),
        ":error": record.error.map(|kind| kind.as_str()),
        ":input_tokens": count(usage.input_tokens),
        ":output_tokens": count(usage.output_tokens),
        ":cache_read_tokens": count(usage.cache_read_tokens),
        ":cache_write_tokens": count(usage.cache_write_tokens),
        ":reasoning_tokens": count(usage.reasoning_tokens),
        ":audio_input_tokens": count(usage.audio_input_tokens),
        ":audio_output_tokens": count(usage.audio_output_tokens),
        ":search_units": count(usage.search_units),
        ":estimated": usage.estimated,
        ":cost": record.cost.and_then(billionths),
        ":attempts": record.attempts,
        ":events": count(Some(record.events)),
        ":queued": record.queued.map(microseconds),
        ":first_event": record.first_event.map(microseconds),
        ":total": microseconds(record.total),
        ":request_id": record.request_id.as_deref().map(bounded),
        ":response_id": record.response_id.as_deref().map(bounded),
        ":response_model": record.response_model.as_deref().map(bounded),
        ":trace": record.trace.map(|trace| format!("{trace:032x}")),
    })
}

/// Reads a whole row.
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<StoredCall> {
    let text = |name: &str| row.get::<_, String>(name);
    let optional = |name: &str| row.get::<_, Option<String>>(name);
    let some = |name: &str| text(name).map(|text| Some(text).filter(|text| !text.is_empty()));
    let number = |name: &str| row.get::<_, Option<i64>>(name);
    let count = |name: &str| number(name).map(|count| count.map(i64::unsigned_abs));
    let seconds = |name: &str| number(name).map(|duration| duration.map(in_seconds));
    Ok(StoredCall {
        cursor: row.get("seq")?,
        id: Uuid::from_bytes(row.get("id")?),
        started: Timestamp::from_millisecond(row.get("started")?).unwrap_or_default(),
        tenant: some("tenant")?,
        key: some("key")?,
        priority: text("priority")?,
        route: text("route")?,
        model: format!("{}/{}", text("provider")?, text("model")?),
        operation: text("operation")?,
        outcome: text("outcome")?,
        finish: optional("finish")?,
        error: optional("error")?,
        input_tokens: count("input_tokens")?,
        output_tokens: count("output_tokens")?,
        cache_read_tokens: count("cache_read_tokens")?,
        cache_write_tokens: count("cache_write_tokens")?,
        reasoning_tokens: count("reasoning_tokens")?,
        audio_input_tokens: count("audio_input_tokens")?,
        audio_output_tokens: count("audio_output_tokens")?,
        search_units: count("search_units")?,
        estimated: row.get("estimated")?,
        cost: row.get::<_, Option<i64>>("cost")?.map(in_dollars),
        attempts: row.get("attempts").map(i64::unsigned_abs)?,
        events: row.get("events").map(i64::unsigned_abs)?,
        queued_seconds: seconds("queued")?,
        first_event_seconds: seconds("first_event")?,
        total_seconds: in_seconds(row.get("total")?),
        request_id: optional("request_id")?,
        response_id: optional("response_id")?,
        response_model: optional("response_model")?,
        trace: optional("trace")?,
    })
}

pub(crate) fn in_seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

pub(crate) fn in_dollars(billionths: i64) -> f64 {
    billionths as f64 / NANO
}

fn milliseconds(time: SystemTime) -> i64 {
    // A clock before 1970 is wrong anyway.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().min(u128::from(MOST_COUNT) << 6) as i64
}

fn microseconds(duration: Duration) -> i64 {
    duration.as_micros().min(u128::from(MOST_COUNT)) as i64
}

fn count(count: Option<u64>) -> Option<i64> {
    count.map(|count| count.min(MOST_COUNT) as i64)
}

fn billionths(cost: f64) -> Option<i64> {
    cost.is_finite().then(|| (cost * NANO).round().clamp(0.0, MOST_COST) as i64)
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_TEXT)]
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Interactive => "interactive",
        Priority::Batch => "batch",
    }
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "chat",
        Operation::Embed => "embed",
        Operation::Rerank => "rerank",
        Operation::Speak => "speak",
        Operation::Transcribe => "transcribe",
        Operation::Describe => "describe",
        Operation::CountTokens => "count_tokens",
        Operation::ListModels => "list_models",
        _ => "raw",
    }
}

fn finish(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Refusal => "refusal",
        FinishReason::Paused => "paused",
        FinishReason::Cancelled => "cancelled",
        FinishReason::Error => "error",
        _ => "other",
    }
}
