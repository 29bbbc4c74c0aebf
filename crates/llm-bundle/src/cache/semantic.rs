//! Questions that mean the same: their vectors, kept beside the keys of their answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_core::{EmbeddingModel, EmbeddingRequest};
use lru::LruCache;
use tokio::time::timeout;

use super::key::CacheKey;

/// How questions are compared. The defaults prefer a call too many to a wrong answer.
#[derive(Clone, Debug, PartialEq)]
pub struct SemanticOptions {
    /// The least cosine of two questions' vectors that mean the same. Default 0.95; what is right depends on the embedding
    /// model, and should be measured with questions of one's own.
    pub threshold: f32,
    /// Questions remembered for one conversation so far, the oldest forgotten first. Default 128.
    pub questions: usize,
    /// Questions remembered in all. Default 10,000, which are 16 MB with vectors of 384 components.
    pub questions_in_all: usize,
    /// How long a question may take to be embedded; then it is a miss. Default 2 s.
    pub patience: Duration,
    /// Longer questions are not compared. Default 4,000 bytes.
    pub question_bytes: usize,
}

impl Default for SemanticOptions {
    fn default() -> Self {
        Self {
            threshold: 0.95,
            questions: 128,
            questions_in_all: 10_000,
            patience: Duration::from_secs(2),
            question_bytes: 4_000,
        }
    }
}

/// The questions that have kept answers. They are remembered in this process; a kept answer that another replica was
/// asked for is found again by its exact question only.
pub(super) struct Semantic {
    embedding: Arc<dyn EmbeddingModel>,
    options: SemanticOptions,
    memory: Mutex<Memory>,
}

struct Memory {
    /// By all that is not the question: tenant, model, what was said before, parameters.
    scopes: LruCache<CacheKey, VecDeque<Remembered>>,
    questions: usize,
}

struct Remembered {
    meaning: Meaning,
    key: CacheKey,
}

/// What a question means: its direction, and the numbers in it. Vectors hardly tell "within 30 days" from "within 60 days",
/// so that numbers have to be equal.
#[derive(Clone, Debug)]
pub struct Meaning {
    direction: Arc<[f32]>,
    numbers: Arc<[String]>,
}

impl Semantic {
    pub(super) fn new(embedding: Arc<dyn EmbeddingModel>, options: SemanticOptions) -> Self {
        let memory = Memory { scopes: LruCache::unbounded(), questions: 0 };
        Self { embedding, options, memory: Mutex::new(memory) }
    }

    /// Embeds a question. `None` if it cannot be, for whatever reason: then it has no equal.
    pub(super) async fn meaning(&self, question: &str) -> Option<Meaning> {
        Meaning::of(question, &*self.embedding, &self.options).await
    }

    /// The key of the answer to the nearest earlier question, and how near it is, if that is near enough.
    pub(super) fn nearest(&self, scope: &CacheKey, meaning: &Meaning) -> Option<(CacheKey, f32)> {
        let mut memory = self.memory();
        let remembered = memory.scopes.get(scope)?.iter();
        let near = remembered.filter_map(|earlier| {
            let similarity = earlier.meaning.similarity(meaning)?;
            (similarity >= self.options.threshold).then_some((earlier.key, similarity))
        });
        near.max_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// Remembers a question whose answer is kept under `key`.
    pub(super) fn remember(&self, scope: CacheKey, meaning: Meaning, key: CacheKey) {
        let most = self.options.questions.max(1);
        let mut memory = self.memory();
        memory.forget(&scope, &key);
        let questions = memory.scopes.get_or_insert_mut(scope, VecDeque::new);
        questions.push_back(Remembered { meaning, key });
        let too_many = questions.len() > most;
        if too_many {
            questions.pop_front();
        }
        memory.questions += usize::from(!too_many);
        memory.shrink(self.options.questions_in_all);
    }

    /// Forgets a question whose answer is kept no more.
    pub(super) fn forget(&self, scope: &CacheKey, key: &CacheKey) {
        self.memory().forget(scope, key);
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn forget(&mut self, scope: &CacheKey, key: &CacheKey) {
        let Some(questions) = self.scopes.get_mut(scope) else { return };
        let before = questions.len();
        questions.retain(|remembered| remembered.key != *key);
        self.questions -= before - questions.len();
        if questions.is_empty() {
            self.scopes.pop(scope);
        }
    }

    /// Forgets the scopes that were asked about least lately.
    fn shrink(&mut self, most: usize) {
        while self.questions > most {
            let Some((_, forgotten)) = self.scopes.pop_lru() else { return };
            self.questions -= forgotten.len();
        }
    }
}

impl Meaning {
    /// What a question means to this model. `None` if that cannot be told, for whatever reason: then it has no equal.
    /// Dropping the future cancels the call.
    pub async fn of(
        question: &str,
        embedding: &dyn EmbeddingModel,
        options: &SemanticOptions,
    ) -> Option<Self> {
        if question.len() > options.question_bytes {
            return None;
        }
        let model = embedding.info().name.model.clone();
        let request = EmbeddingRequest { model, ..EmbeddingRequest::query(question) };
        let embedded = timeout(options.patience, embedding.embed(request)).await;
        let response = match embedded {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a question could not be compared with earlier ones");
                return None;
            }
            Err(_) => {
                let patience = options.patience;
                tracing::warn!(?patience, "comparing questions takes too long");
                return None;
            }
        };
        let direction = direction(response.vectors.into_iter().next()?)?;
        Some(Self { direction, numbers: numbers(question).into() })
    }

    /// The cosine; `None` where the questions cannot mean the same: other numbers, vectors of another length.
    pub fn similarity(&self, other: &Self) -> Option<f32> {
        let comparable =
            self.direction.len() == other.direction.len() && self.numbers == other.numbers;
        let products = || self.direction.iter().zip(&*other.direction).map(|(a, b)| a * b);
        comparable.then(|| products().sum::<f32>().min(1.0))
    }
}

/// The vector at length one; `None` for one without a direction.
fn direction(vector: Vec<f32>) -> Option<Arc<[f32]>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let has_one = length.is_finite() && length > 0.0;
    has_one.then(|| vector.into_iter().map(|x| x / length).collect())
}

/// The numbers in a text, in order.
fn numbers(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_numeric()).filter(|run| !run.is_empty()).map(String::from).collect()
}
