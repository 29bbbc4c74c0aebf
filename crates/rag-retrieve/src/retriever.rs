//! [`Retriever`]: from a question to passages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::{EmbeddingRequest, ModelError, SyncEmbeddingModel};
use rag_core::{
    Chunk, ChunkFilter, ChunkIndex, Dataset, DatasetId, Document, DocumentId, EmbeddingIdentity,
    MetadataStore, SearchQuery,
};

use crate::likeness::coverage;
use crate::{FusedHit, RetrieveError, default_vector_weight, fuse};

/// Gives the embedding model of an identity.
pub type EmbedderFor = Arc<
    dyn Fn(&EmbeddingIdentity) -> Result<Arc<dyn SyncEmbeddingModel>, ModelError> + Send + Sync,
>;

/// Finds passages for questions. Synchronous: a call takes milliseconds of CPU, and waits for the embedding model.
#[derive(Clone)]
pub struct Retriever {
    store: Arc<dyn MetadataStore>,
    index: Arc<dyn ChunkIndex>,
    embedder: EmbedderFor,
}

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
    /// Hits of either side that are fused.
    pub candidates: usize,
    /// Weight of vectors, 0 to 1; `None` takes the one measured for the embedding model.
    pub vector_weight: Option<f32>,
    /// The least score, 0 to 1.
    pub threshold: f32,
}

