//! [`SentenceTransformer`]: an embedding model that the user brings along, as the directory that sentence-transformers
//! writes.

mod directory;
mod encoder;
mod error;
mod hub;
mod layer;
mod pooling;
mod scripts;
mod tokenize;
mod weights;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use llm_core::{
    EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, ErrorKind, Execution, Limits,
    ModelError, ModelInfo, ModelKind, ModelName, Operation, SyncEmbeddingModel, Usage,
};
use ndarray::{Array1, s};

use self::directory::{ModelDirectory, Prompts};
use self::encoder::Encoder;
use self::pooling::Pooling;
use self::tokenize::TextSplitter;
use self::weights::Weights;

pub use self::error::LoadError;
pub use self::hub::find_in_hub_cache;

/// Multiplications of one batch: some 200 ms of one core.
const BATCH_OPERATIONS: usize = 6_000_000_000;
/// Multiplications of one call of as many and as long texts as [`Limits::batch`] and the model allow: one or two seconds
/// of one core.
const CALL_OPERATIONS: usize = 60_000_000_000;
/// What [`Limits::batch`] says at least and at most, whatever the size of the model.
const CALL_TEXTS: (usize, usize) = (4, 64);

/// How a [`SentenceTransformer`] is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentenceTransformerOptions {
    /// Threads that one call computes on, the caller's included. 1 by default: programs that call from several threads
    /// have all their cores at work, and no thread is started behind their back. More are started for the length of a
    /// call that has more than one batch.
    pub threads: NonZeroUsize,
    /// What to put before questions; `None` is what the model's own configuration says.
    pub query_prompt: Option<String>,
    /// What to put before passages; `None` is what the model's own configuration says.
    pub document_prompt: Option<String>,
}

impl Default for SentenceTransformerOptions {
    fn default() -> Self {
        Self { threads: NonZeroUsize::MIN, query_prompt: None, document_prompt: None }
    }
}

/// An embedding model read from a sentence-transformers directory: encoders of the types `bert`, `distilbert`, `roberta`,
/// `xlm-roberta` and `camembert` with weights in safetensors (f32, f16 or bf16, computed in f32), pooling by mean, first
/// token or maximum, and normalisation where the model has it.
///
/// Its [`ModelInfo::scripts`] are those that its vocabulary has many pieces of.
///
/// The texts of a call are computed in batches of some 200 ms, without padding, and answered in their order. What stands
/// beyond the length that the model reads is left out. A call cannot be stopped on its way;
/// [`Limits::batch`] says how many texts keep it to a few seconds. Calls for one text at a time are joined by whoever
/// runs synchronous models for others, such as `llm_bundle::Batched`.
///
/// ```no_run
/// use llm_core::{EmbeddingRequest, SyncEmbeddingModel};
/// use llm_local::{SentenceTransformer, SentenceTransformerOptions};
///
/// let options = SentenceTransformerOptions::default();
/// let model = SentenceTransformer::load("minilm", "models/all-MiniLM-L6-v2".as_ref(), options)?;
/// let response = model.embed(&EmbeddingRequest::query("How do I make tea?"))?;
/// assert_eq!(response.vectors[0].len(), 384);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SentenceTransformer {
    info: ModelInfo,
    splitter: TextSplitter,
    encoder: Encoder,
    pooling: Pooling,
    normalise: bool,
    prompts: Prompts,
    threads: NonZeroUsize,
    batch_tokens: usize,
}

impl SentenceTransformer {
    /// Reads the model in `directory`; it will be called `local/NAME`. Takes the time to read the weights, twice their
    /// memory while it does, and once afterwards.
    ///
    /// # Errors
    /// [`LoadError`] when a file is missing or broken, or when the model has a part that is not computed here.
    pub fn load(
        name: &str,
        directory: &Path,
        options: SentenceTransformerOptions,
    ) -> Result<Self, LoadError> {
        let directory = ModelDirectory::read(directory)?;
        let path = directory.file("model.safetensors");
        let bytes = directory::read(&path)?;
        let encoder =
            Encoder::read(&directory.encoder, &Weights::find(&bytes, &path, encoder::WORDS)?)?;
        drop(bytes);
        let operations = encoder.operations().max(1);
        let (fewest, most) = CALL_TEXTS;
        let call_texts = CALL_OPERATIONS / operations.saturating_mul(directory.max_tokens).max(1);
        let mut info = ModelInfo::new(ModelName::new("local", name), ModelKind::Embedding);
        info.execution = Execution::Sync;
        info.limits = Limits {
            dimensions: u32::try_from(directory.encoder.dimensions()).ok(),
            context_tokens: u32::try_from(directory.max_tokens).ok(),
            batch: u32::try_from(call_texts.clamp(fewest, most)).ok(),
            ..Limits::default()
        };
        info.description = Some("sentence transformer, computed on this machine".into());
        let splitter = TextSplitter::read(&directory)?;
        info.scripts = Some(splitter.scripts());
        let Prompts { query, document } = directory.prompts.clone();
        Ok(Self {
            info,
            splitter,
            pooling: directory.pooling,
            normalise: directory.normalise,
            prompts: Prompts {
                query: options.query_prompt.unwrap_or(query),
                document: options.document_prompt.unwrap_or(document),
            },
            threads: options.threads,
            batch_tokens: (BATCH_OPERATIONS / operations).max(1),
            encoder,
        })
    }

