//! [`Embedder`]: the one boundary between texts as they are and what embedding models take.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use llm_core::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, ErrorKind, ModelError, ModelInfo,
    Operation, Warning,
};
use llm_tokens::TokenCounter;

use crate::call::CallContext;
use crate::guarded::Guarded;
use crate::shorten::{self, Shortened};
use crate::tally::sum;

/// What is embedded in place of a blank text. Providers refuse blank texts, each in its own way; with a stand-in every
/// text has a vector, and one blank chunk does not fail a batch.
const BLANK: &str = "-";

/// Texts in one call, when the model does not say how many it takes.
const DEFAULT_BATCH: usize = 64;

/// Calls under way for one request.
const CALLS_AT_ONCE: usize = 4;

/// How often a batch is shortened further after the model said that it is too long.
const SHORTENINGS: u32 = 3;

/// A guarded embedding model that takes any texts: any number of them (batched to what the model takes, in order),
/// blank ones (a stand-in is embedded), and over-long ones (cut between characters, with the warning `truncated_input`,
/// where the model's limit is known or the model says so; by the model's own tokens where these are known).
/// The vectors are checked: as many as texts, finite, all of the length that was asked for, else of the one that the model is
/// known for, else of the one that came before.
#[derive(Clone, Debug)]
pub struct Embedder {
    model: Guarded<dyn EmbeddingModel>,
    context: CallContext,
}

impl Embedder {
    /// Calls `model` on behalf of `context`.
    pub fn new(model: Guarded<dyn EmbeddingModel>, context: CallContext) -> Self {
        Self { model, context }
    }

    async fn embed_all(self, request: EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        if request.inputs.is_empty() {
            return Ok(EmbeddingResponse::default());
        }
        let (request, mut warnings) = self.prepare(request).await?;
        let expected = self.expected_length(&request);
        let size = self.info().limits.batch.map_or(DEFAULT_BATCH, |batch| batch.max(1) as usize);
        let embedder = Arc::new(self);
        let parts: Vec<EmbeddingResponse> = stream::iter(batches(request, size))
            .map(|batch| embedder.clone().embed_batch(batch))
            .buffered(CALLS_AT_ONCE)
            .try_collect()
            .await?;
        let mut whole = join(parts);
        warnings.append(&mut whole.warnings);
        whole.warnings = warnings;
        embedder.check_lengths(&whole, expected)?;
        Ok(whole)
    }

    /// Replaces blank texts and cuts over-long ones.
    async fn prepare(
        &self,
        mut request: EmbeddingRequest,
    ) -> Result<(EmbeddingRequest, Vec<Warning>), ModelError> {
        let mut warnings = Vec::new();
        let mut blank = 0_usize;
        for input in request.inputs.iter_mut().filter(|input| input.trim().is_empty()) {
            blank += 1;
            BLANK.clone_into(input);
        }
        if blank > 0 {
            let message = format!("{blank} blank texts were embedded as `{BLANK}`");
            warnings.push(warning("blank_input", message));
        }
        if let Some(limit) = self.info().limits.context_tokens {
            let counter = self.counter();
            // Estimates, and what the model adds around a text, need some room.
            let limit = if counter.is_exact() { limit } else { limit - limit / 16 };
            let shortened = shorten::to_limit(counter, request.inputs, limit).await?;
            warnings.extend(self.truncated(&shortened));
            request.inputs = shortened.inputs;
        }
        Ok((request, warnings))
    }

    fn counter(&self) -> TokenCounter {
        TokenCounter::for_model(&self.info().name.model)
    }

    /// One call to the model; again with shorter texts when it says that they are too long.
    async fn embed_batch(
        self: Arc<Self>,
        mut batch: EmbeddingRequest,
    ) -> Result<EmbeddingResponse, ModelError> {
        let mut warnings = Vec::new();
        for _ in 0..SHORTENINGS {
            match self.model.ask_whole(batch.clone(), self.context.clone()).await {
                Err(error) if error.kind() == ErrorKind::ContextLength => {
                    let shortened = shorten::to_half(self.counter(), batch.inputs).await?;
                    warnings = self.truncated(&shortened);
                    batch.inputs = shortened.inputs;
                }
                answer => return self.checked(answer?, batch.inputs.len(), warnings),
            }
        }
        let count = batch.inputs.len();
        let answer = self.model.ask_whole(batch, self.context.clone()).await?;
        self.checked(answer, count, warnings)
    }

