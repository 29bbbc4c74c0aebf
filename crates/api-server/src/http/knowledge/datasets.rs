//! Datasets and their settings.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use llm_core::Operation;
use rag_core::{Dataset, DatasetSettings, EmbeddingIdentity, Store};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::with_store;
use crate::app::App;
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Conflict, Failures, Invalid, Missing};
use crate::uploads;

/// The most that a dataset adds to the scores of its chunks, in hundredths.
const MOST_RANK: u8 = 100;

/// The longest name.
const MOST_NAME: usize = 128;

/// All datasets of the tenant.
#[utoipa::path(
    get,
    path = "/api/v2/datasets",
    responses((status = 200, description = "What was asked for", body = native::Datasets)),
)]
pub(crate) async fn list(app: App) -> Result<Json<Value>, Problem> {
    let tenant = app.tenant();
    let datasets = with_store(&app, move |store| store.datasets(&tenant)).await?;
    Ok(Json(json!({ "datasets": datasets })))
}

/// One of them.
#[utoipa::path(
    get,
    path = "/api/v2/datasets/{name}",
    responses((status = 200, description = "What was asked for", body = Dataset), Missing),
)]
pub(crate) async fn one(app: App, Path(name): Path<String>) -> Result<Json<Dataset>, Problem> {
    find(&app, name).await.map(Json)
}

/// Values of a field that are told.
const MOST_VALUES: usize = 100;

/// The fields that its documents have: what filters can be made of.
#[utoipa::path(
    get,
    path = "/api/v2/datasets/{name}/fields",
    responses((status = 200, description = "What was asked for", body = native::KnownFields), Missing),
)]
pub(crate) async fn fields(app: App, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let dataset = find(&app, name).await?;
    let told = move |store: &dyn Store| store.metadata_fields(&[dataset.id], MOST_VALUES);
    Ok(Json(json!({ "fields": with_store(&app, told).await? })))
}

/// A dataset that is to be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDataset, example = json!({ "name": "drinks" }))]
pub(crate) struct New {
    name: String,
    #[serde(default)]
    settings: DatasetSettings,
}

/// Makes an empty dataset, with the embedding model that is the default now.
#[utoipa::path(
    post,
    path = "/api/v2/datasets",
    request_body = New,
    responses((status = 201, description = "It was made", body = Dataset), Invalid, Conflict, Failures),
)]
pub(crate) async fn create(
    app: App,
    new: Result<Json<New>, JsonRejection>,
) -> Result<(StatusCode, Json<Dataset>), Problem> {
    let Json(New { name, settings }) =
        new.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    check_name(&name)?;
    check_rank(&settings)?;
    check_tags(&app, &settings).await?;
    let embedding = embedding(&app).await?;
    let tenant = app.tenant();
    let made = with_store(&app, move |store| match store.dataset(&tenant, &name)? {
        Some(_) => Ok(None),
        None => store.ensure_dataset(&tenant, &name, &embedding, &settings).map(Some),
    });
    let made = made.await?.ok_or_else(|| Problem::conflict("there is a dataset of this name"))?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// What the default embedding model's vectors are. A model that must be asked is asked from a thread: the call's future is
/// not known to be `Send` for every lifetime.
async fn embedding(app: &App) -> Result<EmbeddingIdentity, Problem> {
    let (asker, runtime) = (app.clone(), tokio::runtime::Handle::current());
    let asked = move || runtime.block_on(asker.embedding_identity());
    let told = app.on_thread(Operation::Embed, asked).await.and_then(|told| told);
    told.map_err(|error| Problem::model(&error))
}

/// Removes a dataset with its documents.
#[utoipa::path(
    delete,
    path = "/api/v2/datasets/{name}",
    responses((status = 204, description = "It was done"), Missing),
)]
pub(crate) async fn delete(app: App, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let dataset = find(&app, name).await?;
    let gone = dataset.id.clone();
    with_store(&app, move |store| store.delete_dataset(&gone)).await?;
    let gone = uploads::forget_all(&app, &dataset.id).await;
    gone.map_err(|error| Problem::internal(&error.into()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Names stand in addresses, and in names of dialogs.
fn check_name(name: &str) -> Result<(), Problem> {
    let is_fine = !name.trim().is_empty()
        && name.trim() == name
        && name.len() <= MOST_NAME
        && !name.chars().any(|c| c == '/' || c.is_control());
    match is_fine {
        true => Ok(()),
        false => Err(Problem::invalid(format!(
            "`name` has 1 to {MOST_NAME} bytes, no slash, and no space around it"
        ))),
    }
}

pub(super) fn check_rank(settings: &DatasetSettings) -> Result<(), Problem> {
    match settings.page_rank {
        0..=MOST_RANK => Ok(()),
        _ => Err(Problem::invalid(format!("`page_rank` lies between 0 and {MOST_RANK}"))),
    }
}

/// Tags come from the tenant's own datasets.
pub(super) async fn check_tags(app: &App, settings: &DatasetSettings) -> Result<(), Problem> {
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
