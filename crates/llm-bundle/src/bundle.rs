//! [`Bundle`]: the one handle that callers hold.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatReply, ChatRequest, ChatResponse, Description, EmbeddingModel, EmbeddingRequest,
    EmbeddingResponse, ErrorKind, ModelError, ModelKind, Operation, RerankModel, RerankRequest,
    RerankResponse, SpeechModel, SpeechReply, SpeechRequest, Transcript, TranscriptionModel,
    TranscriptionRequest, VisionModel, VisionRequest,
};

use service_guards::Priority;

use crate::cache::CacheUse;
use crate::call::{CallContext, ModelScope, Trail};
use crate::embedder::Embedder;
use crate::guarded::Guarded;
use crate::modality::{Asking, Registered};
use crate::on_behalf::OnBehalf;
use crate::quota::Limits;
use crate::registry::Registry;
use crate::reranker::Reranker;
use crate::tools::{ToolChat, ToolSet};

/// Which model serves a request that names none, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Defaults {
    pub chat: Option<String>,
    pub embedding: Option<String>,
    pub rerank: Option<String>,
    pub speech: Option<String>,
    pub transcription: Option<String>,
    pub vision: Option<String>,
}

impl Defaults {
    /// The default of this kind.
    pub fn of(&self, kind: ModelKind) -> Option<&str> {
        match kind {
            ModelKind::Chat => self.chat.as_deref(),
            ModelKind::Embedding => self.embedding.as_deref(),
            ModelKind::Rerank => self.rerank.as_deref(),
            ModelKind::Speech => self.speech.as_deref(),
            ModelKind::Transcription => self.transcription.as_deref(),
            ModelKind::Vision => self.vision.as_deref(),
        }
    }
}

/// All models, for one tenant. Cheap to clone. A request's `model` is a name of the [`Registry`] or empty for the
/// default of its kind; whether the model is async or synchronous makes no difference.
///
/// Every future and reply cancels its call when dropped, and every call ends as one
/// [`CallRecord`](crate::CallRecord).
///
/// # Errors
/// All methods: [`ErrorKind::NotFound`] for an unknown name, [`ErrorKind::InvalidRequest`] when no model is named and
/// there is no default, and the errors of [`Guarded::ask`].
#[derive(Clone, Debug)]
pub struct Bundle {
    registry: Registry,
    defaults: Arc<Defaults>,
    context: CallContext,
}

impl Bundle {
    /// The models of this registry, on nobody's behalf and without defaults.
    pub fn new(registry: Registry) -> Self {
        Self { registry, defaults: Arc::default(), context: CallContext::default() }
    }