    fn checked(
        &self,
        mut response: EmbeddingResponse,
        inputs: usize,
        warnings: Vec<Warning>,
    ) -> Result<EmbeddingResponse, ModelError> {
        let vectors = response.vectors.len();
        if vectors != inputs {
            return Err(self.malformed(format!("{vectors} vectors came for {inputs} texts")));
        }
        let broken = |vector: &Vec<f32>| {
            vector.is_empty() || vector.iter().any(|component| !component.is_finite())
        };
        if response.vectors.iter().any(broken) {
            return Err(self.malformed("a vector is empty or has components that are no numbers"));
        }
        response.warnings.extend(warnings);
        Ok(response)
    }

    fn truncated(&self, shortened: &Shortened) -> Vec<Warning> {
        let Shortened { cut, limit, .. } = shortened;
        let about = if self.counter().is_exact() { "" } else { "about " };
        let message = || format!("{cut} texts were cut to {about}{limit} tokens");
        (*cut > 0).then(|| warning("truncated_input", message())).into_iter().collect()
    }

    /// How long the vectors have to be, where that can be known. Fields of the request that only the provider understands
    /// may ask for any length.
    fn expected_length(&self, request: &EmbeddingRequest) -> Expected {
        match (request.dimensions, self.info().limits.dimensions) {
            (Some(asked), _) => Expected::Asked(asked as usize),
            (None, _) if !request.extra_body.is_empty() => Expected::Unknown,
            (None, Some(declared)) => Expected::Declared(declared as usize),
            (None, None) => Expected::AsBefore,
        }
    }

    fn check_lengths(
        &self,
        response: &EmbeddingResponse,
        expected: Expected,
    ) -> Result<(), ModelError> {
        let mut lengths = response.vectors.iter().map(Vec::len);
        let Some(length) = lengths.next() else {
            return Ok(());
        };
        if lengths.any(|other| other != length) {
            return Err(self.malformed("the vectors differ in length"));
        }
        let (expected, why) = match expected {
            Expected::Unknown => return Ok(()),
            Expected::Asked(asked) => (asked, "were asked for"),
            Expected::Declared(declared) => (declared, "are what the model is known for"),
            Expected::AsBefore => (self.model.vector_length(length), "came before"),
        };
        if length == expected {
            return Ok(());
        }
        Err(self.malformed(format!("the vectors have {length} dimensions, {expected} {why}")))
    }

    fn malformed(&self, message: impl Into<String>) -> ModelError {
        let name = &self.info().name;
        ModelError::new(ErrorKind::Malformed, Operation::Embed, message)
            .at(&name.provider, &name.model)
    }
}

impl EmbeddingModel for Embedder {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        Box::pin(self.clone().embed_all(request))
    }
}

/// How long vectors have to be.
#[derive(Clone, Copy)]
enum Expected {
    /// The request asks for it.
    Asked(usize),
    /// The model's own length.
    Declared(usize),
    /// As long as those that came before, so that nobody stores vectors that cannot be compared.
    AsBefore,
    Unknown,
}

/// The request in parts of at most `size` texts, in order.
fn batches(mut request: EmbeddingRequest, size: usize) -> Vec<EmbeddingRequest> {
    let inputs = std::mem::take(&mut request.inputs);
    if inputs.len() <= size {
        request.inputs = inputs;
        return vec![request];
    }
    let mut inputs = inputs.into_iter().peekable();
    let mut batches = Vec::new();
    while inputs.peek().is_some() {
        let part = inputs.by_ref().take(size).collect();
        batches.push(EmbeddingRequest { inputs: part, ..request.clone() });
    }
    batches
}

fn warning(code: &str, message: String) -> Warning {
    tracing::warn!(code, "{message}");
    Warning { code: code.into(), param: Some("input".into()), message }
}

/// The parts' answers as one, in order.
fn join(parts: Vec<EmbeddingResponse>) -> EmbeddingResponse {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    for part in parts {
        whole.vectors.extend(part.vectors);
        whole.warnings.extend(part.warnings);
        whole.usage = sum(whole.usage, part.usage);
    }
    whole
}
