//! What is asked of a [`Retriever`](crate::Retriever), and what it answers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use llm_core::SyncRerankModel;
use rag_core::{Chunk, Dataset, DocumentId, Metadata, MetadataFilter, PhraseUse};
use serde::{Deserialize, Serialize};

use crate::{EmbedderFor, Explanation};

/// What to find, and where.
#[derive(Clone, Debug)]
pub struct RetrieveRequest {
    /// The question.
    pub question: String,
    /// Where to look. None finds nothing.
    pub datasets: Vec<Dataset>,
    /// Only these documents; `None` is no restriction, an empty list finds nothing.
    pub documents: Option<Vec<DocumentId>>,
    /// Only documents whose metadata pass; when none passes, nothing is found.
    pub metadata: Option<MetadataFilter>,
    /// The most passages.
    pub top: usize,
    /// The best passages to leave out, for paging: the order is the same for the same request as long as nothing is
    /// written.
    pub skip: usize,
    /// Hits of either side that are fused.
    pub candidates: usize,
    /// Weight of vectors, 0 to 1; `None` takes the one measured for the embedding model.
    pub vector_weight: Option<f32>,
    /// The least relevance, 0 to 1: of the rerank model's scores where it gave one, else of the fused ones.
    pub threshold: f32,
    /// A model that orders the best hits anew.
    pub rerank: Option<Reranker>,
    /// The models that embed the question; `None`: the retriever's.
    pub embedders: Option<Embedders>,
    /// How much a hit loses by saying what better ones say, 0 (nothing) to 1. Orders the best 64 hits.
    pub diversity: f32,
    /// Chunks before and after each passage that are given with it.
    pub neighbours: u32,
    /// Whether a part of a larger chunk comes as that chunk, once, at the place of its best part.
    pub parents: bool,
    /// Whether chunks must hold the phrases in quotation marks, or rank higher by them.
    pub phrases: PhraseUse,
    /// Whether to mark the words of each passage that match the question.
    pub highlight: bool,
}

impl Default for RetrieveRequest {
    fn default() -> Self {
        Self {
            question: String::new(),
            datasets: Vec::new(),
            documents: None,
            metadata: None,
            top: 8,
            skip: 0,
            candidates: 64,
            vector_weight: None,
            threshold: 0.0,
            rerank: None,
            embedders: None,
            diversity: 0.0,
            neighbours: 0,
            parents: true,
            phrases: PhraseUse::default(),
            highlight: false,
        }
    }
}

/// Models that embed questions on somebody's behalf.
#[derive(Clone)]
pub struct Embedders(pub EmbedderFor);

impl fmt::Debug for Embedders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedders")
    }
}

/// A model that orders hits anew.
#[derive(Clone)]
pub struct Reranker {
    /// The model.
    pub model: Arc<dyn SyncRerankModel>,
    /// The best hits that it is given. Those after them keep their places behind.
    pub hits: usize,
}

impl fmt::Debug for Reranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.info().name.to_string();
        f.debug_struct("Reranker").field("model", &model).field("hits", &self.hits).finish()
    }
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retrieval {
    /// Passages, best first.
    #[serde(rename = "passages")]
    pub chunks: Vec<RetrievedChunk>,
    /// Hits that reach the threshold among those looked at, on all pages: parts of one chunk count each.
    pub matching: usize,
    /// Chunks that the filter lets through.
    pub total: u64,
    /// What did not work, one line each.
    pub warnings: Vec<String>,
    /// Where the time went.
    pub timings: Timings,
}

/// A passage with its source and why it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetrievedChunk {
    /// The passage and its place.
    pub chunk: Chunk,
    /// Its document's name.
    pub document_name: String,
    /// Its document's title, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What else is known of its document.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, rag_core::MetadataValue>))]
    pub metadata: Metadata,
    /// The score that it has its place by: 0 to 1, and what boosts added.
    pub score: f32,
    /// What the score is made of.
    pub why: Explanation,
    /// Byte ranges of its text that match words of the question, in order; empty unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<rag_core::openapi::Span>))]
    pub highlights: Vec<Range<usize>>,
    /// The chunks before it, nearest last; none unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Chunk>,
    /// The chunks after it, nearest first; none unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Chunk>,
}

/// Where the time of a retrieval went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timings {
    /// Embedding the question.
    #[cfg_attr(feature = "openapi", schema(value_type = rag_core::openapi::Elapsed))]
    pub embed: Duration,
    /// Searching the indexes and fusing.
    #[cfg_attr(feature = "openapi", schema(value_type = rag_core::openapi::Elapsed))]
    pub search: Duration,
    /// Reading chunks and documents.
    #[cfg_attr(feature = "openapi", schema(value_type = rag_core::openapi::Elapsed))]
    pub load: Duration,
    /// Ordering anew.
    #[cfg_attr(feature = "openapi", schema(value_type = rag_core::openapi::Elapsed))]
    pub rerank: Duration,
}
