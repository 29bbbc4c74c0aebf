//! `POST /api/v1/retrieval`: chunks of several datasets for a question.

use axum::http::HeaderMap;
use dialog_service::Dialog;
use rag_core::{Dataset, DocumentId};
use rag_retrieve::{Retrieval, RetrieveRequest, RetrievedChunk};
use serde_json::{Value, json};

use super::caller::RagflowCaller;
use super::chunk_shape::{by_document, found};
use super::envelope::{Refusal, Reply, data};
use super::fields::{Body, Fields};
use super::schemas::Answer;
use super::schemas::chunks::{self as schemas, RetrievalRequest};
use super::{asking, datasets, metadata_condition, model_names, with_store};
use crate::app::App;
use crate::bundle::embedders;
use crate::search::reranker;

/// Pages end here.
const MOST_CHUNKS: usize = 1_024;
/// Datasets that are searched at once.
const MOST_DATASETS: usize = 64;
/// The longest question, in bytes.
const MOST_QUESTION: usize = 64 << 10;

/// What is asked for besides what retrieval itself takes.
struct Asked {
    request: RetrieveRequest,
    keywords: bool,
    languages: Vec<String>,
}

/// Finds chunks.
#[utoipa::path(
    post,
    path = "/api/v1/retrieval",
    request_body = RetrievalRequest,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Retrieval>)),
)]
pub(super) async fn retrieve(
    app: App,
    caller: RagflowCaller,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let Some(asked) = read(&app, &caller, &mut fields).await? else {
        return data(json!({ "total": 0, "chunks": [], "doc_aggs": [] }));
    };
    let highlight = asked.request.highlight;
    let (texts, mut warnings) = texts(&app, &asked).await?;
    let mut all = Vec::new();
    for question in texts {
        let request = RetrieveRequest { question, ..asked.request.clone() };
        let found = app.library.retrieve(request).await;
        all.push(found.map_err(|error| Refusal::internal(&error.into()))?);
    }
    let Retrieval { chunks, matching, warnings: more, .. } = merged(all, asked.request.top);
    warnings.extend(more);
    let aggregates =
        chunks.iter().map(|it| (it.document_name.as_str(), it.chunk.document.as_str()));
    let aggregates = by_document(aggregates);
    let chunks: Vec<Value> = chunks.iter().map(|it| shown(it, highlight)).collect();
    let mut answer = json!({ "total": matching, "chunks": chunks, "doc_aggs": aggregates });
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    data(answer)
}

/// The request; `None` when there is no question.
async fn read(
    app: &App,
    caller: &RagflowCaller,
    fields: &mut Fields,
) -> Result<Option<Asked>, Refusal> {
    let question = fields.text("question", 0..=MOST_QUESTION);
    let ids = fields.texts("dataset_ids").or_else(|| fields.texts("kb_id"));
    let documents = fields.texts("document_ids").or_else(|| fields.texts("doc_ids"));
    let size = fields
        .whole("page_size", 1..=MOST_CHUNKS as i64)
        .or_else(|| fields.whole("size", 1..=MOST_CHUNKS as i64));
    let (page, size) =
        (fields.whole("page", 1..=MOST_CHUNKS as i64).unwrap_or(1), size.unwrap_or(30));
    let candidates = fields.whole("top_k", 1..=i64::MAX).unwrap_or(1024);
    let threshold = fields.number("similarity_threshold", 0.0..=1.0).unwrap_or(0.2);
    let weight = fields.number("vector_similarity_weight", 0.0..=1.0).unwrap_or(0.3);
    let rerank = fields.text("rerank_id", 0..=255).filter(|name| !name.is_empty());
    let condition = fields.any("metadata_condition");
    let keywords = fields.flag("keyword").unwrap_or(false);
    let languages = fields.texts("cross_languages").unwrap_or_default();
    let highlight = fields.flag("highlight").unwrap_or(false);
    std::mem::take(fields).finish()?;

    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Err(Refusal::data("`dataset_ids` is required."));
    };
    if ids.len() > MOST_DATASETS {
        return Err(Refusal::data(format!("`dataset_ids` are {MOST_DATASETS} at most")));
    }
    if languages.len() > Dialog::MOST_LANGUAGES {
        let most = Dialog::MOST_LANGUAGES;
        return Err(Refusal::data(format!("`cross_languages` are {most} at most")));
    }
    let mut own = Vec::new();
    for id in &ids {
        own.push(datasets::find(app, caller, id).await.map_err(|_| not_owned(id))?);
    }
    let documents = match documents.filter(|ids| !ids.is_empty()) {
        Some(ids) => Some(documents_of(app, &own, ids).await?),
        None => None,
    };
    let metadata = condition.map(|condition| metadata_condition::read(&condition)).transpose()?;
    let rerank = rerank.map(|name| reranker(&app.bundle, &own, &model_names::ours(&name)));
    let rerank = rerank.transpose()?;
    let Some(question) = question.filter(|question| !question.is_empty()) else {
        return Ok(None);
    };
    let (skip, top) = ((page - 1) as usize * size as usize, size as usize);
    if skip + top > MOST_CHUNKS {
        return Err(Refusal::data(format!("pages end at chunk {MOST_CHUNKS}")));
    }
    let candidates = usize::try_from(candidates).unwrap_or(MOST_CHUNKS);
    let request = RetrieveRequest {
        question,
        datasets: own,
        documents,
        metadata: metadata.flatten(),
        top,
        skip,
        candidates: candidates.clamp(skip + top, MOST_CHUNKS.max(skip + top)),
        vector_weight: Some(weight as f32),
        threshold: threshold as f32,
        rerank,
        embedders: Some(embedders(app.bundle.clone().with_all_models())),
        highlight,
        ..RetrieveRequest::default()
    };
    Ok(Some(Asked { request, keywords, languages }))
}

