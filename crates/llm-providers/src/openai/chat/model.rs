//! [`OpenAiChat`]: a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};

use super::decoder::ChatDecoder;
use super::request::render_request;
use crate::answer::read_answer;
use crate::openai::errors;
use crate::openai::provider::Shared;
use crate::think::SplitThink;
use crate::transport;

/// A chat model. Made by [`OpenAi::chat`](crate::openai::OpenAi::chat).
pub(crate) struct OpenAiChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl OpenAiChat {
    pub(crate) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl ChatModel for OpenAiChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let reply = ask(&shared, request).await.map_err(|error| named(error, &info))?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

async fn ask(shared: &Shared, request: ChatRequest) -> Result<ChatReply, ModelError> {
    let mut headers = transport::extra_headers(Operation::Chat, &request.extra_headers)?;
    let accept =
        if request.stream { "text/event-stream, application/json" } else { "application/json" };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let is_streamed = request.stream;
    let think_tags = shared.quirks.think_tags_of(&request.model);
    let path = shared.path_for(&request.model, "chat/completions");
    let rendered = render_request(request, &shared.quirks)?;
    let response = shared.post(Operation::Chat, &path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(shared.quirks.clone(), errors::request_id(response.headers()));
    let decoder = SplitThink::new(decoder, think_tags);
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}
