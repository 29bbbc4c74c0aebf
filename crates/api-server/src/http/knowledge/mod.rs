//! `/api/v2/datasets`, `/api/v2/documents` and `/api/v2/ingest`: what is known, and how far ingestion is.

mod datasets;
mod documents;
mod ingestion;
mod uploads;

use rag_core::StoreError;
use rag_store::EmbeddedStore;
use utoipa_axum::routes;

use super::openapi::{Described, tagged};
use super::problem::Problem;
use crate::app::App;

pub(super) fn routes() -> Described {
    let datasets = Described::new()
        .routes(routes!(datasets::list, datasets::create))
        .routes(routes!(datasets::one, datasets::change, datasets::delete))
        .routes(routes!(datasets::fields));
    let documents = Described::new()
        .routes(routes!(documents::list, uploads::upload))
        .routes(routes!(documents::one, documents::change, documents::delete))
        .routes(routes!(documents::chunks))
        .routes(routes!(documents::cancel))
        .routes(routes!(documents::retry));
    let ingestion =
        Described::new().routes(routes!(ingestion::progress)).routes(routes!(ingestion::events));
    tagged("Datasets", datasets)
        .merge(tagged("Documents", documents))
        .merge(tagged("Ingestion", ingestion))
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&EmbeddedStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&store)).await;
    let done = done.map_err(|error| Problem::internal(&error.into()))?;
    done.map_err(Problem::store)
}
