//! Documents, their metadata and their chunks.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query};
use rag_core::{Document, DocumentId, Metadata, MetadataStore, MetadataValue};
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
    let find = move |store: &rag_store::EmbeddedStore| {
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
pub(crate) async fn one(app: App, Path(id): Path<String>) -> Result<Json<Document>, Problem> {
    find(&app, &id).await.map(Json)
}

/// What of a document can be changed.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentChange, example = json!({ "metadata": { "year": 2026 } }))]
pub(crate) struct Change {
    #[schema(value_type = BTreeMap<String, MetadataValue>)]
    metadata: Metadata,
}

/// Replaces what is known of a document besides its text.
#[utoipa::path(
    patch,
    path = "/api/v2/documents/{id}",
    request_body = Change,
    responses((status = 200, description = "What was asked for", body = Document), Invalid, Missing),
)]
pub(crate) async fn change(
    app: App,
    Path(id): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Document>, Problem> {
    let Json(change) = change.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let document = find(&app, &id).await?;
    with_store(&app, move |store| store.set_metadata(&document.id, &change.metadata)).await?;
    find(&app, &id).await.map(Json)
}

/// Removes a document with everything of it.
#[utoipa::path(
    delete,
    path = "/api/v2/documents/{id}",
    responses((status = 200, description = "What was asked for", body = native::Deleted), Missing),
)]
pub(crate) async fn delete(app: App, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let document = find(&app, &id).await?;
    let gone = document.id.clone();
    with_store(&app, move |store| rag_core::ChunkIndex::delete_document(store, &gone)).await?;
    let gone = uploads::forget(&app, &document).await;
    gone.map_err(|error| Problem::internal(&error.into()))?;
    Ok(Json(json!({ "deleted": id })))
}

/// Takes back a document's ingestion. What was searchable of it before still is.
#[utoipa::path(
    post,
    path = "/api/v2/documents/{id}/cancel",
    responses((status = 200, description = "What was asked for", body = native::Cancelled), Missing),
)]
pub(crate) async fn cancel(app: App, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let document = find(&app, &id).await?;
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
pub(crate) async fn retry(app: App, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let document = find(&app, &id).await?;
    let queued = app.pipeline.retry(&document.id).await;
    let queued = queued.map_err(|error| Problem::internal(&error.into()))?;
    Ok(Json(json!({ "queued": queued })))
}

/// Which chunks.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// The first one's number.
    from: u32,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// A document's chunks in order.
#[utoipa::path(
    get,
    path = "/api/v2/documents/{id}/chunks",
    params(Range),
    responses((status = 200, description = "What was asked for", body = native::Chunks), Invalid, Missing),
)]
pub(crate) async fn chunks(
    app: App,
    Path(id): Path<String>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(range) = range.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let limit = limit(range.limit)? as u32;
    let document = find(&app, &id).await?;
    let numbers = range.from..range.from.saturating_add(limit);
    let chunks =
        with_store(&app, move |store| store.document_chunks(&document.id, numbers)).await?;
    Ok(Json(json!({ "chunks": chunks })))
}

fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(PAGE);
    match (1..=MOST).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::invalid(format!("`limit` lies between 1 and {MOST}"))),
    }
}

/// A document of one of the tenant's datasets. One of another tenant is as if it were not there.
async fn find(app: &App, id: &str) -> Result<Document, Problem> {
    let missing = || Problem::not_found(format!("there is no document `{id}`"));
    let wanted: DocumentId = id.parse().map_err(|_| missing())?;
    let tenant = app.tenant();
    let find = move |store: &rag_store::EmbeddedStore| {
        let Some(document) = store.document(&wanted)? else { return Ok(None) };
        let own = store.datasets(&tenant)?.iter().any(|dataset| dataset.id == document.dataset);
        Ok(Some(document).filter(|_| own))
    };
    with_store(app, find).await?.ok_or_else(missing)
}
