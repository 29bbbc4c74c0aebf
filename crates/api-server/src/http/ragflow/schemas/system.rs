//! The server, and the models that it knows.

use serde_json::Value;
use utoipa::ToSchema;

/// Whether each part works: `ok` or `nok`.
#[derive(ToSchema)]
#[schema(as = RagflowHealth)]
pub(in super::super) struct Health {
    db: String,
    doc_engine: String,
    storage: String,
    redis: String,
    status: String,
    /// What is missing, one line each.
    _meta: Vec<String>,
}

/// A model.
#[derive(ToSchema)]
#[schema(as = RagflowModel)]
pub(in super::super) struct Model {
    /// `model@provider`.
    id: String,
    llm_name: String,
    model_type: String,
    llm_factory: String,
    #[schema(required)]
    max_tokens: Option<u64>,
    available: bool,
    status: String,
}

/// The models that are asked when none is named.
#[derive(ToSchema)]
#[schema(as = RagflowDefaultModels)]
pub(in super::super) struct DefaultModels {
    #[schema(required)]
    chat: Option<String>,
    embedding: String,
    #[schema(required)]
    rerank: Option<String>,
    #[schema(required)]
    vision: Option<String>,
}

/// What clients may want to know before they log in.
#[derive(ToSchema)]
#[schema(as = RagflowSystemConfig)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct SystemConfig {
    register_enabled: u32,
    disable_password_login: bool,
}

/// How much the server holds and does.
#[derive(ToSchema)]
#[schema(as = RagflowStatus)]
pub(in super::super) struct Status {
    #[schema(value_type = Object)]
    doc_engine: Value,
    #[schema(value_type = Object)]
    storage: Value,
    #[schema(value_type = Object)]
    database: Value,
    #[schema(value_type = Object)]
    redis: Value,
    #[schema(value_type = Object)]
    task_executor_heartbeats: Value,
    #[schema(value_type = Object)]
    totals: Value,
}
