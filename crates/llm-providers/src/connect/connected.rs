//! [`Connected`]: a client as its row and its customer want it.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatReply, ChatRequest, EmbeddingModel, EmbeddingRequest, EmbeddingResponse, Extra,
    ModelError, ModelInfo, ModelSource, RerankModel, SpeechModel, TranscriptionModel,
};

use crate::catalogue::ProviderEntry;

/// A client whose models are named, and asked, as the row and the customer want.
pub(super) struct Connected {
    client: Arc<dyn ModelSource>,
    body: Arc<Extra>,
    /// Asked in place of any other.
    model: Option<String>,
    /// Where the part of a name begins that is not sent.
    suffix: Option<String>,
}

impl Connected {
    pub(super) fn new(
        client: Arc<dyn ModelSource>,
        entry: &ProviderEntry,
        body: Extra,
        model: Option<String>,
    ) -> Self {
        Self { client, body: Arc::new(body), model, suffix: entry.quirks.model_suffix.clone() }
    }

    /// The name that the provider knows.
    fn sent<'a>(&'a self, model: &'a str) -> &'a str {
        let split = self.suffix.as_deref().and_then(|suffix| model.split_once(suffix));
        let named = split.map_or(model, |(name, _)| name);
        self.model.as_deref().unwrap_or(named)
    }

    fn with_body<M: ?Sized>(&self, model: Arc<M>) -> WithBody<M> {
        WithBody { model, body: self.body.clone() }
    }
}

impl ModelSource for Connected {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        let chat = self.client.chat(self.sent(model))?;
        Some(if self.body.is_empty() { chat } else { Arc::new(self.with_body(chat)) })
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        let embedding = self.client.embedding(self.sent(model))?;
        Some(if self.body.is_empty() { embedding } else { Arc::new(self.with_body(embedding)) })
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        self.client.rerank(self.sent(model))
    }

    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        self.client.speech(self.sent(model))
    }

    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        self.client.transcription(self.sent(model))
    }

    fn list(&self) -> Vec<ModelInfo> {
        self.client.list()
    }

    fn model_names(&self) -> BoxFuture<'static, Result<Vec<String>, ModelError>> {
        self.client.model_names()
    }
}

/// A model that is asked with further fields.
struct WithBody<M: ?Sized> {
    model: Arc<M>,
    body: Arc<Extra>,
}

impl<M: ?Sized> WithBody<M> {
    /// What the request says itself stays.
    fn add_to(&self, body: &mut Extra) {
        for (name, value) in &*self.body {
            body.entry(name).or_insert_with(|| value.clone());
        }
    }
}

impl ChatModel for WithBody<dyn ChatModel> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.add_to(&mut request.extra_body);
        self.model.chat(request)
    }
}

impl EmbeddingModel for WithBody<dyn EmbeddingModel> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn embed(
        &self,
        mut request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.add_to(&mut request.extra_body);
        self.model.embed(request)
    }
}
