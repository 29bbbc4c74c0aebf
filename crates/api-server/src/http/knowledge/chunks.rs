//! Chunks of a document: read, and edited by its owner. An edit holds until the document is ingested again.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use rag_core::{Chunk, ChunkId, ChunkKind, Dataset, Document, Store, Tag};
use rag_ingest::IngestError;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::problem::Problem;
use super::documents::{Address, find, limit};
use super::with_store;
use crate::app::App;
use crate::chunk_text::{MOST_TEXT, MOST_WORDS, rewrite};
use crate::http::schemas::native;
use crate::http::schemas::refusals::{Conflict, Invalid, Missing};

/// Bytes of a keyword, a question or a tag.
const MOST_WORD: usize = 4 << 10;

/// Chunks that are named in one request.
const MOST_NAMED: usize = 1000;

/// A chunk's address: its document's, and its id.
#[derive(Deserialize)]
pub(crate) struct ChunkAddress {
    name: Option<String>,
    id: String,
    chunk: String,
}

impl ChunkAddress {
    fn split(self) -> (Address, String) {
        (Address { name: self.name, id: self.id }, self.chunk)
    }
}

/// Which chunks.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// The first one's number.
    from: u32,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// A document's chunks in order, and the number of the next one, if there is.
#[utoipa::path(
    get,
    path = "/api/v2/documents/{id}/chunks",
    params(Range),
    responses((status = 200, description = "What was asked for", body = native::Chunks), Invalid, Missing),
)]
pub(crate) async fn list(
    app: App,
    Path(asked): Path<Address>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(range) = range.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let limit = limit(range.limit)?;
    let (_, document) = find(&app, &asked).await?;
    let page = move |store: &dyn Store| store.chunk_page(&document.id, range.from, limit + 1);
    let mut chunks = with_store(&app, page).await?;
    let next = chunks.get(limit).map(|chunk| chunk.ordinal);
    chunks.truncate(limit);
    Ok(Json(json!({ "chunks": chunks, "next": next })))
}

/// What an owner says of a chunk; what is left out stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ChunkSaid, example = json!({ "text": "Water for green tea has 80 degrees." }))]
pub(crate) struct Said {
    #[schema(min_length = 1, pattern = r"\S")]
    text: Option<String>,
    #[schema(max_items = 256)]
    keywords: Option<Vec<String>>,
    #[schema(max_items = 256)]
    questions: Option<Vec<String>>,
    #[schema(max_items = 256)]
    tags: Option<Vec<Tag>>,
    enabled: Option<bool>,
}

impl Said {
    fn check(&self) -> Result<(), Problem> {
        let is_text = |text: &String| !text.trim().is_empty() && text.len() <= MOST_TEXT;
        if !self.text.as_ref().is_none_or(is_text) {
            return Err(Problem::invalid(format!("`text` has 1 to {MOST_TEXT} bytes")));
        }
        check_words("keywords", self.keywords.iter().flatten())?;
        check_words("questions", self.questions.iter().flatten())?;
        check_words("tags", self.tags.iter().flatten().map(|tag| &tag.name))?;
        let is_weight = |tag: &Tag| tag.weight.is_finite() && tag.weight > 0.0;
        match self.tags.iter().flatten().all(is_weight) {
            true => Ok(()),
            false => Err(Problem::invalid("`tags`: weights lie above 0")),
        }
    }

    fn applied_to(self, mut chunk: Chunk) -> Chunk {
        if let Some(text) = self.text {
            rewrite(&mut chunk, text);
        }
        chunk.keywords = self.keywords.unwrap_or(chunk.keywords);
        chunk.questions = self.questions.unwrap_or(chunk.questions);
        chunk.tags = self.tags.unwrap_or(chunk.tags);
        chunk.disabled = self.enabled.map_or(chunk.disabled, |enabled| !enabled);
        chunk
    }
}

fn check_words<'a>(
    field: &str,
    mut words: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), Problem> {
    let is_word = |word: &String| !word.trim().is_empty() && word.len() <= MOST_WORD;
    match words.clone().count() <= MOST_WORDS && words.all(is_word) {
        true => Ok(()),
        false => Err(Problem::invalid(format!(
            "`{field}` are {MOST_WORDS} at most, of 1 to {MOST_WORD} bytes each"
        ))),
    }
}

/// Adds a chunk after the last one.
#[utoipa::path(
    post,
    path = "/api/v2/documents/{id}/chunks",
    request_body = Said,
    responses((status = 201, description = "It was made", body = Chunk), Invalid, Missing),
)]
pub(crate) async fn add(
    app: App,
    Path(asked): Path<Address>,
    said: Result<Json<Said>, JsonRejection>,
) -> Result<(StatusCode, Json<Chunk>), Problem> {
    let Json(said) = said.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    said.check()?;
    if said.text.is_none() {
        return Err(Problem::invalid("`text` is missing"));
    }
    let (dataset, document) = find(&app, &asked).await?;
    let id = ChunkId::from_u128(Uuid::now_v7().as_u128());
    let chunk = Chunk::new(id.clone(), dataset.id.clone(), document.id.clone(), String::new());
    let chunk = said.applied_to(Chunk { kind: ChunkKind::Written, ..chunk });
    edit(&app, &dataset, &document, vec![chunk], Vec::new()).await?;
    Ok((StatusCode::CREATED, Json(read(&app, &document, &id).await?)))
}

