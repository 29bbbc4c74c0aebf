//! Rerank: a question and passages in, scores out.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Extra, ModelError, ModelInfo, ScoreType, Usage};

/// A model that scores passages for a question, without blocking.
pub trait RerankModel: Send + Sync {
    /// What this model is and can do; [`ModelInfo::scores`] tells how to read its scores.
    fn info(&self) -> &ModelInfo;

    /// Scores the documents. The future borrows nothing, so it can be spawned; dropping it cancels.
    ///
    /// # Errors
    /// All or nothing.
    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>>;
}

/// The synchronous twin of [`RerankModel`]; only ever called on a thread made for blocking work.
pub trait SyncRerankModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Scores the documents.
    ///
    /// # Errors
    /// All or nothing.
    fn rerank(&self, request: &RerankRequest) -> Result<RerankResponse, ModelError>;
}

/// Passages to score for a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RerankRequest {
    /// The model, as its provider names it.
    pub model: String,
    /// The question.
    pub query: String,
    /// The passages.
    pub documents: Vec<String>,
    /// Only the best so many; `None` scores all.
    pub top: Option<usize>,
    /// Further fields of the provider's request body.
    pub extra_body: Extra,
    /// Further headers of the provider's request.
    pub extra_headers: BTreeMap<String, String>,
}

/// One scored passage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Which of the request's documents.
    pub index: usize,
    /// Its score as the model gave it; higher is better. [`RerankResponse::scores`] tells how to read it.
    pub score: f32,
    /// Its score in 0 to 1, comparable with those of other models as far as that goes
    /// ([`ScoreType::normalise`]). Models leave it out; whoever knows all scores of a request fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f32>,
}

impl Ranked {
    /// A document and its score, as a model gives it.
    pub fn new(index: usize, score: f32) -> Self {
        Self { index, score, relevance: None }
    }
}

/// Scores, best first; ties by index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RerankResponse {
    /// At most one entry per document.
    pub results: Vec<Ranked>,
    /// The model that answered, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How to read the scores; `None` for as [`ModelInfo::scores`] of the model that was asked says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreType>,
    /// What was consumed.
    pub usage: Usage,
}
