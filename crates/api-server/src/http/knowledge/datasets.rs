//! Datasets and their settings.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use rag_core::{ChunkIndex, Dataset, DatasetSettings, MetadataStore};
use rag_store::EmbeddedStore;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::with_store;
use crate::app::App;

/// All datasets of the tenant.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let tenant = app.tenant();
    let datasets = with_store(&app, move |store| store.datasets(&tenant)).await?;
    Ok(Json(json!({ "datasets": datasets })))
}

/// One of them.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Dataset>, Problem> {
    find(&app, name).await.map(Json)
}

/// Values of a field that are told.
const MOST_VALUES: usize = 100;

/// The fields that its documents have: what filters can be made of.
pub(crate) async fn fields(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let dataset = find(&app, name).await?;
    let told = move |store: &EmbeddedStore| store.metadata_fields(&[dataset.id], MOST_VALUES);
    Ok(Json(json!({ "fields": with_store(&app, told).await? })))
}

/// What of a dataset can be changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    settings: DatasetSettings,
}

/// Changes how documents are cut, enriched and ranked from now on.
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Dataset>, Problem> {
    let Json(change) = change.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let dataset = find(&app, name.clone()).await?;
    check_tags(&app, &change.settings).await?;
    with_store(&app, move |store| store.update_dataset(&dataset.id, &change.settings)).await?;
    find(&app, name).await.map(Json)
}

/// Tags come from the tenant's own datasets.
async fn check_tags(app: &App, settings: &DatasetSettings) -> Result<(), Problem> {
    let tenant = app.tenant();
    let own = with_store(app, move |store| store.datasets(&tenant)).await?;
    let mut wanted = settings.enrichment.tag_datasets.iter();
    match wanted.find(|id| own.iter().all(|dataset| dataset.id != **id)) {
        Some(id) => Err(Problem::invalid(format!("`tag_datasets`: there is no dataset {id}"))),
        None => Ok(()),
    }
}

pub(super) async fn find(app: &App, name: String) -> Result<Dataset, Problem> {
    let (tenant, asked) = (app.tenant(), name.clone());
    let found = with_store(app, move |store| store.dataset(&tenant, &asked)).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no dataset `{name}`")))
}
