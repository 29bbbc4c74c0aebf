//! `/api/v2/datasets`, `/api/v2/documents` and `/api/v2/ingest`: what is known, and how far ingestion is.

mod chunks;
mod dataset_change;
mod datasets;
mod document_change;
mod documents;
mod file;
mod ingestion;
mod uploads;

use rag_core::Store;
use rag_core::StoreError;
use utoipa_axum::routes;

use super::openapi::{Described, also_at, tagged};
use super::problem::Problem;
use crate::app::App;

pub(super) fn routes() -> Described {
    let datasets = Described::new()
        .routes(routes!(datasets::list, datasets::create))
        .routes(routes!(datasets::one, dataset_change::change, datasets::delete))
        .routes(routes!(datasets::fields));
    let documents = Described::new()
        .routes(routes!(documents::list, uploads::upload))
        .merge(of_document("/api/v2/documents/{id}"))
        .merge(of_document("/api/v2/datasets/{name}/documents/{id}"));
    let ingestion =
        Described::new().routes(routes!(ingestion::progress)).routes(routes!(ingestion::events));
    tagged("Datasets", datasets)
        .merge(tagged("Documents", documents))
        .merge(tagged("Ingestion", ingestion))
}

/// What there is of a document, at one of its two addresses.
fn of_document(address: &str) -> Described {
    let below = |rest: &str| format!("{address}{rest}");
    Described::new()
        .routes(also_at(
            address,
            routes!(documents::one, document_change::change, documents::delete),
        ))
        .routes(also_at(&below("/file"), routes!(file::download)))
        .routes(also_at(
            &below("/chunks"),
            routes!(chunks::list, chunks::add, chunks::switch, chunks::delete_named),
        ))
        .routes(also_at(&below("/chunks/{chunk}"), routes!(chunks::change, chunks::delete)))
        .routes(also_at(&below("/cancel"), routes!(documents::cancel)))
        .routes(also_at(&below("/retry"), routes!(documents::retry)))
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    on_store(app, work).await?.map_err(Problem::store)
}

/// The same for work whose failures mean something to the caller.
async fn on_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<Result<T, StoreError>, Problem> {
    let store = app.store.clone();
    let done = app.callers.run(move || work(&*store)).await;
    done.map_err(|error| Problem::internal(&error.into()))
}
