//! [`InvokeChat`]: a chat model that is asked through InvokeModel.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::{ACCEPT, HeaderValue};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, ModelError, ModelInfo, Operation,
    Usage,
};

use super::super::errors;
use super::super::provider::{Host, Shared};
use super::family::InvokeFamily;
use super::native::{NativeDecoder, Whole};
use super::request::render_request;
use super::stream::{InvokeBytes, counted};
use crate::answer::whole;
use crate::stream::reply_of_bytes;
use crate::transport;

/// A chat model. Made by [`Bedrock::invoke_chat`](crate::bedrock::Bedrock::invoke_chat).
pub(in crate::bedrock) struct InvokeChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
    family: Option<InvokeFamily>,
}

impl InvokeChat {
    pub(in crate::bedrock) fn new(
        shared: Arc<Shared>,
        info: ModelInfo,
        family: Option<InvokeFamily>,
    ) -> Self {
        Self { shared, info: Arc::new(info), family }
    }
}

impl ChatModel for InvokeChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, mut request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, info, family) = (self.shared.clone(), self.info.clone(), self.family);
        request.model.clone_from(&info.name.model);
        Box::pin(async move {
            let reply = match family {
                Some(family) => ask(&shared, request, family, info.limits.output_tokens).await,
                None => Err(unknown_family()),
            };
            let reply = reply.map_err(|error| named(error, &info))?;
            Ok(reply.map_source(move |events| events.map_err(move |error| named(error, &info))))
        })
    }
}

fn named(error: ModelError, info: &ModelInfo) -> ModelError {
    error.at_if_unknown(&info.name.provider, &info.name.model)
}

fn unknown_family() -> ModelError {
    let message =
        "its id does not tell how this model is asked; name its family (`invoke_chat_of`)";
    ModelError::new(ErrorKind::Unsupported, Operation::Chat, message)
}

async fn ask(
    shared: &Shared,
    request: ChatRequest,
    family: InvokeFamily,
    output_limit: Option<u32>,
) -> Result<ChatReply, ModelError> {
    let operation = Operation::Chat;
    let mut headers = transport::extra_headers(operation, &request.extra_headers)?;
    let (action, accept) = if request.stream {
        ("invoke-with-response-stream", "application/vnd.amazon.eventstream")
    } else {
        ("invoke", "application/json")
    };
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accept));
    let (model, is_streamed) = (request.model.clone(), request.stream);
    let rendered = render_request(request, family, output_limit)?;
    let body = rendered.body.into();
    let response = shared.ask(operation, &model, action, headers, &body).await?;
    drop(body);

    let first = rendered.warnings.into_iter().map(ChatEvent::Warning).collect();
    let request_id = errors::request_id(response.headers());
    let decoder = NativeDecoder::new(family, request_id.clone(), rendered.answers_by_tool);
    let transport = shared.transport(Host::Runtime);
    if is_streamed {
        let limit = transport.options().max_event_bytes;
        let decoder = InvokeBytes::new(decoder, request_id, limit);
        return Ok(reply_of_bytes(first, transport::body_stream(operation, response), decoder));
    }
    let decoder = Whole { decoder, usage: usage(response.headers()) };
    let body = transport.read_body(operation, response).await?;
    whole(decoder, &body, first)
}

/// The service's own count, out of the headers of a whole answer.
fn usage(headers: &HeaderMap) -> Option<Usage> {
    let count = |name: &str| {
        let name = format!("x-amzn-bedrock-{name}-token-count");
        headers.get(name)?.to_str().ok()?.parse().ok()
    };
    let (input, output) = (count("input"), count("output"));
    let (read, written) = (count("cache-read-input"), count("cache-write-input"));
    (input.is_some() || output.is_some()).then(|| counted(input, output, read, written, None))
}
