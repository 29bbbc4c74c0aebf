//! Documents: listed, read, deleted, ingested again.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use rag_core::{Dataset, Document, DocumentId, Store};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::{datasets, with_store};
use crate::app::App;
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Invalid, Missing};
use crate::uploads;

/// Entries of a page, unless asked for otherwise, and at most.
const PAGE: usize = 100;
const MOST: usize = 1000;

/// Which documents.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// Names after this one.
    after: Option<String>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Only those in this state: kept, queued, running, ready, failed, cancelled.
    state: Option<String>,
}

/// The documents of a dataset, by name.
#[utoipa::path(
    get,
    path = "/api/v2/datasets/{name}/documents",
    params(Listing),
    responses((status = 200, description = "What was asked for", body = native::Documents), Invalid, Missing),
)]
pub(crate) async fn list(
    app: App,
    Path(name): Path<String>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(listing) = listing.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let limit = limit(listing.limit)?;
    let dataset = datasets::find(&app, name).await?;
    let is_meant = move |document: &Document| {
        listing.after.as_ref().is_none_or(|after| document.name > *after)
            && listing.state.as_ref().is_none_or(|state| document.status.as_str() == state)
    };
    let find = move |store: &dyn Store| {
        let all = store.documents(&dataset.id)?.into_iter();
        Ok(all.filter(is_meant).take(limit + 1).collect())
    };
    let mut documents: Vec<Document> = with_store(&app, find).await?;
    let more = documents.len() > limit;
    documents.truncate(limit);
    let next = documents.last().filter(|_| more).map(|document| document.name.clone());
    Ok(Json(json!({ "documents": documents, "next": next })))
}

/// One document.
#[utoipa::path(
    get,
    path = "/api/v2/documents/{id}",
    responses((status = 200, description = "What was asked for", body = Document), Missing),
)]
pub(crate) async fn one(app: App, Path(asked): Path<Address>) -> Result<Json<Document>, Problem> {
    Ok(Json(find(&app, &asked).await?.1))
}

/// Removes a document with everything of it.
#[utoipa::path(
    delete,
    path = "/api/v2/documents/{id}",
    responses((status = 200, description = "What was asked for", body = native::Deleted), Missing),
)]
pub(crate) async fn delete(app: App, Path(asked): Path<Address>) -> Result<Json<Value>, Problem> {
    let (_, document) = find(&app, &asked).await?;
    let gone = document.id.clone();
    with_store(&app, move |store| rag_core::ChunkIndex::delete_document(store, &gone)).await?;
    let gone = uploads::forget(&app, &document).await;
    gone.map_err(|error| Problem::internal(&error.into()))?;
    Ok(Json(json!({ "deleted": document.id })))
}

/// Takes back a document's ingestion. What was searchable of it before still is.
#[utoipa::path(
    post,
    path = "/api/v2/documents/{id}/cancel",
    responses((status = 200, description = "What was asked for", body = native::Cancelled), Missing),
)]
pub(crate) async fn cancel(app: App, Path(asked): Path<Address>) -> Result<Json<Value>, Problem> {
    let (_, document) = find(&app, &asked).await?;
    let cancelled = app.pipeline.cancel(&document.id).await;
    let cancelled = cancelled.map_err(|error| Problem::internal(&error.into()))?;
    Ok(Json(json!({ "cancelled": cancelled })))
}

/// Takes up a document again that failed or was cancelled.
#[utoipa::path(
    post,
    path = "/api/v2/documents/{id}/retry",
    responses((status = 200, description = "What was asked for", body = native::Queued), Missing),
)]
pub(crate) async fn retry(app: App, Path(asked): Path<Address>) -> Result<Json<Value>, Problem> {
    let (_, document) = find(&app, &asked).await?;
    let queued = app.pipeline.retry(&document.id).await;
    let queued = queued.map_err(|error| Problem::internal(&error.into()))?;
    Ok(Json(json!({ "queued": queued })))
}

pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(PAGE);
    match (1..=MOST).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::invalid(format!("`limit` lies between 1 and {MOST}"))),
    }
}

/// A document's address: its id, alone or below the name of its dataset.
#[derive(Deserialize)]
pub(crate) struct Address {
    pub(super) name: Option<String>,
    pub(super) id: String,
}

/// A document and its dataset, which is one of the tenant's. One of another tenant, or of another dataset than the
/// address says, is as if it were not there.
pub(super) async fn find(app: &App, asked: &Address) -> Result<(Dataset, Document), Problem> {
    let missing = || Problem::not_found(format!("there is no document `{}`", asked.id));
    let wanted: DocumentId = asked.id.parse().map_err(|_| missing())?;
    let (tenant, name) = (app.tenant(), asked.name.clone());
    let find = move |store: &dyn Store| {
        let Some(document) = store.document(&wanted)? else { return Ok(None) };
        let dataset = store.dataset_by_id(&tenant, &document.dataset)?;
        let is_meant = |dataset: &Dataset| name.as_ref().is_none_or(|name| dataset.name == *name);
        Ok(dataset.filter(is_meant).map(|dataset| (dataset, document)))
    };
    with_store(app, find).await?.ok_or_else(missing)
}