fn not_owned(id: &str) -> Refusal {
    Refusal::data(format!(
        "You don't own the dataset {}.",
        id.chars().take(128).collect::<String>()
    ))
}

/// The documents of these ids, which must be of the datasets.
async fn documents_of(
    app: &App,
    datasets: &[Dataset],
    ids: Vec<String>,
) -> Result<Vec<DocumentId>, Refusal> {
    let own: Vec<_> = datasets.iter().map(|dataset| dataset.id.clone()).collect();
    let found = with_store(app, move |store| {
        let mut documents = Vec::new();
        for asked in ids {
            let document = match asked.parse::<DocumentId>() {
                Ok(id) => store.document(&id)?,
                Err(_) => None,
            };
            match document.filter(|document| own.contains(&document.dataset)) {
                Some(document) => documents.push(document.id),
                None => return Ok(Err(asked)),
            }
        }
        Ok(Ok(documents))
    });
    found.await?.map_err(|id| {
        let id: String = id.chars().take(128).collect();
        Refusal::data(format!("The datasets don't own the document {id}"))
    })
}

/// What is searched for: the question with keywords and translations that the default chat model gives.
async fn texts(app: &App, asked: &Asked) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let question = asked.request.question.clone();
    if !asked.keywords && asked.languages.is_empty() {
        return Ok((vec![question], Vec::new()));
    }
    let dialog = Dialog {
        datasets: asked.request.datasets.clone(),
        rewrite: false,
        keywords: asked.keywords,
        languages: asked.languages.clone(),
        ..Dialog::default()
    };
    let turn = asking::aside(app, dialog, question).await?;
    let does_as_told = turn.model.info().capabilities.instructions != Some(false);
    let (texts, mut warnings) = app.dialogs.searched_texts(turn).await;
    if !does_as_told {
        let warning =
            "searched without keywords and translations: the default chat model only quotes";
        warnings.push(warning.to_owned());
    }
    Ok((texts, warnings))
}

/// What several searches found, as one: every chunk once, with its best score.
fn merged(found: Vec<Retrieval>, top: usize) -> Retrieval {
    let mut all = found.into_iter();
    let mut whole = all.next().unwrap_or_default();
    for Retrieval { chunks, matching, warnings, .. } in all {
        whole.matching = whole.matching.max(matching);
        whole.warnings.extend(warnings);
        for chunk in chunks {
            match whole.chunks.iter_mut().find(|known| known.chunk.id == chunk.chunk.id) {
                Some(known) if known.score < chunk.score => *known = chunk,
                Some(_) => {}
                None => whole.chunks.push(chunk),
            }
        }
    }
    whole.chunks.sort_by(|a, b| b.score.total_cmp(&a.score));
    whole.chunks.truncate(top);
    whole.matching = whole.matching.max(whole.chunks.len());
    whole
}

fn shown(it: &RetrievedChunk, highlight: bool) -> Value {
    let mut shown = found(&it.chunk, &it.document_name, it.score, &it.why);
    if !it.metadata.is_empty() {
        shown["document_metadata"] = json!(it.metadata);
    }
    if highlight {
        shown["highlight"] = json!(highlighted(it));
    }
    shown
}

/// The text with the words that match in `<em>`.
fn highlighted(it: &RetrievedChunk) -> String {
    let (text, mut marked, mut at) = (&it.chunk.text, String::new(), 0);
    for range in &it.highlights {
        let (Some(before), Some(word)) = (text.get(at..range.start), text.get(range.clone()))
        else {
            continue;
        };
        marked.push_str(before);
        marked.push_str("<em>");
        marked.push_str(word);
        marked.push_str("</em>");
        at = range.end;
    }
    marked.push_str(text.get(at..).unwrap_or_default());
    marked
}
