//! [`GeminiChat`]: a chat model of a provider that speaks this dialect.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, HeaderValue};
use llm_core::{ChatEvent, ChatModel, ChatReply, ChatRequest, ModelError, ModelInfo, Operation};

use super::decoder::ChatDecoder;
use super::errors;
use super::provider::Shared;
use super::request::render_request;
use crate::answer::read_answer;
use crate::transport;

/// A chat model. Made by [`Gemini::chat`](super::Gemini::chat).
pub(super) struct GeminiChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
}

impl GeminiChat {
    pub(super) fn new(shared: Arc<Shared>, info: ModelInfo) -> Self {
        Self { shared, info: Arc::new(info) }
    }
}

impl ChatModel for GeminiChat {
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
    const OPERATION: Operation = Operation::Chat;
    let mut headers = transport::extra_headers(OPERATION, &request.extra_headers)?;
    let (method, accept) = match request.stream {
        true => ("streamGenerateContent", "text/event-stream, application/json"),
        false => ("generateContent", "application/json"),
    };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let (is_streamed, model) = (request.stream, request.model.clone());
    let rendered = render_request(request, shared.service)?;
    let response = shared.call(OPERATION, &model, method, headers, &rendered.body).await?;
    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let decoder = ChatDecoder::new(errors::request_id(response.headers()));
    // Servers that do not know `alt=sse` answer with an array of chunks, which is read whole.
    read_answer(&shared.transport, response, first, is_streamed, decoder).await
}
