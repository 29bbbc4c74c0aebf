//! `/api/v2/datasets`, `/api/v2/documents` and `/api/v2/ingest`: what is known, and how far ingestion is.

mod datasets;
mod documents;
mod ingestion;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
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
            get(datasets::one).patch(datasets::change).delete(datasets::delete),
        )
        .route("/api/v2/datasets/{name}/documents", get(documents::list).post(uploads::upload))
        .route("/api/v2/datasets/{name}/fields", get(datasets::fields))
        .route(
            "/api/v2/documents/{id}",
            get(documents::one).patch(documents::change).delete(documents::delete),
        )
        .route("/api/v2/documents/{id}/chunks", get(documents::chunks))
        .route("/api/v2/documents/{id}/cancel", post(documents::cancel))
        .route("/api/v2/documents/{id}/retry", post(documents::retry))
        .route("/api/v2/ingest", get(ingestion::progress))
        .route("/api/v2/ingest/events", get(ingestion::events))
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&EmbeddedStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&store)).await;
    let done = done.map_err(|error| Problem::internal(&error.into()))?;
    done.map_err(|error| Problem::internal(&error.into()))
}