    /// The vectors of texts that are tokens already, the special ones included; in order.
    ///
    /// # Errors
    /// `Internal` when a thread cannot be started.
    pub fn embed_tokens(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, ModelError> {
        let batches = batches(texts.iter().map(Vec::len), self.batch_tokens);
        let workers = self.threads.get().min(batches.len());
        if workers <= 1 {
            return Ok(batches.into_iter().flat_map(|batch| self.run(texts, batch)).collect());
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((batch.start, self.run(texts, batch.clone())));
            }
            done
        };
        let mut parts = thread::scope(|scope| {
            let others = (1..workers)
                .map(|_| thread::Builder::new().name("embedding".into()).spawn_scoped(scope, work))
                .collect::<Result<Vec<_>, _>>();
            let mut parts = work();
            for other in others.map_err(|error| failed("no thread").with_source(error))? {
                parts.extend(other.join().map_err(|_| failed("a thread panicked"))?);
            }
            Ok::<_, ModelError>(parts)
        })?;
        parts.sort_unstable_by_key(|(start, _)| *start);
        Ok(parts.into_iter().flat_map(|(_, vectors)| vectors).collect())
    }

    /// The vectors of one batch.
    fn run(&self, texts: &[Vec<u32>], batch: Range<usize>) -> Vec<Vec<f32>> {
        let texts: Vec<&[u32]> =
            texts.iter().skip(batch.start).take(batch.len()).map(Vec::as_slice).collect();
        let states = self.encoder.run(&texts);
        states
            .texts
            .iter()
            .map(|text| {
                let pooled = self.pooling.pool(states.rows.slice(s![text.clone(), ..]));
                if self.normalise { normalised(pooled).to_vec() } else { pooled.to_vec() }
            })
            .collect()
    }

    fn prompt(&self, purpose: EmbeddingPurpose) -> &str {
        match purpose {
            EmbeddingPurpose::Query => &self.prompts.query,
            _ => &self.prompts.document,
        }
    }

    fn check_dimensions(&self, wanted: Option<u32>) -> Result<(), ModelError> {
        let own = self.info.limits.dimensions;
        if wanted.is_none() || wanted == own {
            return Ok(());
        }
        let message = format!("this model's vectors have {} dimensions only", own.unwrap_or(0));
        let error = ModelError::new(ErrorKind::InvalidRequest, Operation::Embed, message);
        Err(error.with_param("dimensions"))
    }
}

impl SyncEmbeddingModel for SentenceTransformer {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// # Errors
    /// `InvalidRequest` when vectors of another length are asked for; `Internal` when the tokenizer fails or a thread
    /// cannot be started.
    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        let ModelName { provider, model } = &self.info.name;
        self.check_dimensions(request.dimensions)
            .and_then(|()| {
                let prompt = self.prompt(request.purpose);
                let texts = request
                    .inputs
                    .iter()
                    .map(|text| match prompt.is_empty() {
                        true => self.splitter.split(text),
                        false => self.splitter.split(&format!("{prompt}{text}")),
                    })
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| failed("the tokenizer failed").with_source(error))?;
                Ok(EmbeddingResponse {
                    vectors: self.embed_tokens(&texts)?,
                    model: Some(model.clone()),
                    usage: Usage {
                        input_tokens: Some(texts.iter().map(|text| text.len() as u64).sum()),
                        ..Usage::default()
                    },
                    warnings: Vec::new(),
                })
            })
            .map_err(|error| error.at(provider, model))
    }
}

/// Ranges of neighbouring texts of at most so many tokens together; a longer text is alone.
fn batches(lengths: impl Iterator<Item = usize>, most: usize) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (index, length) in lengths.enumerate() {
        tokens += length;
        match batches.last_mut() {
            Some(last) if tokens <= most => last.end = index + 1,
            _ => {
                tokens = length;
                batches.push(index..index + 1);
            }
        }
    }
    batches
}

/// The vector at length 1; zeros stay zeros.
fn normalised(vector: Array1<f32>) -> Array1<f32> {
    let length = vector.dot(&vector).sqrt();
    if length > 0.0 { vector / length } else { vector }
}

fn failed(message: &str) -> ModelError {
    ModelError::new(ErrorKind::Internal, Operation::Embed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_neighbours_within_the_limit() {
        let check = |lengths: &[usize], expected: &[Range<usize>]| {
            assert_eq!(batches(lengths.iter().copied(), 10), expected, "{lengths:?}");
        };
        check(&[], &[]);
        check(&[4, 4, 4, 10, 1, 11, 1], &[0..2, 2..3, 3..4, 4..5, 5..6, 6..7]);
        check(&[0, 10, 0, 1], &[0..3, 3..4]);
    }
}
