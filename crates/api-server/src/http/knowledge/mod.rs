//! `/api/v2/datasets`, `/api/v2/documents` and `/api/v2/ingest`: what is known, and how far ingestion is.

mod chunks;
mod dataset_change;
mod datasets;
mod document_change;
mod documents;
mod file;
mod ingestion;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, patch, post};
use rag_core::StoreError;
use rag_store::EmbeddedStore;

use super::problem::Problem;
use crate::app::App;
use crate::parts::Parts;

pub(super) fn routes() -> Router<Arc<Parts>> {
    Router::new()
        .route("/api/v2/datasets", get(datasets::list).post(datasets::create))
        .route(
            "/api/v2/datasets/{name}",
            get(datasets::one).patch(dataset_change::change).delete(datasets::delete),
        )
        .route("/api/v2/datasets/{name}/documents", get(documents::list).post(uploads::upload))
        .route("/api/v2/datasets/{name}/fields", get(datasets::fields))
        .merge(of_document("/api/v2/documents/{id}"))
        .merge(of_document("/api/v2/datasets/{name}/documents/{id}"))
        .route("/api/v2/ingest", get(ingestion::progress))
        .route("/api/v2/ingest/events", get(ingestion::events))
}

/// What there is of a document, at one of its two addresses.
fn of_document(address: &str) -> Router<Arc<Parts>> {
    let below = |rest: &str| format!("{address}/{rest}");
    Router::new()
        .route(
            address,
            get(documents::one).patch(document_change::change).delete(documents::delete),
        )
        .route(&below("file"), get(file::download))
        .route(
            &below("chunks"),
            get(chunks::list).post(chunks::add).patch(chunks::switch).delete(chunks::delete_named),
        )
        .route(&below("chunks/{chunk}"), patch(chunks::change).delete(chunks::delete))
        .route(&below("cancel"), post(documents::cancel))
        .route(&below("retry"), post(documents::retry))
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&EmbeddedStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    on_store(app, work).await?.map_err(|error| Problem::internal(&error.into()))
}

/// The same for work whose failures mean something to the caller.
async fn on_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&EmbeddedStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<Result<T, StoreError>, Problem> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&store)).await;
    done.map_err(|error| Problem::internal(&error.into()))
}
