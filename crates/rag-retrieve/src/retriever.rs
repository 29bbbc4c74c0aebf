//! [`Retriever`]: from a question to passages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::{EmbeddingRequest, ErrorKind, ModelError, Operation, SyncEmbeddingModel};
use rag_core::{
    ChunkFilter, ChunkIndex, Dataset, DatasetId, Document, DocumentId, EmbeddingIdentity,
    MetadataStore, SearchQuery,
};

use crate::rerank::rerank;
use crate::{FusedHit, Retrieval, RetrieveError, RetrieveRequest, RetrievedChunk};
use crate::{default_vector_weight, fuse};

/// Gives the embedding model of an identity.
pub type EmbedderFor = Arc<
    dyn Fn(&EmbeddingIdentity) -> Result<Arc<dyn SyncEmbeddingModel>, ModelError> + Send + Sync,
>;

/// Finds passages for questions. Synchronous: a call takes milliseconds of CPU, and waits for the models.
#[derive(Clone)]
pub struct Retriever {
    store: Arc<dyn MetadataStore>,
    index: Arc<dyn ChunkIndex>,
    embedder: EmbedderFor,
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

    /// The best passages for a question. Full text and vectors are searched independently, and neither gates the
    /// other. A model that fails does not fail the retrieval: without the question's vector full text alone answers,
    /// without the rerank model the fused order stays, each with a warning.
    ///
    /// # Errors
    /// The store's or the index's own.
    pub fn retrieve(&self, request: &RetrieveRequest) -> Result<Retrieval, RetrieveError> {
        let mut retrieval = Retrieval::default();
        if request.question.trim().is_empty() || request.datasets.is_empty() {
            return Ok(retrieval);
        }
        let mut hits = Vec::new();
        for group in groups(&request.datasets) {
            hits.extend(self.search(request, &group, &mut retrieval)?);
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
        match &request.rerank {
            None => self.page(request, hits, &mut retrieval)?,
            Some(reranker) => {
                let split = hits.len().min(reranker.hits);
                let rest = hits.split_off(split);
                let best = timed(|| self.load(hits), &mut retrieval.timings.load)?;
                let best = rerank(&request.question, reranker, best, &mut retrieval);
                self.reranked_page(request, best, rest, &mut retrieval)?;
            }
        }
        Ok(retrieval)
    }

    /// Searches the datasets of one embedding, and fuses what either side found.
    fn search(
        &self,
        request: &RetrieveRequest,
        group: &Group,
        retrieval: &mut Retrieval,
    ) -> Result<Vec<FusedHit>, RetrieveError> {
        let weight = request
            .vector_weight
            .unwrap_or_else(|| default_vector_weight(&group.embedding.model, &request.question));
        let vector = match weight > 0.0 {
            true => self.embed(&request.question, &group.embedding, retrieval),
            false => None,
        };
        let began = Instant::now();
        let filter = ChunkFilter {
            datasets: group.datasets.clone(),
            documents: request.documents.clone(),
            ..ChunkFilter::default()
        };
        retrieval.total += self.index.count(&filter)?;
        let query = SearchQuery {
            text: Some(request.question.clone()),
            vector,
            filter,
            limit: request.candidates.max(request.skip.saturating_add(request.top)),
        };
        let fused = fuse(&self.index.search(&query)?, weight);
        retrieval.timings.search += began.elapsed();
        Ok(fused)
    }

    /// The question's vector; `None`, with a warning, when the model fails.
    fn embed(
        &self,
        question: &str,
        identity: &EmbeddingIdentity,
        retrieval: &mut Retrieval,
    ) -> Option<Vec<f32>> {
        let began = Instant::now();
        let embedded = (self.embedder)(identity).and_then(|model| {
            let mut query = EmbeddingRequest::query(question);
            query.dimensions = shortened(identity, &*model);
            let response = model.embed(&query)?;
            let vector = response.vectors.into_iter().next().unwrap_or_default();
            check_length(vector, identity)
        });
        retrieval.timings.embed += began.elapsed();
        embedded
            .inspect_err(|error| {
                tracing::warn!(error = error as &dyn std::error::Error, "question not embedded");
                let warning = format!("only full text was searched: {} failed", identity.model);
                retrieval.warnings.push(warning);
            })
            .ok()
    }

    /// Takes the page out of the hits.
    fn page(
        &self,
        request: &RetrieveRequest,
        mut hits: Vec<FusedHit>,
        retrieval: &mut Retrieval,
    ) -> Result<(), RetrieveError> {
        hits.retain(|hit| hit.score >= request.threshold);
        retrieval.matching = hits.len();
        let page = hits.into_iter().skip(request.skip).take(request.top).collect();
        retrieval.chunks = timed(|| self.load(page), &mut retrieval.timings.load)?;
        Ok(())
    }

    /// Takes the page out of the reranked hits and the others behind them.
    fn reranked_page(
        &self,
        request: &RetrieveRequest,
        mut best: Vec<RetrievedChunk>,
        mut rest: Vec<FusedHit>,
        retrieval: &mut Retrieval,
    ) -> Result<(), RetrieveError> {
        best.retain(|chunk| chunk.score >= request.threshold);
        rest.retain(|hit| hit.score >= request.threshold);
        retrieval.matching = best.len() + rest.len();
        let missing = request.skip.saturating_add(request.top).saturating_sub(best.len());
        let skipped = request.skip.saturating_sub(best.len());
        let more = rest.into_iter().skip(skipped).take(missing.min(request.top)).collect();
        let more = timed(|| self.load(more), &mut retrieval.timings.load)?;
        retrieval.chunks =
            best.into_iter().skip(request.skip).take(request.top).chain(more).collect();
        Ok(())
    }

    /// Reads the chunks of the hits and names their documents. Those deleted since the search are left out.
    fn load(&self, hits: Vec<FusedHit>) -> Result<Vec<RetrievedChunk>, RetrieveError> {
        let ids: Vec<_> = hits.iter().map(|hit| hit.chunk.clone()).collect();
        let chunks = self.store.chunks(&ids)?;
        let mut documents: HashMap<DocumentId, Document> = HashMap::new();
        for chunk in &chunks {
            if !documents.contains_key(&chunk.document) {
                let document = self.store.document(&chunk.document)?;
                documents.extend(document.map(|document| (document.id.clone(), document)));
            }
        }
        let mut chunks: HashMap<_, _> =
            chunks.into_iter().map(|chunk| (chunk.id.clone(), chunk)).collect();
        let retrieved = hits.into_iter().filter_map(|hit| {
            let chunk = chunks.remove(&hit.chunk)?;
            let document = documents.get(&chunk.document)?;
            Some(RetrievedChunk {
                chunk,
                document_name: document.name.clone(),
                title: document.title.clone(),
                score: hit.score,
                text_score: hit.text,
                vector_score: hit.vector,
                coverage: hit.coverage,
                fused_score: hit.score,
                rerank_score: None,
            })
        });
        Ok(retrieved.collect())
    }
}

/// The length to ask for, when the dataset's vectors are shorter than the model's own.
fn shortened(identity: &EmbeddingIdentity, model: &dyn SyncEmbeddingModel) -> Option<u32> {
    let own = model.info().limits.dimensions?;
    (own != identity.dimensions).then_some(identity.dimensions)
}

fn check_length(vector: Vec<f32>, identity: &EmbeddingIdentity) -> Result<Vec<f32>, ModelError> {
    if vector.len() == identity.dimensions as usize {
        return Ok(vector);
    }
    let message = format!(
        "the vector has {} numbers, the dataset's have {}",
        vector.len(),
        identity.dimensions
    );
    Err(ModelError::new(ErrorKind::Malformed, Operation::Embed, message))
}

fn timed<T>(work: impl FnOnce() -> T, time: &mut Duration) -> T {
    let began = Instant::now();
    let done = work();
    *time += began.elapsed();
    done
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
