//! [`ScriptedRerank`] and its synchronous twin.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures::future::BoxFuture;
use llm_core::{
    Execution, ModelError, ModelInfo, ModelKind, Operation, Ranked, RerankModel, RerankRequest,
    RerankResponse, ScoreType, SyncRerankModel, Usage,
};

use super::chat::parse_name;
use super::log::CallLog;
use super::script::Failure;

/// A rerank model that scores by shared words ([`overlap`]). Cheap to clone; clones share the log.
#[derive(Clone, Debug)]
pub struct ScriptedRerank {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: ModelInfo,
    delay: Duration,
    failures: Mutex<VecDeque<Option<Failure>>>,
    log: CallLog<RerankRequest>,
}

impl ScriptedRerank {
    /// A model called `scripted/rerank` that answers after `delay`.
    pub fn new(delay: Duration) -> Self {
        Self::with_name("scripted/rerank", Execution::Async, delay)
    }

    fn with_name(name: &str, execution: Execution, delay: Duration) -> Self {
        let mut info = ModelInfo::new(parse_name(name), ModelKind::Rerank);
        info.execution = execution;
        info.scores = Some(ScoreType::Probability);
        let (failures, log) = (Mutex::default(), CallLog::default());
        Self { shared: Arc::new(Shared { info, delay, failures, log }) }
    }

    /// Queues the outcome of one call: a failure, or `None` for a success.
    pub fn then(self, failure: Option<Failure>) -> Self {
        self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back(failure);
        self
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<RerankRequest> {
        self.shared.log.requests()
    }

    /// On which threads.
    pub fn threads(&self) -> Vec<String> {
        self.shared.log.threads()
    }

    fn answer(&self, request: RerankRequest) -> Result<RerankResponse, ModelError> {
        let mut results: Vec<Ranked> = request
            .documents
            .iter()
            .enumerate()
            .map(|(index, document)| Ranked::new(index, overlap(&request.query, document)))
            .collect();
        // The sort is stable, so ties stay in the order of their index.
        results.sort_by(|a, b| b.score.total_cmp(&a.score));
        results.truncate(request.top.unwrap_or(usize::MAX));
        self.shared.log.note(request);
        let mut failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.pop_front().flatten() {
            Some(failure) => Err(failure.error(Operation::Rerank)),
            None => Ok(RerankResponse {
                results,
                model: Some(self.shared.info.name.model.clone()),
                scores: None,
                usage: Usage { search_units: Some(1), ..Usage::default() },
            }),
        }
    }
}

impl RerankModel for ScriptedRerank {
    fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        let model = self.clone();
        Box::pin(async move {
            if !model.shared.delay.is_zero() {
                tokio::time::sleep(model.shared.delay).await;
            }
            model.answer(request)
        })
    }
}

/// The synchronous twin of [`ScriptedRerank`]: waits block its thread.
#[derive(Clone, Debug)]
pub struct SyncScriptedRerank {
    inner: ScriptedRerank,
}

impl SyncScriptedRerank {
    /// A model called `scripted/sync-rerank` that answers after `delay`.
    pub fn new(delay: Duration) -> Self {
        let name = "scripted/sync-rerank";
        Self { inner: ScriptedRerank::with_name(name, Execution::Sync, delay) }
    }

    /// Queues the outcome of one call: a failure, or `None` for a success.
    pub fn then(self, failure: Option<Failure>) -> Self {
        Self { inner: self.inner.then(failure) }
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<RerankRequest> {
        self.inner.requests()
    }

    /// On which threads.
    pub fn threads(&self) -> Vec<String> {
        self.inner.threads()
    }
}

impl SyncRerankModel for SyncScriptedRerank {
    fn info(&self) -> &ModelInfo {
        &self.inner.shared.info
    }

    fn rerank(&self, request: &RerankRequest) -> Result<RerankResponse, ModelError> {
        thread::sleep(self.inner.shared.delay);
        self.inner.answer(request.clone())
    }
}

/// The share of the question's words that the document holds, 0 to 1.
pub fn overlap(query: &str, document: &str) -> f32 {
    let words = |text: &str| -> BTreeSet<String> {
        text.split_whitespace().map(str::to_lowercase).collect()
    };
    let (query, document) = (words(query), words(document));
    if query.is_empty() {
        return 0.0;
    }
    query.intersection(&document).count() as f32 / query.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first() {
        let model = SyncScriptedRerank::new(Duration::ZERO);
        let request = RerankRequest {
            query: "red fish".into(),
            documents: ["a cat", "one red fish", "red", "blue fish"].map(Into::into).into(),
            top: Some(3),
            ..RerankRequest::default()
        };
        let ranked = model.rerank(&request).unwrap().results;
        let order: Vec<usize> = ranked.iter().map(|ranked| ranked.index).collect();
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(ranked[0].score, 1.0);
    }
}
