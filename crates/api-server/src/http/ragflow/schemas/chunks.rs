//! Chunks, and searching for them.

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::MetadataConditions;
use super::documents::Document;

/// Which chunks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct ChunkQuery {
    /// Only the one of this id; it is an error when there is none.
    id: Option<String>,
    /// Only those that are searched, or are not.
    available: Option<bool>,
}

/// A chunk that is to be, or what of one is to be another.
#[derive(ToSchema)]
#[schema(as = RagflowChunkChange, example = json!({ "content": "Water for green tea has 80 degrees." }))]
pub(in super::super) struct ChunkChange {
    content: Option<String>,
    #[schema(max_items = 256)]
    important_keywords: Option<Vec<String>>,
    #[schema(max_items = 256)]
    questions: Option<Vec<String>>,
    #[schema(max_items = 256)]
    tag_kwd: Option<Vec<String>>,
    /// Whether it is searched.
    available: Option<bool>,
}

/// Which chunks are searched, or not.
#[derive(ToSchema)]
#[schema(as = RagflowAvailability)]
pub(in super::super) struct Availability {
    #[schema(min_items = 1)]
    chunk_ids: Vec<String>,
    available: bool,
}

/// Which chunks are meant: those of these ids, or all.
#[derive(ToSchema)]
#[schema(as = RagflowChunkIds, example = json!({ "chunk_ids": ["0198f0c2a1b97c5e8a6f4d2b1c3e5f70"] }))]
pub(in super::super) struct ChunkIds {
    chunk_ids: Option<Vec<String>>,
    /// Whether all are meant.
    delete_all: Option<bool>,
}

/// A page of chunks.
#[derive(ToSchema)]
#[schema(as = RagflowChunks)]
pub(in super::super) struct Chunks {
    total: u64,
    chunks: Vec<Chunk>,
    doc: Document,
}

/// A chunk that was added.
#[derive(ToSchema)]
#[schema(as = RagflowNewChunk)]
pub(in super::super) struct NewChunk {
    chunk: Chunk,
}

/// A chunk.
#[derive(ToSchema)]
#[schema(as = RagflowChunk)]
pub(in super::super) struct Chunk {
    id: String,
    content: String,
    document_id: String,
    document_name: String,
    docnm_kwd: String,
    dataset_id: String,
    important_keywords: Vec<String>,
    questions: Vec<String>,
    tag_kwd: Vec<String>,
    image_id: String,
    doc_type_kwd: String,
    available: bool,
    /// Page, left, right, top, bottom of each box.
    positions: Vec<Vec<f64>>,
    create_time: String,
    create_timestamp: f64,
}

/// What to look for, and how.
#[derive(ToSchema)]
#[schema(as = RagflowRetrievalRequest, example = json!({
    "question": "How hot is water for green tea?",
    "dataset_ids": ["0198f0c2a1b97c5e8a6f4d2b1c3e5f70"]
}))]
pub(in super::super) struct RetrievalRequest {
    question: Option<String>,
    #[schema(min_items = 1, max_items = 64)]
    dataset_ids: Vec<String>,
    document_ids: Option<Vec<String>>,
    #[schema(minimum = 1, maximum = 1024)]
    page: Option<u32>,
    #[schema(minimum = 1, maximum = 1024)]
    page_size: Option<u32>,
    /// Candidates that are looked at.
    #[schema(minimum = 1)]
    top_k: Option<u32>,
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    vector_similarity_weight: Option<f64>,
    /// A rerank model, `model@provider`.
    #[schema(max_length = 255)]
    rerank_id: Option<String>,
    metadata_condition: Option<MetadataConditions>,
    /// Whether to search for keywords that the default chat model names.
    keyword: Option<bool>,
    cross_languages: Option<Vec<String>>,
    highlight: Option<bool>,
}

/// What was found.
#[derive(ToSchema)]
#[schema(as = RagflowRetrieval)]
pub(in super::super) struct Retrieval {
    total: u64,
    chunks: Vec<FoundChunk>,
    doc_aggs: Vec<DocumentCount>,
    /// What did not work, one line each.
    warnings: Option<Vec<String>>,
}

/// A chunk that was found.
#[derive(ToSchema)]
#[schema(as = RagflowFoundChunk)]
pub(super) struct FoundChunk {
    id: String,
    content: String,
    content_ltks: String,
    document_id: String,
    document_name: String,
    document_keyword: String,
    dataset_id: String,
    kb_id: String,
    important_keywords: Vec<String>,
    questions: Vec<String>,
    tag_kwd: Vec<String>,
    image_id: String,
    doc_type: String,
    positions: Vec<Vec<f64>>,
    similarity: f64,
    vector_similarity: f64,
    term_similarity: f64,
    /// The text with the words that match in `<em>`.
    highlight: Option<String>,
    #[schema(value_type = Option<Object>)]
    document_metadata: Option<Value>,
}

/// How many chunks are of a document.
#[derive(ToSchema)]
#[schema(as = RagflowDocumentCount)]
pub(super) struct DocumentCount {
    doc_name: String,
    doc_id: String,
    count: u64,
}
