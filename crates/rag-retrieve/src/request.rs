//! What is asked of a [`Retriever`](crate::Retriever), and what it answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::SyncRerankModel;
use rag_core::{Chunk, Dataset, DocumentId};

/// What to find, and where.
#[derive(Clone, Debug)]
pub struct RetrieveRequest {
    /// The question.
    pub question: String,
    /// Where to look. None finds nothing.
    pub datasets: Vec<Dataset>,
    /// Only these documents; `None` is no restriction, an empty list finds nothing.
    pub documents: Option<Vec<DocumentId>>,
    /// The most passages.
    pub top: usize,
    /// The best passages to leave out, for paging: the order is the same for the same request as long as nothing is
    /// written.
    pub skip: usize,
    /// Hits of either side that are fused.
    pub candidates: usize,
    /// Weight of vectors, 0 to 1; `None` takes the one measured for the embedding model.
    pub vector_weight: Option<f32>,
    /// The least score, 0 to 1.
    pub threshold: f32,
    /// A model that orders the best hits anew.
    pub rerank: Option<Reranker>,
}

impl Default for RetrieveRequest {
    fn default() -> Self {
        Self {
            question: String::new(),
            datasets: Vec::new(),
            documents: None,
            top: 8,
            skip: 0,
            candidates: 64,
            vector_weight: None,
            threshold: 0.0,
            rerank: None,
        }
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
#[derive(Clone, Debug, Default)]
pub struct Retrieval {
    /// Passages, best first.
    pub chunks: Vec<RetrievedChunk>,
    /// Hits that reach the threshold, on all pages; at most twice the candidates for each embedding model.
    pub matching: usize,
    /// Chunks that the filter lets through.
    pub total: u64,
    /// What did not work, one line each.
    pub warnings: Vec<String>,
    /// Where the time went.
    pub timings: Timings,
}

/// A passage with its source and why it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrievedChunk {
    /// The passage and its place.
    pub chunk: Chunk,
    /// Its document's name.
    pub document_name: String,
    /// Its document's title, where it has one.
    pub title: Option<String>,
    /// The final score, 0 to 1: the rerank model's where one was asked, else `fused_score`.
    pub score: f32,
    /// BM25; `None` when full text did not find it.
    pub text_score: Option<f32>,
    /// Cosine; `None` when the vectors did not find it.
    pub vector_score: Option<f32>,
    /// How much of the question's words it covers: BM25 as a part of what no chunk exceeds, 0 to 1.
    pub coverage: f32,
    /// Coverage and cosine, weighted: 0 to 1.
    pub fused_score: f32,
    /// The rerank model's score, 0 to 1; `None` when none was asked, or not for this hit.
    pub rerank_score: Option<f32>,
}

/// Where the time of a retrieval went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Embedding the question.
    pub embed: Duration,
    /// Searching the indexes and fusing.
    pub search: Duration,
    /// Reading chunks and documents.
    pub load: Duration,
    /// Ordering anew.
    pub rerank: Duration,
}
