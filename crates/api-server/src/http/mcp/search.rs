//! `search`: passages, with where they stand.

use std::fmt::Write;

use rag_core::{Dataset, MetadataFilter};
use rag_retrieve::RetrievedChunk;
use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::{all_datasets, name_of};
use super::reply::{Failure, Reply};
use crate::app::App;
use crate::search::{SearchSpec, written_filter};

/// Passages of one search.
const MOST: usize = 50;

/// What to look for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    query: String,
    datasets: Option<Vec<String>>,
    top: Option<usize>,
    #[serde(default, deserialize_with = "written_filter")]
    filter: Option<MetadataFilter>,
}

/// Searches.
///
/// # Errors
/// What is wrong with the arguments; the store's.
pub(super) async fn search(app: &App, asked: Asked) -> Result<Reply, Failure> {
    let top = asked.top.unwrap_or(8);
    if !(1..=MOST).contains(&top) {
        return Err(Failure::new(format!("`top` lies between 1 and {MOST}")));
    }
    let all = all_datasets(app).await?;
    let names = || all.iter().map(|dataset| dataset.name.clone()).collect();
    let spec = SearchSpec {
        query: asked.query,
        datasets: asked.datasets.unwrap_or_else(names),
        filter: asked.filter,
        top,
        ..SearchSpec::default()
    };
    let found = crate::search::search(app, &app.bundle, spec).await?;
    let passages: Vec<Value> = found.chunks.iter().map(|it| shown(it, &all)).collect();
    let data = json!({ "passages": passages, "total": found.total, "warnings": found.warnings });
    Ok(Reply { text: text(&found.chunks), data })
}

fn shown(found: &RetrievedChunk, datasets: &[Dataset]) -> Value {
    json!({
        "dataset": name_of(&found.chunk.dataset, datasets),
        "document": found.chunk.document,
        "document_name": found.document_name,
        "title": found.title,
        "passage": found.chunk.ordinal,
        "page": found.chunk.page(),
        "headings": found.chunk.headings,
        "text": found.chunk.text,
        "score": found.score,
        "metadata": found.metadata,
    })
}

fn text(found: &[RetrievedChunk]) -> String {
    if found.is_empty() {
        return "Nothing was found.".into();
    }
    let mut text = String::new();
    for (number, it) in found.iter().enumerate() {
        let place = it.chunk.location(&it.document_name);
        // Writing to memory does not fail.
        let _ = write!(text, "[{}] {place}\n{}\n\n", number + 1, it.chunk.contextual_text());
    }
    text
}
