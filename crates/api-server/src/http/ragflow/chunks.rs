//! Chunks of a document: listed, and edited by hand.

use std::collections::HashMap;

use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use rag_core::{Chunk, ChunkId, ChunkKind, Document, Tag};
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::RagflowCaller;
use super::chunk_shape::listed;
use super::document_shape;
use super::envelope::{Refusal, Reply, counted, data, done};
use super::fields::{Body, Fields, Meant};
use super::paging::{Page, Params};
use super::schemas::chunks::{
    self as schemas, Availability, ChunkChange, ChunkIds, ChunkQuery, Chunks, NewChunk,
};
use super::schemas::{Answer, Counted, Done, Keywords, Paging};
use super::{documents, with_store};
use crate::app::App;
use crate::chunk_text::{MOST_TEXT, MOST_WORDS, rewrite};

/// The chunks that are searched, and those taken out of it, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{dataset}/documents/{document}/chunks",
    params(Paging, Keywords, ChunkQuery),
    responses((status = 200, description = "What was asked for", body = Answer<Chunks>)),
)]
pub(super) async fn list(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document)): Path<(String, String)>,
    Query(params): Query<HashMap<String, String>>,
) -> Reply {
    let params = Params::new(params);
    let page = Page::read(&params)?;
    let (dataset, document) = documents::find_in(&app, &caller, &dataset, &document).await?;
    let mut chunks = all(&app, &document).await?;
    if let Some(id) = params.get("id") {
        chunks.retain(|chunk| chunk.id.as_str() == id);
        if chunks.is_empty() {
            return Err(missing(id));
        }
    }
    let words = params.get("keywords").map(str::to_lowercase);
    let available = params.flag("available");
    chunks.retain(|chunk| {
        words.as_ref().is_none_or(|words| chunk.text.to_lowercase().contains(words))
            && available.is_none_or(|available| available != chunk.disabled)
    });
    let total = chunks.len();
    let shown: Vec<Value> = page.of(chunks).iter().map(|it| listed(it, &document)).collect();
    let document = document_shape::shown(&document, &dataset);
    data(json!({ "total": total, "chunks": shown, "doc": document }))
}

/// One chunk.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{dataset}/documents/{document}/chunks/{chunk}",
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Chunk>)),
)]
pub(super) async fn one(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document, chunk)): Path<(String, String, String)>,
) -> Reply {
    let (_, document) = documents::find_in(&app, &caller, &dataset, &document).await?;
    data(listed(&find(&app, &document, &chunk).await?, &document))
}

/// Adds a chunk after the last one.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{dataset}/documents/{document}/chunks",
    request_body = ChunkChange,
    responses((status = 200, description = "What was asked for", body = Answer<NewChunk>)),
)]
pub(super) async fn add(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let (dataset, document) = documents::find_in(&app, &caller, &dataset, &document).await?;
    let id = ChunkId::from_u128(Uuid::now_v7().as_u128());
    let (kind, no_text) = (ChunkKind::Written, String::new());
    let chunk = Chunk::new(id, dataset.id.clone(), document.id.clone(), no_text);
    let chunk = changed(&mut fields, Chunk { kind, ..chunk });
    fields.finish()?;
    if chunk.text.trim().is_empty() {
        return Err(Refusal::data("`content` is required"));
    }
    let put = vec![chunk.clone()];
    app.pipeline.edit_chunks(&dataset, &document.id, put, Vec::new()).await?;
    data(json!({ "chunk": listed(&chunk, &document) }))
}

/// Changes what is named of a chunk.
#[utoipa::path(
    method(put, patch),
    path = "/api/v1/datasets/{dataset}/documents/{document}/chunks/{chunk}",
    request_body = ChunkChange,
    responses((status = 200, description = "What was asked for", body = Done)),
)]
pub(super) async fn update(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document, chunk)): Path<(String, String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let (dataset, document) = documents::find_in(&app, &caller, &dataset, &document).await?;
    let chunk = find(&app, &document, &chunk).await?;
    let chunk = changed(&mut fields, chunk);
    fields.finish()?;
    if chunk.text.trim().is_empty() {
        return Err(Refusal::data("`content` is required"));
    }
    app.pipeline.edit_chunks(&dataset, &document.id, vec![chunk], Vec::new()).await?;
    done()
}

