//! [`AnthropicChat`]: a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};

use super::decoder::MessageDecoder;
use super::errors;
use super::provider::Shared;
use super::request::{Target, render_request};
use crate::answer::read_answer;
use crate::transport;

/// A chat model. Made by [`Anthropic::chat`](super::Anthropic::chat).
pub(super) struct AnthropicChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl AnthropicChat {
    pub(super) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl ChatModel for AnthropicChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, info) = (self.shared.clone(), self.info.clone());
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let target = shared.target(info.limits.output_tokens);
            let reply =
                ask(&shared, request, &target).await.map_err(|error| named(error, &info))?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

async fn ask(
    shared: &Shared,
    request: ChatRequest,
    target: &Target,
) -> Result<ChatReply, ModelError> {
    let mut headers = transport::extra_headers(Operation::Chat, &request.extra_headers)?;
    let is_streamed = request.stream;
    let accept =
        if is_streamed { "text/event-stream, application/json" } else { "application/json" };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let path = shared.surface().path(&request.model, is_streamed);
    let rendered = render_request(request, target)?;
    shared.add_betas(&mut headers, &rendered.betas);
    let response = shared.post(Operation::Chat, &path, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = MessageDecoder::new(errors::request_id(response.headers()));
    read_answer(shared.transport(), response, first, is_streamed, decoder).await
}