    /// The same with these defaults.
    pub fn with_defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = Arc::new(defaults);
        self
    }

    /// The same on behalf of a tenant, whom its records will name.
    pub fn for_tenant(mut self, tenant: impl Into<Arc<str>>) -> Self {
        self.context.tenant = Some(tenant.into());
        self
    }

    /// The same with an API key, by its id, which its records will name and whose limits hold.
    pub fn for_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.context.key = Some(key.into());
        self
    }

    /// The same with these limits of the key, in place of those that keys have in the [`Quotas`](crate::Quotas).
    pub fn with_key_limits(mut self, limits: Arc<Limits>) -> Self {
        self.context.key_limits = Some(limits);
        self
    }

    /// The same for a caller who may ask only for models of these names, or names of routes; others are to it as if they
    /// did not exist.
    pub fn only_models(mut self, scope: ModelScope) -> Self {
        self.context.models = Some(scope);
        self
    }

    /// The same for names that the caller did not choose: any model.
    pub fn with_all_models(mut self) -> Self {
        self.context.models = None;
        self
    }

    /// The same for calls of this priority: where places are short, interactive calls go first.
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.context.priority = priority;
        self
    }

    /// The same with a trail that tells where its calls have been: which target answered, after how many attempts, or
    /// whether the answer was there already.
    pub fn with_trail(mut self, trail: Arc<Trail>) -> Self {
        self.context.trail = Some(trail);
        self
    }

    /// The trail of its calls, if it has one.
    pub fn trail(&self) -> Option<&Arc<Trail>> {
        self.context.trail.as_ref()
    }

    /// The same for calls that use the cache in this way.
    pub fn with_cache(mut self, cache: CacheUse) -> Self {
        self.context.cache = cache;
        self
    }

    /// The same for calls that only these providers may see, and models that run in this process (whose provider is
    /// `local`). Others are never asked, not as another target of a route either; where none is left, the call fails with
    /// [`ErrorKind::InvalidRequest`].
    pub fn only_providers(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.context.providers = Some(Arc::new(names.into_iter().collect()));
        self
    }

    /// The models behind it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The defaults.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Asks, and waits for the whole answer.
    #[allow(clippy::missing_errors_doc)]
    pub fn chat(
        &self,
        mut request: ChatRequest,
    ) -> BoxFuture<'static, Result<ChatResponse, ModelError>> {
        request.stream = false;
        let reply = self.chat_reply(request);
        Box::pin(async move { ChatResponse::collect(reply.await?).await })
    }

    /// Asks for a stream of events. Resolves when the first one is there.
    #[allow(clippy::missing_errors_doc)]
    pub fn chat_stream(
        &self,
        mut request: ChatRequest,
    ) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        request.stream = true;
        self.chat_reply(request)
    }

    /// Asks as the request says, streamed or in one piece.
    pub(crate) fn chat_reply(
        &self,
        request: ChatRequest,
    ) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.ask::<dyn ChatModel>(&request.model.clone(), request)
    }

    /// The same with tools at hand, which are run when a model asks for them; see [`tools`](crate::tools).
    pub fn with_tools(&self, tools: ToolSet) -> ToolChat {
        ToolChat::new(self.clone(), tools)
    }

    /// The chat model of this name, empty for the default, to be used as a [`ChatModel`].
    #[allow(clippy::missing_errors_doc)]
    pub fn chat_model(&self, model: &str) -> Result<Arc<dyn ChatModel>, ModelError> {
        let model: Guarded<dyn ChatModel> = self.resolve(model)?;
        Ok(Arc::new(OnBehalf::new(model, self.context.clone())))
    }

    /// Embeds any number of texts, blank and over-long ones too; see [`Embedder`].
    #[allow(clippy::missing_errors_doc)]
    pub async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, ModelError> {
        self.embedder(&request.model)?.embed(request).await
    }

    /// Embeds one question. `model` may be empty for the default.
    #[allow(clippy::missing_errors_doc)]
    pub async fn embed_query(
        &self,
        model: &str,
        question: impl Into<String>,
    ) -> Result<Vec<f32>, ModelError> {
        let response = self.embedder(model)?.embed(EmbeddingRequest::query(question)).await?;
        response.vectors.into_iter().next().ok_or_else(|| {
            ModelError::new(ErrorKind::Malformed, Operation::Embed, "no vector came")
        })
    }

    /// The embedding model of this name, empty for the default, to be used as an [`EmbeddingModel`]: for a
    /// [`Blocking`](crate::Blocking) caller, say.
    #[allow(clippy::missing_errors_doc)]
    pub fn embedder(&self, model: &str) -> Result<Embedder, ModelError> {
        Ok(Embedder::new(self.resolve(model)?, self.context.clone()))
    }

    /// Scores any number of passages; see [`Reranker`].
    #[allow(clippy::missing_errors_doc)]
    pub async fn rerank(&self, request: RerankRequest) -> Result<RerankResponse, ModelError> {
        self.reranker(&request.model)?.rerank(request).await
    }

    /// The rerank model of this name, empty for the default, to be used as a [`RerankModel`].
    #[allow(clippy::missing_errors_doc)]
    pub fn reranker(&self, model: &str) -> Result<Reranker, ModelError> {
        Ok(Reranker::new(self.resolve(model)?, self.context.clone()))
    }

    /// Speaks. Resolves when sound begins to arrive.
    #[allow(clippy::missing_errors_doc)]
    pub fn speak(
        &self,
        request: SpeechRequest,
    ) -> BoxFuture<'static, Result<SpeechReply, ModelError>> {
        self.ask::<dyn SpeechModel>(&request.model.clone(), request)
    }

    /// Transcribes sound.
    #[allow(clippy::missing_errors_doc)]
    pub fn transcribe(
        &self,
        request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<Transcript, ModelError>> {
        self.ask_whole::<dyn TranscriptionModel>(&request.model.clone(), request)
    }

    /// Describes a picture.
    #[allow(clippy::missing_errors_doc)]
    pub fn describe(
        &self,
        request: VisionRequest,
    ) -> BoxFuture<'static, Result<Description, ModelError>> {
        self.ask_whole::<dyn VisionModel>(&request.model.clone(), request)
    }

    /// The vision model of this name, empty for the default, to be used as a [`VisionModel`].
    #[allow(clippy::missing_errors_doc)]
    pub fn vision_model(&self, model: &str) -> Result<Arc<dyn VisionModel>, ModelError> {
        let model: Guarded<dyn VisionModel> = self.resolve(model)?;
        Ok(Arc::new(OnBehalf::new(model, self.context.clone())))
    }

    // The futures are boxed here, where the kind of model is known: held across an `await` of an opaque future, a
    // `Guarded<dyn …>` keeps that future from being seen as `Send`.
    fn ask<M: Registered + ?Sized>(&self, name: &str, request: M::Request) -> Asking<M::Event> {
        match self.resolve::<M>(name) {
            Ok(model) => model.ask(request, self.context.clone()),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn ask_whole<M: Registered + ?Sized>(
        &self,
        name: &str,
        request: M::Request,
    ) -> BoxFuture<'static, Result<M::Event, ModelError>> {
        match self.resolve::<M>(name) {
            Ok(model) => model.ask_whole(request, self.context.clone()),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// The model of this name or, if it is empty, the default of its kind.
    fn resolve<M: Registered + ?Sized>(&self, name: &str) -> Result<Guarded<M>, ModelError> {
        let name = match name {
            "" => self.defaults.of(M::KIND).ok_or_else(|| {
                let kind = M::KIND.as_str();
                let message =
                    format!("the request names no model, and there is no default {kind} model");
                ModelError::new(ErrorKind::InvalidRequest, M::OPERATION, message)
                    .with_param("model")
            })?,
            name => name,
        };
        if self.context.models.as_ref().is_some_and(|scope| !scope.allows(name)) {
            let message = "this key may not ask for that model; GET /v1/models lists those it may";
            let error = ModelError::new(ErrorKind::Permission, M::OPERATION, message);
            return Err(error.with_param("model"));
        }
        self.registry.resolve(name)
    }
}
