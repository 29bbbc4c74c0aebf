//! [`ScriptedEmbedding`] and its synchronous twin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures::future::BoxFuture;
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, Execution, ModelError, ModelInfo,
    ModelKind, Operation, SyncEmbeddingModel, Usage,
};

use super::chat::parse_name;
use super::log::CallLog;
use super::script::Failure;

/// An embedding model whose vectors depend on the texts alone ([`vector_of`]). Cheap to clone; clones share the log.
#[derive(Clone, Debug)]
pub struct ScriptedEmbedding {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    info: ModelInfo,
    dimensions: usize,
    delay: Duration,
    failures: Mutex<VecDeque<Option<Failure>>>,
    log: CallLog<EmbeddingRequest>,
}

impl ScriptedEmbedding {
    /// A model called `scripted/embedding` with vectors of this length, that answers after `delay`.
    pub fn new(dimensions: usize, delay: Duration) -> Self {
        let info = ModelInfo::new(parse_name("scripted/embedding"), ModelKind::Embedding);
        Self::with_info(info, dimensions, delay)
    }

    /// A model with an info of its own; its limits are told to be `dimensions`.
    pub fn with_info(mut info: ModelInfo, dimensions: usize, delay: Duration) -> Self {
        info.limits.dimensions = u32::try_from(dimensions).ok();
        let (failures, log) = (Mutex::default(), CallLog::default());
        Self { shared: Arc::new(Shared { info, dimensions, delay, failures, log }) }
    }

    /// Queues the outcome of one call: a failure, or `None` for a success.
    pub fn then(self, failure: Option<Failure>) -> Self {
        self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back(failure);
        self
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<EmbeddingRequest> {
        self.shared.log.requests()
    }

    /// On which threads.
    pub fn threads(&self) -> Vec<String> {
        self.shared.log.threads()
    }

    fn answer(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let dimensions =
            request.dimensions.map_or(self.shared.dimensions, |length| length as usize);
        let vectors: Vec<Vec<f32>> =
            request.inputs.iter().map(|text| vector_of(text, dimensions)).collect();
        let words = request.inputs.iter().map(|text| text.split_whitespace().count() as u64).sum();
        self.shared.log.note(request);
        let mut failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.pop_front().flatten() {
            Some(failure) => Err(failure.error(Operation::Embed)),
            None => Ok(EmbeddingResponse {
                vectors,
                model: Some(self.shared.info.name.model.clone()),
                usage: Usage { input_tokens: Some(words), ..Usage::default() },
                warnings: Vec::new(),
            }),
        }
    }
}

impl EmbeddingModel for ScriptedEmbedding {
    fn info(&self) -> &ModelInfo {
        &self.shared.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        let model = self.clone();
        Box::pin(async move {
            if !model.shared.delay.is_zero() {
                tokio::time::sleep(model.shared.delay).await;
            }
            model.answer(request)
        })
    }
}

/// The synchronous twin of [`ScriptedEmbedding`]: waits block its thread.
#[derive(Clone, Debug)]
pub struct SyncScriptedEmbedding {
    inner: ScriptedEmbedding,
}

impl SyncScriptedEmbedding {
    /// A model called `scripted/sync-embedding` with vectors of this length, that answers after `delay`.
    pub fn new(dimensions: usize, delay: Duration) -> Self {
        let name = parse_name("scripted/sync-embedding");
        let mut info = ModelInfo::new(name, ModelKind::Embedding);
        info.execution = Execution::Sync;
        Self { inner: ScriptedEmbedding::with_info(info, dimensions, delay) }
    }

    /// Queues the outcome of one call: a failure, or `None` for a success.
    pub fn then(self, failure: Option<Failure>) -> Self {
        Self { inner: self.inner.then(failure) }
    }

    /// What was asked.
    pub fn requests(&self) -> Vec<EmbeddingRequest> {
        self.inner.requests()
    }

    /// On which threads.
    pub fn threads(&self) -> Vec<String> {
        self.inner.threads()
    }
}

impl SyncEmbeddingModel for SyncScriptedEmbedding {
    fn info(&self) -> &ModelInfo {
        &self.inner.shared.info
    }

    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        thread::sleep(self.inner.shared.delay);
        self.inner.answer(request.clone())
    }
}

/// A vector of length one that depends on the words of the text alone: each adds to one place. Texts that share words are
/// near each other. A text without words is near nothing: it points along the first axis.
pub fn vector_of(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text.split_whitespace() {
        let place = hash(&word.to_lowercase()) % dimensions.max(1) as u64;
        if let Some(number) = vector.get_mut(place as usize) {
            *number += 1.0;
        }
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    vector
}

/// FNV-1a: the same everywhere.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use llm_core::ErrorKind;

    use super::*;

    #[test]
    fn both_twins_give_the_same_vectors() {
        let request = EmbeddingRequest::documents(["a b", "a c", ""]);
        let model =
            ScriptedEmbedding::new(16, Duration::ZERO).then(Some(ErrorKind::Overloaded.into()));
        assert_eq!(
            block_on(model.embed(request.clone())).unwrap_err().kind(),
            ErrorKind::Overloaded
        );
        let vectors = block_on(model.embed(request.clone())).unwrap().vectors;
        let twin = SyncScriptedEmbedding::new(16, Duration::ZERO);
        assert_eq!(twin.embed(&request).unwrap().vectors, vectors);
        assert_eq!(model.requests().len(), 2);
        for vector in vectors {
            let length: f32 = vector.iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-5);
        }
    }
}
