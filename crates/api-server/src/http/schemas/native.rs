//! Bodies of `/api/v2`.

use std::collections::BTreeMap;

use dialog_service::TurnRecord;
use llm_usage::Totals;
use rag_core::{
    Chunk, Dataset, Document, Feedback, KnownField, MetadataFilter, Session, SessionId, TurnId,
    TurnStatus,
};
use utoipa::{IntoParams, ToSchema};

use crate::dialogs::DialogSettings;

/// The caller's datasets.
#[derive(ToSchema)]
pub(crate) struct Datasets {
    datasets: Vec<Dataset>,
}

/// What filters can be made of.
#[derive(ToSchema)]
pub(crate) struct KnownFields {
    fields: Vec<KnownField>,
}

/// A page of documents.
#[derive(ToSchema)]
pub(crate) struct Documents {
    documents: Vec<Document>,
    /// The `after` of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// Chunks of a document.
#[derive(ToSchema)]
pub(crate) struct Chunks {
    chunks: Vec<Chunk>,
    /// The number of the next one, if there is.
    #[schema(required)]
    next: Option<u32>,
}

/// What was deleted.
#[derive(ToSchema)]
pub(crate) struct Deleted {
    /// Its id.
    deleted: String,
}

/// Whether an ingestion was taken back.
#[derive(ToSchema)]
pub(crate) struct Cancelled {
    /// False when it had ended.
    cancelled: bool,
}

/// Whether a document was taken up again.
#[derive(ToSchema)]
pub(crate) struct Queued {
    /// False when nothing was wrong with it.
    queued: bool,
}

/// The caller's dialogs.
#[derive(ToSchema)]
pub(crate) struct Dialogs {
    dialogs: Vec<Dialog>,
}

/// A dialog.
#[derive(ToSchema)]
pub(crate) struct Dialog {
    name: String,
    /// Whether it is there because a dataset of its name is, and not kept by itself.
    implied: bool,
    settings: DialogSettings,
}

/// A page of sessions.
#[derive(ToSchema)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    /// The `after` of the next page.
    #[schema(required)]
    next: Option<String>,
}

/// A page of turns.
#[derive(ToSchema)]
pub(crate) struct Turns {
    session: Session,
    turns: Vec<Turn>,
    /// The `after` of the next page.
    #[schema(required)]
    next: Option<TurnId>,
}

/// A question and its answer, with how that came about.
#[derive(ToSchema)]
pub(crate) struct Turn {
    id: TurnId,
    session: SessionId,
    /// The turn that it follows.
    #[schema(required)]
    parent: Option<TurnId>,
    status: TurnStatus,
    question: String,
    answer: String,
    #[schema(required)]
    feedback: Option<Feedback>,
    /// Milliseconds since the epoch.
    asked_at: i64,
    /// Milliseconds since the epoch; `null` while it runs.
    #[schema(required)]
    ended_at: Option<i64>,
    #[serde(flatten)]
    record: TurnRecord,
}

/// An answer that is kept nowhere, with how it came about.
#[derive(ToSchema)]
pub(crate) struct AnswerOnce {
    answer: String,
    #[serde(flatten)]
    record: TurnRecord,
}

/// A filter over metadata.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum WrittenFilter {
    /// As people write it: `year >= 2024 and department = "sales"`.
    Expression(String),
    /// As programs do.
    Parts(MetadataFilter),
}

/// Which calls are summed, and by what.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SumsAsked {
    /// A day or a time of RFC 3339: calls that began then or later.
    #[param(inline)]
    from: Option<Moment>,
    /// A day or a time of RFC 3339: calls that began before then.
    #[param(inline)]
    to: Option<Moment>,
    /// Any of `tenant`, `key`, `route`, `provider`, `model`, `operation`, `outcome`, `error`, `priority`, `day`, `hour`,
    /// with commas.
    #[param(
        example = "day,model",
        pattern = "^((tenant|key|route|provider|model|operation|outcome|error|priority|day|hour)(,(tenant|key|route|provider|model|operation|outcome|error|priority|day|hour))*)?$"
    )]
    group_by: Option<String>,
    /// Only calls with the key of this id.
    key: Option<String>,
    /// Only calls for this name.
    route: Option<String>,
    /// Only calls that this model answered.
    model: Option<String>,
    /// Only calls of this kind.
    operation: Option<String>,
    /// Only calls that ended so.
    outcome: Option<String>,
}

/// Which calls are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordsAsked {
    /// A day or a time of RFC 3339: calls that began then or later.
    #[param(inline)]
    from: Option<Moment>,
    /// A day or a time of RFC 3339: calls that began before then.
    #[param(inline)]
    to: Option<Moment>,
    /// The `next` of the page before.
    after: Option<i64>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Only calls with the key of this id.
    key: Option<String>,
    /// Only calls for this name.
    route: Option<String>,
    /// Only calls that this model answered.
    model: Option<String>,
    /// Only calls of this kind.
    operation: Option<String>,
    /// Only calls that ended so.
    outcome: Option<String>,
}

/// A day, or a time of RFC 3339.
#[derive(ToSchema)]
#[serde(untagged)]
enum Moment {
    #[schema(format = Date)]
    Day(String),
    #[schema(format = DateTime)]
    Time(String),
}

/// What calls consumed.
#[derive(ToSchema)]
pub(crate) struct UsageSums {
    /// One for each combination of values that there is.
    groups: Vec<UsageGroup>,
    /// All groups together.
    total: Totals,
    /// Whether these are all groups: there are never more than 10,000.
    complete: bool,
}

/// Calls that agree in what was grouped by.
#[derive(ToSchema)]
pub(crate) struct UsageGroup {
    /// What they agree in; `null` for calls without.
    by: BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    totals: Totals,
}

/// Whether the server is ready, and what is missing.
#[derive(ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    missing: Vec<String>,
}
