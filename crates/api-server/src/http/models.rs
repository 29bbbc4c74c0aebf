//! `GET /v1/models`: what can be asked.

use axum::Json;
use axum::extract::Path;
use llm_core::{ErrorKind, ModelError, Operation};
use serde_json::{Value, json};

use super::Failure;
use super::schemas::models::{Model, Models};
use super::schemas::refusals::ModelFailures;
use crate::app::App;
use crate::catalogue::{Entry, entries};

/// Every model and dialog that is known by name. A provider's other models can be asked all the same.
#[utoipa::path(
    get,
    path = "/v1/models",
    responses((status = 200, description = "What was asked for", body = Models), ModelFailures),
)]
pub(super) async fn list(app: App) -> Result<Json<Value>, Failure> {
    let data: Vec<Value> = entries(&app).await?.iter().map(body).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

/// One of them.
#[utoipa::path(
    get,
    path = "/v1/models/{*id}",
    responses((status = 200, description = "What was asked for", body = Model), ModelFailures),
)]
pub(super) async fn one(app: App, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    let found = entries(&app).await?.iter().find(|entry| entry.id == id).map(body);
    let missing = || {
        let message = format!("there is no model `{id}`; GET /v1/models lists them");
        ModelError::new(ErrorKind::NotFound, Operation::ListModels, message).with_param("model")
    };
    Ok(Json(found.ok_or_else(missing)?))
}

fn body(entry: &Entry) -> Value {
    let mut body = json!({
        "id": entry.id,
        "object": "model",
        "created": 0,
        "owned_by": entry.owner,
        "kind": entry.kind,
    });
    if let Some(info) = &entry.info {
        body["limits"] = json!(info.limits);
        body["execution"] = json!(info.execution);
        body["description"] = json!(info.description);
        if let Some(prices) = &info.prices {
            body["prices"] = json!(prices);
        }
    }
    body
}
