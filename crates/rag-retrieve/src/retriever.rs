//! [`Retriever`]: from a question to passages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::{ModelError, SyncEmbeddingModel};
use rag_core::{ChunkIndex, DatasetId, DocumentId, EmbeddingIdentity, KnownField, MetadataStore};

use crate::boost::{self, boost};
use crate::diversify::diversify;
use crate::find::candidates;
use crate::load::load;
use crate::neighbours::add_neighbours;
use crate::page::page;
use crate::rerank::rerank;
use crate::{FusedHit, Retrieval, RetrieveError, RetrieveRequest, RetrievedChunk};

/// Gives the embedding model of an identity.
pub type EmbedderFor = Arc<
    dyn Fn(&EmbeddingIdentity) -> Result<Arc<dyn SyncEmbeddingModel>, ModelError> + Send + Sync,
>;

/// The best hits that are ordered by more than their relevance.
const WINDOW: usize = 64;

/// Finds passages for questions. Synchronous: a call takes milliseconds of CPU, and waits for the models.
#[derive(Clone)]
pub struct Retriever {
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) index: Arc<dyn ChunkIndex>,
    pub(crate) embedder: EmbedderFor,
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
        let hits = candidates(self, request, &mut retrieval)?;
        let (mut best, mut rest) = self.order(request, hits, &mut retrieval)?;
        best.retain(|hit| hit.why.relevance() >= request.threshold);
        rest.retain(|hit| hit.score >= request.threshold);
        retrieval.matching = best.len() + rest.len();

        let load = &mut retrieval.timings.load;
        let mut page = timed(|| page(self, request, best, &rest), load)?;
        timed(|| self.expand(request, &mut page), load)?;
        retrieval.chunks = page;
        Ok(retrieval)
    }

    /// When each of these documents changed last, in milliseconds since the epoch; `None` for one that is not there.
    ///
    /// # Errors
    /// The store's own.
    pub fn changed_at(&self, documents: &[DocumentId]) -> Result<Vec<Option<i64>>, RetrieveError> {
        let mut changed = Vec::with_capacity(documents.len());
        for document in documents {
            changed.push(self.store.document(document)?.map(|document| document.updated_at));
        }
        Ok(changed)
    }

    /// The fields that documents of these datasets can be filtered by, each with so many of its values at most.
    ///
    /// # Errors
    /// The index's own.
    pub fn metadata_fields(
        &self,
        datasets: &[DatasetId],
        most_values: usize,
    ) -> Result<Vec<KnownField>, RetrieveError> {
        Ok(self.index.metadata_fields(datasets, most_values)?)
    }

    /// The best hits, loaded and ordered by more than their relevance when the request asks for it, and those behind
    /// them.
    fn order(
        &self,
        request: &RetrieveRequest,
        mut hits: Vec<FusedHit>,
        retrieval: &mut Retrieval,
    ) -> Result<(Vec<RetrievedChunk>, Vec<FusedHit>), RetrieveError> {
        let (boosted, diverse) = (boost::is_wanted(request), request.diversity > 0.0);
        let window = match &request.rerank {
            Some(reranker) => reranker.hits,
            None if boosted || diverse => WINDOW,
            None => 0,
        };
        let rest = hits.split_off(hits.len().min(window));
        let mut best = timed(|| load(self, &hits), &mut retrieval.timings.load)?;
        if let Some(reranker) = &request.rerank {
            best = rerank(&request.question, reranker, best, retrieval);
        }
        if boosted {
            boost(self, request, &mut best)?;
        }
        if diverse {
            best = diversify(best, request.diversity.min(1.0));
        }
        Ok((best, rest))
    }

    /// What a passage comes with.
    fn expand(
        &self,
        request: &RetrieveRequest,
        page: &mut [RetrievedChunk],
    ) -> Result<(), RetrieveError> {
        if request.neighbours > 0 {
            add_neighbours(self, page, request.neighbours)?;
        }
        if request.highlight {
            for hit in page {
                hit.highlights = self.index.highlight(&request.question, &hit.chunk.text);
            }
        }
        Ok(())
    }
}

fn timed<T>(work: impl FnOnce() -> T, time: &mut Duration) -> T {
    let began = Instant::now();
    let done = work();
    *time += began.elapsed();
    done
}
