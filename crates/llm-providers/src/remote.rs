//! [`Remote`]: a model behind a provider's API, of any kind and dialect.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatReply, ChatRequest, EmbeddingModel, EmbeddingRequest, EmbeddingResponse,
    ModelError, ModelInfo, RerankModel, RerankRequest, RerankResponse, SpeechModel, SpeechReply,
    SpeechRequest, Transcript, TranscriptionModel, TranscriptionRequest,
};

use crate::asking::asking;

type Ask<Q, R> = dyn Fn(Q) -> BoxFuture<'static, Result<R, ModelError>> + Send + Sync;

/// A model that is asked by a function. Requests go out under the model's own name, and failures that do not say whose
/// they are get its name.
pub(crate) struct Remote<Q, R> {
    info: Arc<ModelInfo>,
    ask: Box<Ask<Q, R>>,
}

impl<Q: Addressed, R: Send + 'static> Remote<Q, R> {
    /// The model that `info` describes. Dropping the future that `ask` gives must cancel the call.
    pub(crate) fn new<F>(info: ModelInfo, ask: impl Fn(Q) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<R, ModelError>> + Send + 'static,
    {
        let ask = move |request| -> BoxFuture<'static, _> { Box::pin(ask(request)) };
        Self { info: Arc::new(info), ask: Box::new(ask) }
    }

    /// The same, asked by a function of what all models of an instance share.
    pub(crate) fn over<S, F>(
        shared: &Arc<S>,
        info: ModelInfo,
        ask: impl Fn(Arc<S>, Q) -> F + Send + Sync + 'static,
    ) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<R, ModelError>> + Send + 'static,
    {
        let shared = shared.clone();
        Self::new(info, move |request| ask(shared.clone(), request))
    }

    fn call(&self, mut request: Q) -> BoxFuture<'static, Result<R, ModelError>> {
        request.model_mut().clone_from(&self.info.name.model);
        let (info, answer) = (self.info.clone(), (self.ask)(request));
        let answer = asking(self.info.clone(), answer);
        Box::pin(async move { answer.await.map_err(|error| named(error, &info)) })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

/// A request that names its model.
pub(crate) trait Addressed: Send + 'static {
    fn model_mut(&mut self) -> &mut String;
}

macro_rules! addressed {
    ($($request:ty),+) => {
        $(impl Addressed for $request {
            fn model_mut(&mut self) -> &mut String {
                &mut self.model
            }
        })+
    };
}

addressed!(ChatRequest, EmbeddingRequest, RerankRequest, SpeechRequest, TranscriptionRequest);

impl ChatModel for Remote<ChatRequest, ChatReply> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (info, answer) = (self.info.clone(), self.call(request));
        Box::pin(async move {
            let reply = answer.await?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

impl EmbeddingModel for Remote<EmbeddingRequest, EmbeddingResponse> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn embed(
        &self,
        request: EmbeddingRequest,
    ) -> BoxFuture<'static, Result<EmbeddingResponse, ModelError>> {
        self.call(request)
    }
}

impl RerankModel for Remote<RerankRequest, RerankResponse> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn rerank(
        &self,
        request: RerankRequest,
    ) -> BoxFuture<'static, Result<RerankResponse, ModelError>> {
        self.call(request)
    }
}

impl SpeechModel for Remote<SpeechRequest, SpeechReply> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn speak(&self, request: SpeechRequest) -> BoxFuture<'static, Result<SpeechReply, ModelError>> {
        let (info, answer) = (self.info.clone(), self.call(request));
        Box::pin(async move {
            let reply = answer.await?;
            Ok(reply.map_source(move |sound| sound.map_err(move |error| named(error, &info))))
        })
    }
}

impl TranscriptionModel for Remote<TranscriptionRequest, Transcript> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn transcribe(
        &self,
        request: TranscriptionRequest,
    ) -> BoxFuture<'static, Result<Transcript, ModelError>> {
        self.call(request)
    }
}