/// Changes what is named of a chunk.
#[utoipa::path(
    patch,
    path = "/api/v2/documents/{id}/chunks/{chunk}",
    request_body = Said,
    responses((status = 200, description = "What was asked for", body = Chunk), Invalid, Missing, Conflict),
)]
pub(crate) async fn change(
    app: App,
    Path(asked): Path<ChunkAddress>,
    said: Result<Json<Said>, JsonRejection>,
) -> Result<Json<Chunk>, Problem> {
    let Json(said) = said.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    said.check()?;
    let (asked, chunk) = asked.split();
    let (dataset, document) = find(&app, &asked).await?;
    let id: ChunkId = chunk.parse().map_err(|_| missing(&chunk))?;
    let chunk = said.applied_to(read(&app, &document, &id).await?);
    edit(&app, &dataset, &document, vec![chunk], Vec::new()).await?;
    Ok(Json(read(&app, &document, &id).await?))
}

/// Chunks by their ids.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NamedChunks)]
pub(crate) struct Named {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
}

/// Chunks that are searched, or not.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SwitchedChunks)]
pub(crate) struct Switched {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
    enabled: bool,
}

/// How many were changed.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Changed {
    changed: usize,
}

/// How many were removed.
#[derive(ToSchema)]
#[allow(dead_code)]
struct DeletedChunks {
    deleted: usize,
}

/// Takes several chunks out of searches, or into them again.
#[utoipa::path(
    patch,
    path = "/api/v2/documents/{id}/chunks",
    request_body = Switched,
    responses((status = 200, description = "What was asked for", body = Changed), Invalid, Missing, Conflict),
)]
pub(crate) async fn switch(
    app: App,
    Path(asked): Path<Address>,
    switched: Result<Json<Switched>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(switched) = switched.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let (dataset, document) = find(&app, &asked).await?;
    let known = searched(&app, &document, &switched.ids).await?;
    let disabled = !switched.enabled;
    let put: Vec<Chunk> = known.into_iter().map(|chunk| Chunk { disabled, ..chunk }).collect();
    let changed = put.len();
    edit(&app, &dataset, &document, put, Vec::new()).await?;
    Ok(Json(json!({ "changed": changed })))
}

/// Removes a chunk.
#[utoipa::path(
    delete,
    path = "/api/v2/documents/{id}/chunks/{chunk}",
    responses((status = 204, description = "It was done"), Invalid, Missing, Conflict),
)]
pub(crate) async fn delete(
    app: App,
    Path(asked): Path<ChunkAddress>,
) -> Result<StatusCode, Problem> {
    let (asked, chunk) = asked.split();
    remove(&app, &asked, &[chunk]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes several.
#[utoipa::path(
    delete,
    path = "/api/v2/documents/{id}/chunks",
    request_body = Named,
    responses((status = 200, description = "What was asked for", body = DeletedChunks), Invalid, Missing, Conflict),
)]
pub(crate) async fn delete_named(
    app: App,
    Path(asked): Path<Address>,
    named: Result<Json<Named>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(named) = named.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let deleted = remove(&app, &asked, &named.ids).await?;
    Ok(Json(json!({ "deleted": deleted })))
}

async fn remove(app: &App, asked: &Address, ids: &[String]) -> Result<usize, Problem> {
    let (dataset, document) = find(app, asked).await?;
    let known = searched(app, &document, ids).await?;
    let doomed: Vec<ChunkId> = known.into_iter().map(|chunk| chunk.id).collect();
    let count = doomed.len();
    edit(app, &dataset, &document, Vec::new(), doomed).await?;
    Ok(count)
}

/// The chunks of these ids, all of which must be the document's and such as are searched.
async fn searched(app: &App, document: &Document, ids: &[String]) -> Result<Vec<Chunk>, Problem> {
    if ids.is_empty() || ids.len() > MOST_NAMED {
        return Err(Problem::invalid(format!("`ids` are 1 to {MOST_NAMED}")));
    }
    let parsed: Result<BTreeSet<ChunkId>, Problem> =
        ids.iter().map(|id| id.parse().map_err(|_| missing(id))).collect();
    let (wanted, owner) = (parsed?, document.id.clone());
    let asked: Vec<ChunkId> = wanted.iter().cloned().collect();
    let found = with_store(app, move |store| store.chunks(&asked)).await?;
    let own: Vec<Chunk> = found.into_iter().filter(|chunk| chunk.document == owner).collect();
    for id in &wanted {
        match own.iter().find(|chunk| chunk.id == *id) {
            None => return Err(missing(id.as_str())),
            Some(chunk) if !chunk.kind.is_searched() => {
                return Err(Problem::conflict("what is not searched itself cannot be edited"));
            }
            Some(_) => {}
        }
    }
    Ok(own)
}

async fn read(app: &App, document: &Document, id: &ChunkId) -> Result<Chunk, Problem> {
    let found = searched(app, document, &[id.as_str().to_owned()]).await?;
    found.into_iter().next().ok_or_else(|| missing(id.as_str()))
}

async fn edit(
    app: &App,
    dataset: &Dataset,
    document: &Document,
    put: Vec<Chunk>,
    remove: Vec<ChunkId>,
) -> Result<(), Problem> {
    let edited = app.pipeline.edit_chunks(dataset, &document.id, put, remove).await;
    match edited {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::not_found("the document was deleted meanwhile")),
        Err(error @ IngestError::Model(_)) => Err(Problem::busy(error.to_string())),
        Err(error) => Err(Problem::internal(&error.into())),
    }
}

fn missing(id: &str) -> Problem {
    let id: String = id.chars().take(80).collect();
    Problem::not_found(format!("the document has no chunk `{id}`"))
}
