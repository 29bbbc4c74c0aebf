//! Documents: listed, changed, downloaded, deleted.

use std::collections::HashMap;

use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rag_core::{
    Dataset, Document, DocumentChange, DocumentId, DocumentSource, Metadata, MetadataFilter,
};
use rag_parse::ParseLimits;
use serde_json::{Value, json};

use super::caller::RagflowCaller;
use super::document_shape::{ending, kind, run, shown};
use super::envelope::{Refusal, Reply, counted, data};
use super::fields::{Body, Fields, Meant};
use super::names::split;
use super::paging::{Page, Params, Timed, order};
use super::schemas::documents::{self as schemas, DocumentQuery, StatusChange};
use super::schemas::{Answer, Counted, Keywords, Meant as MeantDocuments, Named, Paging};
use super::{datasets, metadata_condition, parser_config, uploads, with_store};
use crate::app::App;
use crate::http::schemas::FileBytes;
use crate::http::schemas::refusals::RagflowRefusal;

/// The documents of a dataset, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{dataset}/documents",
    params(Paging, Named, Keywords, DocumentQuery),
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Documents>)),
)]
pub(super) async fn list(
    app: App,
    caller: RagflowCaller,
    Path(dataset): Path<String>,
    Query(params): Query<HashMap<String, String>>,
) -> Reply {
    let params = Params::new(params);
    let page = Page::read(&params)?;
    let dataset = datasets::find(&app, &caller, &dataset).await?;
    let condition = match params.get("metadata_condition") {
        Some(text) => {
            let value = serde_json::from_str(text)
                .map_err(|_| Refusal::argument("metadata_condition must be valid JSON."))?;
            metadata_condition::read(&value)?
        }
        None => None,
    };
    let id = dataset.id.clone();
    let mut all = with_store(&app, move |store| store.documents(&id)).await?;
    if let Some(id) = params.get("id").filter(|id| !has(&all, |it| it.id.as_str() == *id)) {
        return Err(missing(&dataset, id));
    }
    if let Some(name) = params.get("name").filter(|name| !has(&all, |it| it.name == *name)) {
        return Err(missing(&dataset, name));
    }
    keep_asked(&mut all, &params, condition.as_ref())?;
    order(&mut all, &params)?;
    let total = all.len();
    let docs: Vec<Value> = page.of(all).iter().map(|it| shown(it, &dataset)).collect();
    data(json!({ "total": total, "total_datasets": total, "docs": docs }))
}

fn has(all: &[Document], is_it: impl Fn(&Document) -> bool) -> bool {
    all.iter().any(is_it)
}

fn keep_asked(
    all: &mut Vec<Document>,
    params: &Params,
    condition: Option<&MetadataFilter>,
) -> Result<(), Refusal> {
    let (id, name) = (params.get("id"), params.get("name"));
    let keywords = params.get("keywords").map(str::to_lowercase);
    let (runs, suffixes, types) = (params.list("run"), params.list("suffix"), params.list("types"));
    let time = |name| params.number(name).filter(|time| *time > 0);
    let (from, to) = (time("create_time_from"), time("create_time_to"));
    let prepared = condition.map(MetadataFilter::prepare).transpose();
    let prepared = prepared.map_err(|error| Refusal::argument(error.to_string()))?;
    all.retain(|it| {
        id.is_none_or(|id| it.id.as_str() == id)
            && name.is_none_or(|name| it.name == name)
            && keywords.as_ref().is_none_or(|words| it.name.to_lowercase().contains(words))
            && is_among(&runs, &[run(&it.status), number_of_run(it)])
            && is_among(&suffixes, &[&ending(it)])
            && is_among(&types, &[kind(&ending(it))])
            && from.is_none_or(|from| it.created_at() >= from)
            && to.is_none_or(|to| it.created_at() <= to)
            && prepared.as_ref().is_none_or(|filter| filter.matches(&it.metadata))
    });
    Ok(())
}

fn is_among(wanted: &[&str], names: &[&str]) -> bool {
    wanted.is_empty() || names.iter().any(|name| wanted.contains(name))
}

/// Older clients name states by numbers.
fn number_of_run(document: &Document) -> &'static str {
    match run(&document.status) {
        "UNSTART" => "0",
        "RUNNING" => "1",
        "CANCEL" => "2",
        "DONE" => "3",
        _ => "4",
    }
}

