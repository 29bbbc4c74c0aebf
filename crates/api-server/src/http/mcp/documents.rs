//! `list_datasets` and `read_document`: what there is.

use std::fmt::Write;

use llm_core::Operation;
use rag_core::{Chunk, Dataset, DatasetId, DatasetTotals, Document, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Failure, Reply};
use crate::app::App;

/// Passages of one page.
const MOST: u32 = 100;

/// Nothing is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which part of which document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    dataset: String,
    document: String,
    offset: Option<u32>,
    limit: Option<u32>,
}

/// The caller's datasets, with how much they hold.
///
/// # Errors
/// The store's.
pub(super) async fn list(app: &App, _: Nothing) -> Result<Reply, Failure> {
    let all = all_datasets(app).await?;
    let listed = with_store(app, move |store| {
        let with_totals = |dataset: Dataset| Ok((store.dataset_totals(&dataset.id)?, dataset));
        all.into_iter().map(with_totals).collect::<Result<Vec<_>, _>>()
    });
    let mut text = String::new();
    let mut datasets = Vec::new();
    for (DatasetTotals { documents, chunks, .. }, dataset) in listed.await? {
        let description = &dataset.settings.description;
        // Writing to memory does not fail.
        let _ = writeln!(text, "{}: {documents} documents. {description}", dataset.name);
        datasets.push(json!({
            "name": dataset.name, "description": description,
            "documents": documents, "passages": chunks,
        }));
    }
    if datasets.is_empty() {
        text = "There are no datasets.".into();
    }
    Ok(Reply { text, data: json!({ "datasets": datasets }) })
}

/// Passages of a document in order.
///
/// # Errors
/// There is no such document of the caller's; the store's.
pub(super) async fn read(app: &App, asked: Asked) -> Result<Reply, Failure> {
    let (offset, limit) = (asked.offset.unwrap_or(0), asked.limit.unwrap_or(20));
    if !(1..=MOST).contains(&limit) {
        return Err(Failure::new(format!("`limit` lies between 1 and {MOST}")));
    }
    if !app.may_search(&asked.dataset) {
        return Err(missing(&asked));
    }
    let (tenant, dataset, document) = (app.tenant(), asked.dataset.clone(), asked.document.clone());
    let found = with_store(app, move |store| {
        let Some(dataset) = store.dataset(&tenant, &dataset)? else { return Ok(None) };
        let Some(document) = document_of(store, &dataset.id, &document)? else { return Ok(None) };
        let range = offset..offset.saturating_add(limit);
        let passages = store.document_chunks(&document.id, range)?;
        Ok(Some((document, passages)))
    });
    let (document, passages) = found.await?.ok_or_else(|| missing(&asked))?;
    let end = offset.saturating_add(passages.len() as u32);
    let next = Some(end).filter(|end| *end < document.chunks && !passages.is_empty());
    Ok(Reply {
        text: text(&document, &passages, next),
        data: json!({
            "document": document.id, "document_name": document.name, "title": document.title,
            "metadata": document.metadata, "total": document.chunks, "next_offset": next,
            "passages": passages.iter().map(shown).collect::<Vec<Value>>(),
        }),
    })
}

/// The document of this dataset by its id or, where none has it, by its name.
fn document_of(
    store: &dyn Store,
    dataset: &DatasetId,
    wanted: &str,
) -> Result<Option<Document>, StoreError> {
    if let Ok(id) = wanted.parse() {
        let document = store.document(&id)?.filter(|document| document.dataset == *dataset);
        if document.is_some() {
            return Ok(document);
        }
    }
    store.document_by_name(dataset, wanted)
}

fn shown(passage: &Chunk) -> Value {
    json!({
        "passage": passage.ordinal, "kind": passage.kind, "page": passage.page(),
        "headings": passage.headings, "text": passage.text,
    })
}

fn text(document: &Document, passages: &[Chunk], next: Option<u32>) -> String {
    let mut text = format!("{} ({} passages)\n\n", document.name, document.chunks);
    for passage in passages {
        let _ = write!(text, "{}\n\n", passage.contextual_text());
    }
    if let Some(next) = next {
        let _ = write!(text, "(It goes on with `offset` {next}.)");
    }
    text
}

fn missing(asked: &Asked) -> Failure {
    let shown = |text: &str| text.chars().take(80).collect::<String>();
    let (document, dataset) = (shown(&asked.document), shown(&asked.dataset));
    Failure::new(format!("there is no document `{document}` in a dataset `{dataset}`"))
}

/// All datasets that the caller may search.
///
/// # Errors
/// The store's.
pub(super) async fn all_datasets(app: &App) -> Result<Vec<Dataset>, Failure> {
    let tenant = app.tenant();
    let mut datasets = with_store(app, move |store| store.datasets(&tenant)).await?;
    datasets.retain(|dataset| app.may_search(&dataset.name));
    Ok(datasets)
}

/// The name of the dataset with this id.
pub(super) fn name_of<'a>(id: &DatasetId, datasets: &'a [Dataset]) -> Option<&'a str> {
    datasets.iter().find(|dataset| dataset.id == *id).map(|dataset| dataset.name.as_str())
}

/// Runs work of the store on a thread of the callers.
async fn with_store<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let store = app.store.clone();
    let done = app.on_thread(Operation::Raw, move || work(&*store)).await?;
    done.map_err(|error| Failure::internal(&error))
}
