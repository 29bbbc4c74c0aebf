//! Server-sent events.

use utoipa::ToSchema;

/// An event of a streamed answer.
#[derive(ToSchema)]
pub(crate) struct AnswerEvent {
    /// What it is, in dialects that name events.
    event: Option<String>,
    /// JSON: a chunk of the answer, or why it ends; or `[DONE]`.
    data: String,
}

/// An event of a turn.
#[derive(ToSchema)]
pub(crate) struct TurnEvent {
    /// Its number, for `Last-Event-ID`.
    id: String,
    /// The `type` of what is in it; `tool` for all that is about tools, `error` for why the turn failed.
    event: String,
    /// JSON.
    data: String,
}

/// An event of ingestion.
#[derive(ToSchema)]
pub(crate) struct IngestionEvent {
    /// JSON: a step, or the totals with the `event` `progress`.
    data: String,
}