/// Changes name, cutting, metadata or whether it is searched.
#[utoipa::path(
    method(put, patch),
    path = "/api/v1/datasets/{dataset}/documents/{document}",
    request_body = schemas::DocumentChange,
    responses((status = 200, description = "What was asked for", body = Answer<schemas::Document>)),
)]
pub(super) async fn update(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let (dataset, document) = find_in(&app, &caller, &dataset, &document).await?;
    let name = fields.text("name", 1..=255).filter(|name| *name != document.name);
    if let Some(name) = &name {
        uploads::check_name(name)?;
        if split(name).1.to_lowercase() != split(&document.name).1.to_lowercase() {
            return Err(Refusal::argument("The extension of file can't be changed"));
        }
    }
    let own = document.chunking.clone();
    let mut chunking = own.clone().unwrap_or_else(|| dataset.settings.chunking.clone());
    let before = chunking.clone();
    parser_config::method(&mut fields, &mut chunking);
    // What models add is a matter of the dataset.
    let mut ignored = dataset.settings.enrichment.clone();
    parser_config::read(&mut fields, &mut chunking, &mut ignored);
    let metadata = fields.any("meta_fields").map(metadata).transpose()?;
    let disabled = enabled(&mut fields).map(|enabled| !enabled);
    fields.finish()?;
    let change =
        DocumentChange { name, chunking: (chunking != before).then_some(Some(chunking)), disabled };
    let id = document.id.clone();
    let changed = with_store(&app, move |store| {
        store.change_document(&id, &change)?;
        if let Some(metadata) = metadata {
            store.set_metadata(&id, &metadata)?;
        }
        store.document(&id)
    });
    let changed = changed.await?.ok_or_else(|| missing(&dataset, document.id.as_str()))?;
    data(shown(&changed, &dataset))
}

/// Whether it is to be searched: a flag, or 0 and 1 as a text.
fn enabled(fields: &mut Fields) -> Option<bool> {
    let value = fields.any("enabled").or_else(|| fields.any("status"))?;
    match &value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_u64().map(|number| number == 1),
        Value::String(text) if text == "1" || text == "0" => Some(text == "1"),
        other => {
            fields.wrong("enabled", "Input should be 0 or 1", other);
            None
        }
    }
}

/// What is known of a document besides its text: texts, numbers, yes or no, lists of texts.
pub(super) fn metadata(value: Value) -> Result<Metadata, Refusal> {
    let Value::Object(_) = &value else {
        return Err(Refusal::argument("meta_fields must be a dictionary"));
    };
    serde_json::from_value(value)
        .map_err(|error| Refusal::argument(format!("Error setting meta_fields: {error}")))
}

/// Searches several documents, or leaves them out.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{dataset}/documents/batch-update-status",
    request_body = StatusChange,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn update_status(
    app: App,
    caller: RagflowCaller,
    Path(dataset): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let ids = fields.texts("doc_ids").or_else(|| fields.texts("document_ids"));
    let disabled = enabled(&mut fields).map(|enabled| !enabled);
    fields.finish()?;
    let (Some(ids), Some(_)) = (ids, disabled) else {
        return Err(Refusal::argument("required argument are missing: doc_ids,status; "));
    };
    let dataset = datasets::find(&app, &caller, &dataset).await?;
    let (documents, errors) = find_all(&app, &dataset, ids).await?;
    let changed = documents.len();
    with_store(&app, move |store| {
        let change = DocumentChange { disabled, ..DocumentChange::default() };
        documents.iter().try_for_each(|it| store.change_document(&it.id, &change).map(drop))
    })
    .await?;
    counted(changed, errors)
}