impl Default for RetrieveRequest {
    fn default() -> Self {
        Self {
            question: String::new(),
            datasets: Vec::new(),
            documents: None,
            top: 8,
            candidates: 64,
            vector_weight: None,
            threshold: 0.0,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Retrieval {
    /// Passages, best first.
    pub chunks: Vec<RetrievedChunk>,
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
    /// The final score, 0 to 1: its rank among the hits, scaled by how well the best hit fits the question at all.
    pub score: f32,
    /// BM25; `None` when full text did not find it.
    pub text_score: Option<f32>,
    /// Cosine; `None` when the vectors did not find it.
    pub vector_score: Option<f32>,
}

/// Where the time of a retrieval went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Embedding the question.
    pub embed: Duration,
    /// Searching the indexes.
    pub search: Duration,
    /// Fusing, and reading chunks and documents.
    pub load: Duration,
}

/// Datasets whose vectors can be searched with one query.
struct Group {
    embedding: EmbeddingIdentity,
    datasets: Vec<DatasetId>,
}

impl Retriever {
    /// A retriever over this store and its index.
    pub fn new(
        store: Arc<dyn MetadataStore>,
        index: Arc<dyn ChunkIndex>,
        embedder: EmbedderFor,
    ) -> Self {
        Self { store, index, embedder }
    }

    /// The best passages for a question. Full text and vectors are searched independently; when the question cannot be
    /// embedded, full text alone answers, with a warning.
    ///
    /// # Errors
    /// The store's or the index's own.
    pub fn retrieve(&self, request: &RetrieveRequest) -> Result<Retrieval, RetrieveError> {
        let mut retrieval = Retrieval::default();
        if request.question.trim().is_empty() || request.datasets.is_empty() || request.top == 0 {
            return Ok(retrieval);
        }
        let mut hits = Vec::new();
        for group in groups(&request.datasets) {
            hits.extend(self.search(request, &group, &mut retrieval)?);
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
        hits.truncate(request.candidates.max(request.top));

        let began = Instant::now();
        retrieval.chunks = self.load(request, hits)?;
        retrieval.timings.load = began.elapsed();
        Ok(retrieval)
    }

    /// Searches the datasets of one embedding, and fuses what either side found.
    fn search(
        &self,
        request: &RetrieveRequest,
        group: &Group,
        retrieval: &mut Retrieval,
    ) -> Result<Vec<FusedHit>, RetrieveError> {
        let began = Instant::now();
        let weight =
            request.vector_weight.unwrap_or_else(|| default_vector_weight(&group.embedding.model));
        let vector = match self.embed(request, group).transpose() {
            Ok(vector) => vector.filter(|_| weight > 0.0),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "question not embedded");
                let model = &group.embedding.model;
                retrieval.warnings.push(format!("only full text was searched: {model} failed"));
                None
            }
        };
        retrieval.timings.embed += began.elapsed();

        let began = Instant::now();
        let filter =
            ChunkFilter { datasets: group.datasets.clone(), documents: request.documents.clone() };
        retrieval.total += self.index.count(&filter)?;
        let query = SearchQuery {
            text: Some(request.question.clone()),
            vector,
            filter,
            limit: request.candidates.max(request.top),
        };
        let found = self.index.search(&query)?;
        retrieval.timings.search += began.elapsed();
        Ok(fuse(&found, weight))
    }

    /// The question's vector; `None` when vectors have no weight.
    fn embed(
        &self,
        request: &RetrieveRequest,
        group: &Group,
    ) -> Option<Result<Vec<f32>, ModelError>> {
        if request.vector_weight.is_some_and(|weight| weight <= 0.0) {
            return None;
        }
        let embed = || {
            let model = (self.embedder)(&group.embedding)?;
            let mut query = EmbeddingRequest::query(request.question.clone());
            query.dimensions = None;
            let response = model.embed(&query)?;
            Ok(response.vectors.into_iter().next().unwrap_or_default())
        };
        Some(embed())
    }

    /// Reads the chunks of the hits, drops those under the threshold, and names their documents.
    fn load(
        &self,
        request: &RetrieveRequest,
        hits: Vec<FusedHit>,
    ) -> Result<Vec<RetrievedChunk>, RetrieveError> {
        let hits: Vec<FusedHit> = hits.into_iter().take(request.top).collect();
        let ids: Vec<_> = hits.iter().map(|hit| hit.chunk.clone()).collect();
        let chunks: HashMap<_, Chunk> =
            self.store.chunks(&ids)?.into_iter().map(|chunk| (chunk.id.clone(), chunk)).collect();
        let found: Vec<(FusedHit, Chunk)> = hits
            .into_iter()
            .filter_map(|hit| chunks.get(&hit.chunk).cloned().map(|chunk| (hit, chunk)))
            .collect();
        let fitness = fitness(&request.question, &found);
        let mut documents: HashMap<DocumentId, Option<Document>> = HashMap::new();
        let mut retrieved = Vec::new();
        for (hit, chunk) in found {
            let score = hit.score * fitness;
            if score < request.threshold {
                continue;
            }
            if !documents.contains_key(&chunk.document) {
                let document = self.store.document(&chunk.document)?;
                documents.insert(chunk.document.clone(), document);
            }
            let Some(Some(document)) = documents.get(&chunk.document) else { continue };
            retrieved.push(RetrievedChunk {
                document_name: document.name.clone(),
                title: document.title.clone(),
                score,
                text_score: hit.text,
                vector_score: hit.vector,
                chunk,
            });
        }
        Ok(retrieved)
    }
}

/// How well the best of the hits fits the question: the larger of its share of the question's words and its cosine.
fn fitness(question: &str, found: &[(FusedHit, Chunk)]) -> f32 {
    let texts: Vec<String> = found.iter().map(|(_, chunk)| chunk.contextual_text()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let covered = coverage(question, &texts).into_iter();
    let cosines = found.iter().map(|(hit, _)| hit.vector.unwrap_or(0.0));
    covered.chain(cosines).fold(0.0, f32::max).clamp(0.0, 1.0)
}

fn groups(datasets: &[Dataset]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for dataset in datasets {
        match groups.iter_mut().find(|group| group.embedding == dataset.embedding) {
            Some(group) => group.datasets.push(dataset.id.clone()),
            None => groups.push(Group {
                embedding: dataset.embedding.clone(),
                datasets: vec![dataset.id.clone()],
            }),
        }
    }
    groups
}
