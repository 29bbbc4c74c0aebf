//! What the server is, whether it is well, and which models it knows.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::envelope::{Reply, data};
use super::schemas::system::{DefaultModels, Health, Model, Status, SystemConfig};
use super::schemas::{Answer, ListAnswer};
use super::{model_names, with_store};
use crate::app::App;
use crate::caller::Identity;
use crate::catalogue::entries;

/// It answers.
#[utoipa::path(
    get,
    path = "/api/v1/system/ping",
    responses((status = 200, description = "pong", body = String, content_type = "text/plain")),
)]
pub(super) async fn ping() -> &'static str {
    "pong"
}

/// Ours, not that of the server whose dialect this is.
#[utoipa::path(
    get,
    path = "/api/v1/system/version",
    responses((status = 200, description = "What was asked for", body = Answer<String>)),
)]
pub(super) async fn version() -> Reply {
    data(concat!("colloquy-", env!("CARGO_PKG_VERSION")))
}

/// Whether each part works.
#[utoipa::path(
    get,
    path = "/api/v1/system/healthz",
    responses((status = 200, description = "All works", body = Health), (status = 503, description = "Something does not", body = Health)),
)]
pub(super) async fn health(app: App) -> Response {
    let database = with_store(&app, |store| store.stats().map(drop)).await.is_ok();
    let missing = app.readiness.missing();
    let word = |is_well| if is_well { "ok" } else { "nok" };
    let is_well = database && missing.is_empty();
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "db": word(database),
        "doc_engine": word(database),
        "storage": word(database),
        "redis": "ok",
        "status": word(is_well),
        "_meta": missing,
    });
    (status, Json(body)).into_response()
}

/// How much it holds and does.
#[utoipa::path(
    get,
    path = "/api/v1/system/status",
    responses((status = 200, description = "What was asked for", body = Answer<Status>)),
)]
pub(super) async fn status(app: App) -> Reply {
    let stats = with_store(&app, |store| store.stats()).await?;
    let green = json!({ "status": "green", "elapsed": "0.0" });
    data(json!({
        "doc_engine": { "type": "embedded", "status": "green", "elapsed": "0.0" },
        "storage": { "storage": "file", "status": "green", "elapsed": "0.0" },
        "database": { "database": "sqlite", "status": "green", "elapsed": "0.0" },
        "redis": green,
        "task_executor_heartbeats": {},
        // Of all tenants: for who owns them all.
        "totals": matches!(app.caller().identity, Identity::Local).then_some(stats),
    }))
}

/// What clients may want to know before they log in.
#[utoipa::path(
    get,
    path = "/api/v1/system/config",
    responses((status = 200, description = "What was asked for", body = Answer<SystemConfig>)),
)]
pub(super) async fn config(app: App) -> Reply {
    data(json!({ "registerEnabled": 0, "disablePasswordLogin": app.door.is_none() }))
}

/// All models that are known by name.
#[utoipa::path(
    get,
    path = "/api/v1/models",
    responses((status = 200, description = "What was asked for", body = ListAnswer<Model>)),
)]
pub(super) async fn models(app: App) -> Reply {
    let entries = entries(&app).await?;
    let models = entries.iter().filter(|entry| entry.kind != "dialog");
    let shown = models.map(|entry| {
        json!({
            "id": model_names::theirs(&entry.id),
            "llm_name": model_names::theirs(&entry.id),
            "model_type": entry.kind,
            "llm_factory": entry.owner,
            "max_tokens": entry.info.as_ref().and_then(|info| info.limits.context_tokens),
            "available": true,
            "status": "1",
        })
    });
    data(shown.collect::<Vec<Value>>())
}

/// The models that are asked when none is named.
#[utoipa::path(
    get,
    path = "/api/v1/models/default",
    responses((status = 200, description = "What was asked for", body = Answer<DefaultModels>)),
)]
pub(super) async fn default_models(app: App) -> Reply {
    let chat = app.chat_model(None).await.map(|model| model.info().name.to_string());
    let defaults = &app.config.defaults;
    data(json!({
        "chat": chat.ok().map(|name| model_names::theirs(&name)),
        "embedding": model_names::theirs(&defaults.embedding),
        "rerank": app.config.dialog.rerank.as_deref().map(model_names::theirs),
        "vision": defaults.vision.as_deref().map(model_names::theirs),
    }))
}
