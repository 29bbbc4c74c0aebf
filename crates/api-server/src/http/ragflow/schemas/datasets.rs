//! Datasets.

use serde_json::Value;
use utoipa::ToSchema;

use crate::http::schemas::refusals::RagflowRefusal;

/// A dataset that is to be.
#[derive(ToSchema)]
#[schema(as = RagflowNewDataset, example = json!({ "name": "handbooks" }))]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewDataset {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// `model@provider`; left out: the default one.
    #[schema(min_length = 1, max_length = 255)]
    embedding_model: Option<String>,
    #[schema(max_length = 65535)]
    description: Option<String>,
    #[schema(max_length = 65535)]
    avatar: Option<String>,
    #[schema(min_length = 1, max_length = 32)]
    language: Option<String>,
    #[schema(inline)]
    permission: Option<Permission>,
    #[schema(maximum = 100)]
    pagerank: Option<u8>,
    #[schema(inline)]
    chunk_method: Option<ChunkMethodName>,
    parser_config: Option<ParserConfig>,
}

/// What of a dataset is to be another.
#[derive(ToSchema)]
#[schema(as = RagflowDatasetChange, example = json!({ "description": "What everybody reads first" }))]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DatasetChange {
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// Only the one that it has: `api-server reembed` moves it to another.
    #[schema(min_length = 1, max_length = 255)]
    embedding_model: Option<String>,
    #[schema(max_length = 65535)]
    description: Option<String>,
    #[schema(max_length = 65535)]
    avatar: Option<String>,
    #[schema(min_length = 1, max_length = 32)]
    language: Option<String>,
    #[schema(inline)]
    permission: Option<Permission>,
    #[schema(maximum = 100)]
    pagerank: Option<u8>,
    #[schema(inline)]
    chunk_method: Option<ChunkMethodName>,
    parser_config: Option<ParserConfig>,
}

/// There are no teams.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Permission {
    Me,
}

/// How documents are cut.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum ChunkMethodName {
    Naive,
    Book,
    Email,
    Laws,
    Manual,
    One,
    Paper,
    Picture,
    Presentation,
    Qa,
    Table,
    Tag,
    General,
}

/// How documents are cut and enriched. `html4excel`, `layout_recognize` and the like are kept, and change nothing.
#[derive(ToSchema)]
#[schema(as = RagflowParserConfig)]
pub(super) struct ParserConfig {
    #[schema(minimum = 1, maximum = 2048)]
    chunk_token_num: Option<u32>,
    /// What stands in backticks always ends a chunk; each other character is a delimiter by itself.
    delimiter: Option<String>,
    #[schema(minimum = 0, maximum = 90)]
    overlapped_percent: Option<f64>,
    #[schema(maximum = 2048)]
    table_context_size: Option<u32>,
    #[schema(maximum = 32)]
    auto_keywords: Option<u8>,
    #[schema(maximum = 10)]
    auto_questions: Option<u8>,
    tag_kb_ids: Option<Vec<String>>,
    #[schema(minimum = 1, maximum = 10)]
    topn_tags: Option<u8>,
    toc_extraction: Option<bool>,
    /// `use_raptor`, `max_token`, `max_cluster`, `clustering_threshold`.
    #[schema(value_type = Option<Object>)]
    raptor: Option<Value>,
    /// `use_graphrag`, `entity_types`.
    #[schema(value_type = Option<Object>)]
    graphrag: Option<Value>,
    /// `use_parent_child`, `children_delimiter`.
    #[schema(value_type = Option<Object>)]
    parent_child: Option<Value>,
    /// Ranges of pages, from 1.
    pages: Option<Vec<Vec<u32>>>,
}

/// A dataset.
#[derive(ToSchema)]
#[schema(as = RagflowDataset)]
pub(in super::super) struct Dataset {
    id: String,
    name: String,
    tenant_id: String,
    created_by: String,
    avatar: String,
    description: String,
    language: String,
    embedding_model: String,
    permission: String,
    chunk_method: String,
    #[schema(value_type = Object)]
    parser_config: Value,
    pagerank: u32,
    document_count: u64,
    chunk_count: u64,
    token_num: u64,
    similarity_threshold: f64,
    vector_similarity_weight: f64,
    status: String,
    /// Milliseconds since the epoch.
    create_time: i64,
    /// As RFC 1123 writes it.
    create_date: String,
    update_time: i64,
    update_date: String,
}

/// A page of datasets; or why there is none.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = RagflowDatasetsAnswer)]
pub(in super::super) enum Datasets {
    Data(DatasetPage),
    Refusal(RagflowRefusal),
}

/// A page of datasets.
#[derive(ToSchema)]
#[schema(as = RagflowDatasets)]
pub(in super::super) struct DatasetPage {
    #[schema(minimum = 0, maximum = 0)]
    code: u16,
    message: String,
    data: Vec<Dataset>,
    total_datasets: u64,
}
