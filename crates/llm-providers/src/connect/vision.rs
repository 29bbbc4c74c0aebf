//! [`SeeingChat`]: a chat model that describes pictures.

use std::sync::Arc;

use futures::future::BoxFuture;
use llm_core::{
    ChatModel, ChatRequest, ChatResponse, Description, Message, ModelError, ModelInfo, ModelKind,
    Part, Role, VisionModel, VisionRequest,
};

/// What is asked when the caller asks nothing.
const PROMPT: &str = "Describe this picture. Give every text in it word for word.";

/// A chat model as one for pictures: one question with one picture, and the text of its answer.
pub(super) struct SeeingChat {
    chat: Arc<dyn ChatModel>,
    info: ModelInfo,
}

impl SeeingChat {
    /// Nothing for a model that is known to take no pictures.
    pub(super) fn new(chat: Arc<dyn ChatModel>) -> Option<Self> {
        let info = ModelInfo { kind: ModelKind::Vision, ..chat.info().clone() };
        (info.capabilities.image_input != Some(false)).then_some(Self { chat, info })
    }
}

impl VisionModel for SeeingChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn describe(
        &self,
        request: VisionRequest,
    ) -> BoxFuture<'static, Result<Description, ModelError>> {
        let prompt = request.prompt.unwrap_or_else(|| PROMPT.to_owned());
        let parts = vec![Part::Image(request.image), Part::text(prompt)];
        let reply = self.chat.chat(ChatRequest {
            extra_body: request.extra_body,
            extra_headers: request.extra_headers,
            ..ChatRequest::new(vec![Message::new(Role::User, parts)])
        });
        Box::pin(async move {
            let answer = ChatResponse::collect(reply.await?).await?;
            Ok(Description { text: answer.text(), usage: answer.usage })
        })
    }
}