/// Deletes documents with all that was made of them.
#[utoipa::path(
    delete,
    path = "/api/v1/datasets/{dataset}/documents",
    request_body = Option<MeantDocuments>,
    responses((status = 200, description = "What was asked for", body = Answer<Counted>)),
)]
pub(super) async fn delete(
    app: App,
    caller: RagflowCaller,
    Path(dataset): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Reply {
    let mut fields = Fields::read(&app, &headers, body).await?;
    let meant = Meant::read(&mut fields, "ids")?;
    fields.finish()?;
    let dataset = datasets::find(&app, &caller, &dataset).await?;
    let (documents, errors) = match meant {
        Meant::Ids(ids) => find_all(&app, &dataset, ids).await?,
        Meant::All => {
            let id = dataset.id.clone();
            (with_store(&app, move |store| store.documents(&id)).await?, Vec::new())
        }
    };
    for document in &documents {
        let id = document.id.clone();
        with_store(&app, move |store| store.delete_document(&id)).await?;
        uploads::forget(&app, document).await;
    }
    counted(documents.len(), errors)
}

/// The bytes of a document's file.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{dataset}/documents/{document}",
    responses((status = 200, description = "The file; or why there is none", content((FileBytes = "application/octet-stream"), (RagflowRefusal = "application/json")))),
)]
pub(super) async fn download_in(
    app: App,
    caller: RagflowCaller,
    Path((dataset, document)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (_, document) = find_in(&app, &caller, &dataset, &document).await?;
    file_of(&document).await
}

/// The same of a document of any dataset.
#[utoipa::path(
    get,
    path = "/api/v1/documents/{document}",
    responses((status = 200, description = "The file; or why there is none", content((FileBytes = "application/octet-stream"), (RagflowRefusal = "application/json")))),
)]
pub(super) async fn download(
    app: App,
    caller: RagflowCaller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let refused = || Refusal::data(format!("Document {id} not found."));
    let (tenant, wanted) = (caller.tenant, id.parse::<DocumentId>().map_err(|_| refused())?);
    let found = with_store(&app, move |store| {
        let Some(document) = store.document(&wanted)? else { return Ok(None) };
        let own = store.dataset_by_id(&tenant, &document.dataset)?;
        Ok(Some(document).filter(|_| own.is_some()))
    });
    file_of(&found.await?.ok_or_else(refused)?).await
}

async fn file_of(document: &Document) -> Result<Response, Refusal> {
    let Some(DocumentSource::File { path }) = &document.source else {
        return Err(Refusal::data("This file is empty."));
    };
    let gone = |error: std::io::Error| {
        tracing::warn!(%error, "a document's file cannot be read");
        Refusal::data("its file is not there any more")
    };
    // What is not larger than parsing takes is read in one piece.
    let most = ParseLimits::default().file_bytes();
    if tokio::fs::metadata(path).await.map_err(gone)?.len() > most {
        return Err(Refusal::data(format!("its file has more than {} MiB", most >> 20)));
    }
    let bytes = tokio::fs::read(path).await.map_err(gone)?;
    let mut response = bytes.into_response();
    let name: String = document
        .name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ' { c } else { '_' })
        .collect();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    // Whatever it is: a browser is not to show it as a page of ours.
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The dataset, and the document of that id in it.
pub(super) async fn find_in(
    app: &App,
    caller: &RagflowCaller,
    dataset: &str,
    document: &str,
) -> Result<(Dataset, Document), Refusal> {
    let dataset = datasets::find(app, caller, dataset).await?;
    let (mut found, _) = find_all(app, &dataset, vec![document.to_owned()]).await?;
    let found = found.pop().ok_or_else(|| missing(&dataset, document))?;
    Ok((dataset, found))
}

/// The documents of these ids, and what is wrong with the others.
pub(super) async fn find_all(
    app: &App,
    dataset: &Dataset,
    ids: Vec<String>,
) -> Result<(Vec<Document>, Vec<String>), Refusal> {
    let (id, mut unique, mut errors) = (dataset.id.clone(), Vec::new(), Vec::new());
    for wanted in ids {
        match unique.contains(&wanted) {
            true => errors.push(format!("Duplicate document ids: {wanted}")),
            false => unique.push(wanted),
        }
    }
    let found = with_store(app, move |store| {
        let mut found = Vec::new();
        for wanted in unique {
            let document = match wanted.parse::<DocumentId>() {
                Ok(wanted) => store.document(&wanted)?,
                Err(_) => None,
            };
            found.push((wanted, document.filter(|document| document.dataset == id)));
        }
        Ok(found)
    });
    let mut documents = Vec::new();
    let mut unknown = Vec::new();
    for (wanted, document) in found.await? {
        match document {
            Some(document) => documents.push(document),
            None => unknown.push(format!("'{}'", wanted.chars().take(128).collect::<String>())),
        }
    }
    if !unknown.is_empty() {
        errors.push(format!("Documents not found: [{}]", unknown.join(", ")));
    }
    Ok((documents, errors))
}

fn missing(dataset: &Dataset, asked: &str) -> Refusal {
    let asked: String = asked.chars().take(128).collect();
    Refusal::data(format!("The dataset {} doesn't own the document {asked}.", dataset.id))
}
