//! [`OnBehalf`]: a model on behalf of somebody.

use futures::future::BoxFuture;
use llm_core::{ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo};

use crate::call::CallContext;
use crate::guarded::Guarded;

/// A chat model whose calls are made on behalf of a tenant and key, so that their limits hold and records name them.
pub(crate) struct OnBehalf {
    model: Guarded<dyn ChatModel>,
    context: CallContext,
}

impl OnBehalf {
    pub(crate) fn new(model: Guarded<dyn ChatModel>, context: CallContext) -> Self {
        Self { model, context }
    }
}

impl ChatModel for OnBehalf {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.model.ask(request, self.context.clone())
    }
}
