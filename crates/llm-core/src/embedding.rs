//! Embeddings: texts in, vectors out.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Extra, ModelError, ModelInfo, Usage, Warning};

/// A model that turns texts into vectors, without blocking.
pub trait EmbeddingModel: Send + Sync {
    /// What this model is and can do; [`Limits`](crate::Limits) tells dimensions and batch size.
    fn info(&self) -> &ModelInfo;

    /// Embeds all inputs of the request. The future borrows nothing, so it can be spawned; dropping it cancels.
    ///
    /// # Errors
    /// All or nothing. A success has exactly one vector per input, in the order of the inputs.
    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>>;
}

/// The synchronous twin of [`EmbeddingModel`]; only ever called on a thread made for blocking work.
pub trait SyncEmbeddingModel: Send + Sync {
    /// What this model is and can do.
    fn info(&self) -> &ModelInfo;

    /// Embeds all inputs of the request.
    ///
    /// # Errors
    /// As [`EmbeddingModel::embed`].
    fn embed(&self, request: &EmbeddingRequest) -> Result<EmbeddingResponse, ModelError>;
}

/// Texts to embed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddingRequest {
    /// The model, as its provider names it.
    pub model: String,
    /// The texts.
    pub inputs: Vec<String>,
    /// What the vectors are for; asymmetric models embed questions and passages differently.
    pub purpose: EmbeddingPurpose,
    /// Ask for vectors of this length, where the model can shorten them.
    pub dimensions: Option<u32>,
    /// The end user, for the provider's abuse control.
    pub user: Option<String>,
    /// Further fields of the provider's request body.
    pub extra_body: Extra,
    /// Further headers of the provider's request.
    pub extra_headers: BTreeMap<String, String>,
}

impl EmbeddingRequest {
    /// Passages to be found.
    pub fn documents<S: Into<String>>(inputs: impl IntoIterator<Item = S>) -> Self {
        Self { inputs: inputs.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// A question to find passages for.
    pub fn query(input: impl Into<String>) -> Self {
        Self { inputs: vec![input.into()], purpose: EmbeddingPurpose::Query, ..Self::default() }
    }
}

/// What vectors are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmbeddingPurpose {
    /// Passages to be found.
    #[default]
    Document,
    /// A question to find passages for.
    Query,
    /// Classification.
    Classification,
    /// Clustering.
    Clustering,
    /// Symmetric similarity.
    Similarity,
}

/// Vectors for texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingResponse {
    /// One vector per input, in the order of the inputs, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// The model that answered, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What was consumed.
    pub usage: Usage,
    /// How the call differs from what was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}
