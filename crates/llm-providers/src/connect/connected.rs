//! [`Connected`]: a client as its row and its customer want it.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatReply, ChatRequest, EmbeddingModel, EmbeddingRequest, EmbeddingResponse, Extra,
    ModelError, ModelInfo, ModelKind, ModelName, ModelSource, RerankModel, SpeechModel,
    SpeechReply, SpeechRequest, TranscriptionModel, VisionModel,
};

use super::client::Client;
use super::vision::SeeingChat;
use crate::ModelCatalogue;
use crate::catalogue::ProviderEntry;

/// A client whose models are named, asked and known as the row and the customer want.
pub(super) struct Connected {
    client: Arc<dyn Client>,
    body: Arc<Extra>,
    /// Asked in place of any other.
    model: Option<String>,
    /// Where the part of a name begins that is not sent.
    suffix: Option<String>,
    /// Whose models these are.
    provider: String,
    name: String,
    models: Option<Arc<ModelCatalogue>>,
    listed: OnceLock<Vec<ModelInfo>>,
}

impl Connected {
    pub(super) fn new(
        client: Arc<dyn Client>,
        entry: &ProviderEntry,
        body: Extra,
        model: Option<String>,
        models: Option<Arc<ModelCatalogue>>,
    ) -> Self {
        Self {
            client,
            body: Arc::new(body),
            model,
            suffix: entry.quirks.model_suffix.clone(),
            provider: entry.known_as.clone().unwrap_or_else(|| entry.name.clone()),
            name: entry.name.clone(),
            models,
            listed: OnceLock::new(),
        }
    }

    /// The name that the provider knows.
    fn sent<'a>(&'a self, model: &'a str) -> &'a str {
        self.model.as_deref().unwrap_or_else(|| self.plain(model))
    }

    /// The name without what others add to it.
    fn plain<'a>(&self, model: &'a str) -> &'a str {
        let split = self.suffix.as_deref().and_then(|suffix| model.split_once(suffix));
        split.map_or(model, |(name, _)| name)
    }

    /// What the client says of a model, and what is known of it besides.
    fn informed(&self, told: &ModelInfo, model: &str) -> ModelInfo {
        let (mut info, model) = (told.clone(), self.plain(model));
        // What the operator says of an instance goes before what is known of its provider.
        for provider in [&self.name, &self.provider] {
            let known = self.models().find(provider, model);
            if let Some(known) = known.filter(|known| known.kind == info.kind) {
                info.complete_from(&known);
            }
        }
        info
    }

    fn models(&self) -> &ModelCatalogue {
        self.models.as_deref().unwrap_or_else(|| ModelCatalogue::built_in())
    }

    /// The models that the list names, of the kinds that the client makes.
    fn all(&self) -> Vec<ModelInfo> {
        let own = self.models().of_provider(&self.name);
        let same = self.models().of_provider(&self.provider).filter(|_| self.provider != self.name);
        let known = own.chain(same).filter_map(|info| {
            let name = &info.name.model;
            let made = match info.kind {
                ModelKind::Chat => self.chat(name)?.info().clone(),
                ModelKind::Embedding => self.embedding(name)?.info().clone(),
                ModelKind::Rerank => self.rerank(name)?.info().clone(),
                ModelKind::Speech => self.speech(name)?.info().clone(),
                ModelKind::Transcription => self.transcription(name)?.info().clone(),
                ModelKind::Vision => return None,
            };
            Some(ModelInfo { name: ModelName::new(&self.name, name), ..made })
        });
        known.collect()
    }

    fn with_body<M: ?Sized>(&self, model: Arc<M>) -> WithBody<M> {
        WithBody { model, body: self.body.clone() }
    }
}

impl ModelSource for Connected {
    fn chat(&self, model: &str) -> Option<Arc<dyn ChatModel>> {
        let chat = self.client.chat(self.sent(model))?;
        let chat = self.client.chat_with(self.informed(chat.info(), model))?;
        Some(if self.body.is_empty() { chat } else { Arc::new(self.with_body(chat)) })
    }

    fn embedding(&self, model: &str) -> Option<Arc<dyn EmbeddingModel>> {
        let embedding = self.client.embedding(self.sent(model))?;
        let embedding = self.client.embedding_with(self.informed(embedding.info(), model))?;
        Some(if self.body.is_empty() { embedding } else { Arc::new(self.with_body(embedding)) })
    }

    fn rerank(&self, model: &str) -> Option<Arc<dyn RerankModel>> {
        let rerank = self.client.rerank(self.sent(model))?;
        self.client.rerank_with(self.informed(rerank.info(), model))
    }

    fn speech(&self, model: &str) -> Option<Arc<dyn SpeechModel>> {
        let speech = self.client.speech(self.sent(model))?;
        let speech = self.client.speech_with(self.informed(speech.info(), model))?;
        Some(if self.body.is_empty() { speech } else { Arc::new(self.with_body(speech)) })
    }

    fn transcription(&self, model: &str) -> Option<Arc<dyn TranscriptionModel>> {
        let transcription = self.client.transcription(self.sent(model))?;
        self.client.transcription_with(self.informed(transcription.info(), model))
    }

    fn vision(&self, model: &str) -> Option<Arc<dyn VisionModel>> {
        Some(Arc::new(SeeingChat::new(self.chat(model)?)?))
    }

    fn list(&self) -> Vec<ModelInfo> {
        self.listed.get_or_init(|| self.all()).clone()
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

impl SpeechModel for WithBody<dyn SpeechModel> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn speak(
        &self,
        mut request: SpeechRequest,
    ) -> BoxFuture<'static, Result<SpeechReply, ModelError>> {
        self.add_to(&mut request.extra_body);
        self.model.speak(request)
    }
}
