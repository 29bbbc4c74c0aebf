//! [`OnBehalf`]: a model on behalf of somebody.

use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatReply, ChatRequest, Description, ModelError, ModelInfo, VisionModel,
    VisionRequest,
};

use crate::call::CallContext;
use crate::guarded::Guarded;
use crate::modality::Modality;

/// A model whose calls are made on behalf of a tenant and key, so that their limits hold and records name them.
pub(crate) struct OnBehalf<M: Modality + ?Sized> {
    model: Guarded<M>,
    context: CallContext,
}

impl<M: Modality + ?Sized> OnBehalf<M> {
    pub(crate) fn new(model: Guarded<M>, context: CallContext) -> Self {
        Self { model, context }
    }
}

impl ChatModel for OnBehalf<dyn ChatModel> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.model.ask(request, self.context.clone())
    }
}

impl VisionModel for OnBehalf<dyn VisionModel> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn describe(
        &self,
        request: VisionRequest,
    ) -> BoxFuture<'static, Result<Description, ModelError>> {
        self.model.ask_whole(request, self.context.clone())
    }
}
