//! [`Tei`]: a server of Text Embeddings Inference.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    EmbeddingModel, ErrorKind, Limits, ModelError, ModelInfo, ModelKind, ModelName, Operation,
    RerankModel, ScoreType,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::openai::{OpenAi, OpenAiBuilder};
use crate::rerank::{RerankQuirks, RerankShape};
use crate::transport::{BuildError, TransportOptions};
use crate::{EmbeddingQuirks, EmbeddingShape, Quirks, RawRequest};

/// What a server takes at once unless it is told otherwise (`--max-client-batch-size`).
const BATCH: u32 = 32;

/// A server, which has one model: an embedding model or a rerank model. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tei {
    client: OpenAi,
}

impl Tei {
    /// Begins a server called `name` (the first half of its model's name) at `base_url`, without a path of its own.
    pub fn builder(name: impl Into<String>, base_url: impl Into<String>) -> TeiBuilder {
        let embedding = EmbeddingQuirks {
            shape: EmbeddingShape::Tei,
            batch: Some(BATCH),
            drop: vec!["user".to_owned()],
            ..EmbeddingQuirks::default()
        };
        let rerank = RerankQuirks {
            shape: RerankShape::Tei,
            scores: Some(ScoreType::Probability),
            batch: Some(BATCH),
            ..RerankQuirks::default()
        };
        let quirks = Quirks { embedding, rerank, ..Quirks::default() };
        TeiBuilder { builder: OpenAi::builder(name, base_url).quirks(quirks) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.client.name()
    }

    /// Its embedding model, under any name. Nothing is sent.
    pub fn embedding(&self, model: impl Into<String>) -> Arc<dyn EmbeddingModel> {
        self.client.embedding(model)
    }

    /// Its embedding model, of which more is known, from [`Tei::info`] for instance.
    pub fn embedding_with(&self, info: ModelInfo) -> Arc<dyn EmbeddingModel> {
        self.client.embedding_with(info)
    }

    /// Its rerank model, under any name. Scores are probabilities unless `raw_scores` is asked for in
    /// [`RerankRequest::extra_body`](llm_core::RerankRequest::extra_body). Nothing is sent.
    pub fn rerank(&self, model: impl Into<String>) -> Arc<dyn RerankModel> {
        self.client.rerank(model)
    }

    /// Its rerank model, of which more is known, from [`Tei::info`] for instance.
    pub fn rerank_with(&self, info: ModelInfo) -> Arc<dyn RerankModel> {
        self.client.rerank_with(info)
    }

    /// Asks the server what it serves (`GET /info`). The future borrows nothing; dropping it cancels.
    ///
    /// # Errors
    /// As any call.
    pub fn info(&self) -> BoxFuture<'static, Result<TeiInfo, ModelError>> {
        let answer = self.client.raw(RawRequest::get("info"));
        Box::pin(async move {
            serde_json::from_slice(&answer.await?.body).map_err(|error| {
                let message = "this is no description of a server";
                ModelError::new(ErrorKind::Malformed, Operation::ListModels, message)
                    .with_source(error)
            })
        })
    }
}

/// What a server serves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TeiInfo {
    /// The model.
    pub model_id: String,
    /// `{"embedding": …}`, `{"reranker": …}` or `{"classifier": …}`.
    #[serde(default)]
    pub model_type: Map<String, Value>,
    /// The most tokens of one text.
    #[serde(default)]
    pub max_input_length: Option<u32>,
    /// The most texts of one call.
    #[serde(default)]
    pub max_client_batch_size: Option<u32>,
    /// Whatever else the server tells.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl TeiInfo {
    /// The same in the vocabulary's terms, for the server called `provider`.
    pub fn model_info(&self, provider: &str) -> ModelInfo {
        let is_rerank = self.model_type.contains_key("reranker");
        let kind = if is_rerank { ModelKind::Rerank } else { ModelKind::Embedding };
        let limits = Limits {
            context_tokens: self.max_input_length,
            batch: self.max_client_batch_size,
            ..Limits::default()
        };
        ModelInfo { limits, ..ModelInfo::new(ModelName::new(provider, &self.model_id), kind) }
    }
}

/// Sets up a [`Tei`] server.
#[derive(Debug)]
pub struct TeiBuilder {
    builder: OpenAiBuilder,
}

impl TeiBuilder {
    /// The key, sent as `Authorization: Bearer`.
    pub fn api_key(mut self, key: SecretString) -> Self {
        self.builder = self.builder.api_key(key);
        self
    }

    /// A header for every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Limits and options of its connections.
    pub fn transport(mut self, options: TransportOptions) -> Self {
        self.builder = self.builder.transport(options);
        self
    }

    /// Sets it up. Nothing is sent.
    ///
    /// # Errors
    /// When the base URL, a header or TLS is not in order.
    pub fn build(self) -> Result<Tei, BuildError> {
        Ok(Tei { client: self.builder.build()? })
    }
}
