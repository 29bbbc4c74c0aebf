//! [`Reranker`]: any number of passages for a rerank model, and an answer that can be trusted.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{
    ErrorKind, ModelError, ModelInfo, Operation, Ranked, RerankModel, RerankRequest, RerankResponse,
};

use crate::call::CallContext;
use crate::guarded::Guarded;
use crate::tally::sum;

/// What is scored in place of a blank passage, which providers refuse.
const BLANK: &str = "-";

/// Passages in one call, when the model does not say how many it takes.
const DEFAULT_BATCH: usize = 500;

/// Calls under way for one request.
const CALLS_AT_ONCE: usize = 4;

/// A guarded rerank model that takes any number of passages, blank ones too. Results come best first, ties by index;
/// indexes are those of the request. Scores stay as the model gives them
/// ([`ScoreType`](llm_core::ScoreType) says how to read them); an answer with an unknown or doubled index, or a score
/// that is no number, is refused.
#[derive(Clone, Debug)]
pub struct Reranker {
    model: Guarded<dyn RerankModel>,
    context: CallContext,
}

impl Reranker {
    /// Calls `model` on behalf of `context`.
    pub fn new(model: Guarded<dyn RerankModel>, context: CallContext) -> Self {
        Self { model, context }
    }

    async fn rerank_all(self, mut request: RerankRequest) -> Result<RerankResponse, ModelError> {
        if request.documents.is_empty() {
            return Ok(RerankResponse::default());
        }
        for document in request.documents.iter_mut().filter(|text| text.trim().is_empty()) {
            BLANK.clone_into(document);
        }
        let size = self.info().limits.batch.map_or(DEFAULT_BATCH, |batch| batch.max(1) as usize);
        let top = request.top;
        let reranker = Arc::new(self);
        let parts: Vec<RerankResponse> = stream::iter(batches(request, size))
            .map(|(first, batch)| reranker.clone().rerank_batch(first, batch))
            .buffered(CALLS_AT_ONCE)
            .try_collect()
            .await?;
        let mut whole = join(parts);
        whole.results.truncate(top.unwrap_or(usize::MAX));
        Ok(whole)
    }

    /// One call to the model, for the documents from number `first` on.
    async fn rerank_batch(
        self: Arc<Self>,
        first: usize,
        batch: RerankRequest,
    ) -> Result<RerankResponse, ModelError> {
        let count = batch.documents.len();
        let mut response = self.model.ask_whole(batch, self.context.clone()).await?;
        let mut seen = vec![false; count];
        for ranked in &mut response.results {
            let place = seen.get_mut(ranked.index);
            let fresh = place.is_some_and(|seen| !std::mem::replace(seen, true));
            if !fresh || !ranked.score.is_finite() {
                return Err(self.malformed(*ranked, count));
            }
            ranked.index += first;
        }
        Ok(response)
    }

    fn malformed(&self, ranked: Ranked, count: usize) -> ModelError {
        let Ranked { index, score } = ranked;
        let message = format!("document {index} of {count} has the score {score}, or came twice");
        let name = &self.info().name;
        ModelError::new(ErrorKind::Malformed, Operation::Rerank, message)
            .at(&name.provider, &name.model)
    }
}

impl RerankModel for Reranker {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        Box::pin(self.clone().rerank_all(request))
    }
}

/// The request in parts of at most `size` documents, each with the number of its first one.
fn batches(mut request: RerankRequest, size: usize) -> Vec<(usize, RerankRequest)> {
    if request.documents.len() <= size {
        return vec![(0, request)];
    }
    let documents = std::mem::take(&mut request.documents);
    let mut documents = documents.into_iter().enumerate().peekable();
    let mut batches = Vec::new();
    while let Some((first, _)) = documents.peek() {
        let first = *first;
        let part = documents.by_ref().take(size).map(|(_, text)| text).collect();
        batches.push((first, RerankRequest { documents: part, ..request.clone() }));
    }
    batches
}

fn join(parts: Vec<RerankResponse>) -> RerankResponse {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    for part in parts {
        whole.results.extend(part.results);
        whole.usage = sum(whole.usage, part.usage);
    }
    whole.results.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    whole
}
