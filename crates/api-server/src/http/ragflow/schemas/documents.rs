//! Documents.

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::datasets::{ChunkMethodName, ParserConfig};
use crate::http::schemas::FileBytes;

/// Files to take in.
#[derive(ToSchema)]
#[schema(as = RagflowFiles)]
pub(in super::super) struct Files {
    /// Each part of this name is a file.
    #[schema(min_items = 1, max_items = 256)]
    file: Vec<FileBytes>,
}

/// Which documents.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct DocumentQuery {
    /// `UNSTART`, `RUNNING`, `CANCEL`, `DONE`, `FAIL` or their numbers, with commas.
    run: Option<String>,
    /// Endings of names, with commas.
    suffix: Option<String>,
    /// `pdf`, `visual`, `aural`, `doc`, `other`, with commas.
    types: Option<String>,
    /// Milliseconds since the epoch.
    create_time_from: Option<i64>,
    /// Milliseconds since the epoch.
    create_time_to: Option<i64>,
    /// A filter over metadata, as JSON text.
    _metadata_condition: Option<String>,
}

/// What of a document is to be another.
#[derive(ToSchema)]
#[schema(as = RagflowDocumentChange, example = json!({ "meta_fields": { "year": 2026 } }))]
pub(in super::super) struct DocumentChange {
    /// With the ending that it has.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(inline)]
    chunk_method: Option<ChunkMethodName>,
    parser_config: Option<ParserConfig>,
    /// Texts, numbers, yes or no, lists of texts.
    #[schema(value_type = Option<Object>)]
    meta_fields: Option<Value>,
    enabled: Option<Enabled>,
}

/// Whether it is searched.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RagflowEnabled)]
enum Enabled {
    Flag(bool),
    Number(u8),
    Word(#[schema(inline)] ZeroOrOne),
}

#[derive(ToSchema)]
enum ZeroOrOne {
    #[serde(rename = "0")]
    Zero,
    #[serde(rename = "1")]
    One,
}

/// Which documents are searched, or not.
#[derive(ToSchema)]
#[schema(as = RagflowDocumentStatusChange)]
pub(in super::super) struct StatusChange {
    doc_ids: Vec<String>,
    status: Enabled,
}

/// Documents of a dataset.
#[derive(ToSchema)]
#[schema(as = RagflowDocumentIds)]
pub(in super::super) struct DocumentIds {
    #[schema(min_items = 1)]
    document_ids: Vec<String>,
}

/// A page of documents.
#[derive(ToSchema)]
#[schema(as = RagflowDocuments)]
pub(in super::super) struct Documents {
    total: u64,
    total_datasets: u64,
    docs: Vec<Document>,
}

/// A document.
#[derive(ToSchema)]
#[schema(as = RagflowDocument)]
pub(in super::super) struct Document {
    id: String,
    dataset_id: String,
    name: String,
    location: String,
    r#type: String,
    suffix: String,
    source_type: String,
    created_by: String,
    size: u64,
    chunk_method: String,
    #[schema(value_type = Object)]
    parser_config: Value,
    chunk_count: u64,
    token_count: u64,
    #[schema(inline)]
    run: Run,
    /// A share; -1 for a failure.
    progress: f64,
    progress_msg: String,
    status: String,
    thumbnail: String,
    #[schema(value_type = Object)]
    meta_fields: Value,
    create_time: i64,
    create_date: String,
    update_time: i64,
    update_date: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
enum Run {
    Unstart,
    Running,
    Done,
    Fail,
    Cancel,
}
