//! The dialogs that there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rag_core::MetadataStore;
use serde_json::{Value, json};

use super::super::problem::Problem;
use crate::app::App;

/// One for each dataset of the tenant, of its name.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let (store, tenant) = (app.store.clone(), app.tenant());
    let datasets = app.callers.run(move || store.datasets(&tenant)).await;
    let datasets = datasets.map_err(|error| Problem::internal(&error.into()))?;
    let datasets = datasets.map_err(|error| Problem::internal(&error.into()))?;
    let dialogs = datasets
        .iter()
        .map(|dataset| json!({ "name": dataset.name, "datasets": [dataset.name] }))
        .collect::<Vec<_>>();
    Ok(Json(json!({ "dialogs": dialogs })))
}
