//! [`Reranker`]: any number of passages for a rerank model, and an answer that can be trusted.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{
    ErrorKind, ModelError, ModelInfo, Operation, Ranked, RerankModel, RerankRequest, RerankResponse,
};
use llm_tokens::TokenCounter;

use crate::call::CallContext;
use crate::guarded::Guarded;
use crate::ranking::join;
use crate::shorten;

/// What is scored in place of a blank passage, which providers refuse.
const BLANK: &str = "-";

/// Passages in one call, when the model does not say how many it takes.
const DEFAULT_BATCH: usize = 500;

/// Calls under way for one request.
const CALLS_AT_ONCE: usize = 4;

/// How often passages are shortened further after the model said that they are too long.
const SHORTENINGS: u32 = 3;

/// What models put around question and passage, in tokens.
const AROUND: u32 = 16;

/// A guarded rerank model that takes any passages: any number of them (in calls of what the model takes), blank ones, and
/// over-long ones (cut between characters, so that question and passage fit the model together; a question has half of that
/// room at most). Results come best first, ties by index; indexes are those of the request.
///
/// Scores stay as the model gives them, and [`Ranked::relevance`] says the same in 0 to 1, by how the scores of the model
/// that answered are to be read ([`ScoreType`](llm_core::ScoreType)), so that those of a fallback can be compared. Scores
/// that can be any number are normalised over all passages of the request, also when only the best are wanted. An answer
/// with an unknown or doubled index, or a score that is no number, is refused.
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
        // The scores of all are needed to read those of the best.
        let top = request.top.take();
        if request.documents.is_empty() {
            return Ok(RerankResponse::default());
        }
        for document in request.documents.iter_mut().filter(|text| text.trim().is_empty()) {
            BLANK.clone_into(document);
        }
        let request = self.cut(request).await?;
        let size = self.info().limits.batch.map_or(DEFAULT_BATCH, |batch| batch.max(1) as usize);
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

    /// Cuts what does not fit the model, where its limit is known.
    async fn cut(&self, mut request: RerankRequest) -> Result<RerankRequest, ModelError> {
        let Some(limit) = self.info().limits.context_tokens else {
            return Ok(request);
        };
        let counter = self.counter();
        // Estimates need some room.
        let limit = if counter.is_exact() { limit } else { limit - limit / 16 };
        let limit = limit.saturating_sub(AROUND).max(2);
        let query = vec![std::mem::take(&mut request.query)];
        let query = shorten::to_limit(counter, query, limit / 2).await?.inputs;
        request.query = query.into_iter().next().unwrap_or_default();
        let taken = counter.count(&request.query).tokens.min(limit / 2);
        let shortened = shorten::to_limit(counter, request.documents, limit - taken).await?;
        request.documents = shortened.inputs;
        tell_of_cuts(shortened.cut, shortened.limit);
        Ok(request)
    }

    fn counter(&self) -> TokenCounter {
        TokenCounter::for_model(&self.info().name.model)
    }

    /// One call to the model; again with shorter passages when it says that they are too long.
    async fn ask(&self, mut batch: RerankRequest) -> Result<RerankResponse, ModelError> {
        for _ in 0..SHORTENINGS {
            match self.model.ask_whole(batch.clone(), self.context.clone()).await {
                Err(error) if error.kind() == ErrorKind::ContextLength => {
                    let shortened = shorten::to_half(self.counter(), batch.documents).await?;
                    tell_of_cuts(shortened.cut, shortened.limit);
                    batch.documents = shortened.inputs;
                }
                answer => return answer,
            }
        }
        self.model.ask_whole(batch, self.context.clone()).await
    }

    /// The scores of the documents from number `first` on.
    async fn rerank_batch(
        self: Arc<Self>,
        first: usize,
        batch: RerankRequest,
    ) -> Result<RerankResponse, ModelError> {
        let count = batch.documents.len();
        let mut response = self.ask(batch).await?;
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
        let Ranked { index, score, .. } = ranked;
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

fn tell_of_cuts(cut: usize, limit: u32) {
    if cut > 0 {
        tracing::debug!(cut, limit, "passages were cut to fit the rerank model");
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