/// Takes several chunks out of searches, or into them again.
#[utoipa::path(
    patch,
    path = "/api/v1/datasets/{dataset}/documents/{document}/chunks",
    request_body = Availability,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn update_availability(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let ids = fields.texts("chunk_ids").unwrap_or_default();
    let available = fields.flag("available").or_else(|| fields.flag("available_int"));
    fields.finish()?;
    let Some(available) = available.filter(|_| !ids.is_empty()) else {
        return Err(Refusal::data("`chunk_ids` and `available_int` or `available` are required."));
    };
    let (dataset, document) = documents::find_in(&app, &caller, &dataset, &document).await?;
    let (mut put, mut errors) = (Vec::new(), Vec::new());
    let chunks = all(&app, &document).await?;
    for id in ids {
        match chunks.iter().find(|chunk| chunk.id.as_str() == id) {
            Some(chunk) => put.push(Chunk { disabled: !available, ..chunk.clone() }),
            None => errors.push(missing(&id).message().to_owned()),
        }
    }
    let changed = put.len();
    if changed > 0 {
        app.pipeline.edit_chunks(&dataset, &document.id, put, Vec::new()).await?;
    }
    counted(changed, errors)
}

/// Removes chunks.
#[utoipa::path(
    delete,
    path = "/api/v1/datasets/{dataset}/documents/{document}/chunks",
    request_body = Option<ChunkIds>,
    responses((status = 200, description = "What was asked for", body = Done)),
)]
pub(super) async fn delete(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let meant = Meant::read(&mut fields, "chunk_ids")?;
    fields.finish()?;
    let (dataset, document) = documents::find_in(&app, &caller, &dataset, &document).await?;
    let mut doomed = all(&app, &document).await?;
    let mut wanted = doomed.len();
    if let Meant::Ids(ids) = meant {
        wanted = ids.len();
        doomed.retain(|chunk| ids.iter().any(|id| id == chunk.id.as_str()));
    }
    let removed: Vec<ChunkId> = doomed.into_iter().map(|chunk| chunk.id).collect();
    let count = removed.len();
    if count > 0 {
        app.pipeline.edit_chunks(&dataset, &document.id, Vec::new(), removed).await?;
    }
    if count < wanted {
        return Err(Refusal::data(format!("rm_chunk deleted chunks {count}, expect {wanted}")));
    }
    done()
}

/// A chunk as the request wants it.
fn changed(fields: &mut Fields, mut chunk: Chunk) -> Chunk {
    if let Some(text) = fields.verbatim("content") {
        match text.len() <= MOST_TEXT {
            true => rewrite(&mut chunk, text),
            false => {
                fields.wrong("content", &format!("it has {MOST_TEXT} bytes at most"), &json!(""));
            }
        }
    }
    let mut words = |name: &str| {
        let words = fields.texts(name)?;
        if words.len() > MOST_WORDS {
            fields.wrong(name, &format!("they are {MOST_WORDS} at most"), &json!(words.len()));
        }
        Some(words)
    };
    if let Some(keywords) = words("important_keywords") {
        chunk.keywords = keywords;
    }
    if let Some(questions) = words("questions") {
        chunk.questions = questions;
    }
    if let Some(tags) = words("tag_kwd") {
        chunk.tags = tags.into_iter().map(|name| Tag { name, weight: 1.0 }).collect();
    }
    if let Some(available) = fields.flag("available").or_else(|| fields.flag("available_int")) {
        chunk.disabled = !available;
    }
    chunk
}

/// All chunks that are searched or could be, in order.
async fn all(app: &App, document: &Document) -> Result<Vec<Chunk>, Refusal> {
    let id = document.id.clone();
    let chunks = with_store(app, move |store| {
        let mut chunks = store.document_chunks(&id, 0..u32::MAX)?;
        chunks.retain(|chunk| chunk.kind.is_searched());
        chunks.sort_by_key(|chunk| chunk.ordinal);
        Ok(chunks)
    });
    chunks.await
}

async fn find(app: &App, document: &Document, id: &str) -> Result<Chunk, Refusal> {
    let found = all(app, document).await?.into_iter().find(|chunk| chunk.id.as_str() == id);
    found.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Refusal {
    Refusal::data(format!("Chunk not found: {}", id.chars().take(128).collect::<String>()))
}
