//! Asking for the ingestion of documents, and taking that back.

use axum::extract::Path;
use axum::http::HeaderMap;
use bytes::Bytes;
use rag_core::{Dataset, Document, DocumentStatus};

use super::caller::RagflowCaller;
use super::envelope::{Refusal, Reply, counted};
use super::fields::{Body, Fields};
use super::schemas::documents::DocumentIds;
use super::schemas::{Answer, Counted};
use super::{datasets, documents};
use crate::app::App;

/// Queues documents. What can be found of them stays so until they are ingested.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{dataset}/documents/parse",
    request_body = DocumentIds,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn parse(
    app: App,
    caller: RagflowCaller,
    Path(dataset): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let (_, named, mut errors) = named(&app, &caller, &dataset, &headers, body).await?;
    let mut queued = 0;
    for document in named {
        match app.pipeline.ingest_again(&document.id).await? {
            true => queued += 1,
            false => {
                let name = &document.name;
                errors.push(format!(
                    "Can't parse document that is currently being processed: {name}"
                ));
            }
        }
    }
    counted(queued, errors)
}

/// Takes back the ingestion of documents.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{dataset}/documents/stop",
    request_body = DocumentIds,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn stop(
    app: App,
    caller: RagflowCaller,
    Path(dataset): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let (_, named, mut errors) = named(&app, &caller, &dataset, &headers, body).await?;
    let mut stopped = 0;
    for document in named {
        let is_over = matches!(document.status, DocumentStatus::Ready | DocumentStatus::Kept);
        match !is_over && app.pipeline.cancel(&document.id).await? {
            true => stopped += 1,
            false => errors.push("Can't stop parsing document with progress at 0 or 1".to_owned()),
        }
    }
    counted(stopped, errors)
}

/// Takes back the ingestion of documents: the older address.
#[utoipa::path(
    delete,
    path = "/api/v1/datasets/{dataset}/chunks",
    request_body = DocumentIds,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn stop_older(
    app: App,
    caller: RagflowCaller,
    dataset: Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    stop(app, caller, dataset, headers, Body(body)).await
}

async fn named(
    app: &App,
    caller: &RagflowCaller,
    dataset: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(Dataset, Vec<Document>, Vec<String>), Refusal> {
    let mut fields = Fields::read(app, headers, body).await?;
    let ids = fields.texts("document_ids").or_else(|| fields.texts("doc_ids"));
    fields.finish()?;
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Err(Refusal::data("`document_ids` is required"));
    };
    let dataset = datasets::find(app, caller, dataset).await?;
    let (documents, errors) = documents::find_all(app, &dataset, ids).await?;
    Ok((dataset, documents, errors))
}
