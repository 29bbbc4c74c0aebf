//! [`InvokeChat`]: a chat model that is asked through InvokeModel.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ErrorKind, ModelError, ModelInfo, ModelKind,
    Operation, Usage,
};

use super::super::errors;
use super::super::provider::{Bedrock, Host, Shared};
use super::family::InvokeFamily;
use super::native::{NativeDecoder, Whole};
use super::request::render_request;
use super::stream::{InvokeBytes, counted};
use crate::answer::whole;
use crate::stream::reply_of_bytes;
use crate::transport;

/// Where InvokeModel takes what Converse has a field for.
const SERVICE_TIER: HeaderName = HeaderName::from_static("x-amzn-bedrock-service-tier");

/// A chat model. Made by [`Bedrock::invoke_chat`](crate::bedrock::Bedrock::invoke_chat).
struct InvokeChat {
    shared: Arc<Shared>,
    info: Arc<ModelInfo>,
    family: Option<InvokeFamily>,
}

impl InvokeChat {
    fn new(shared: Arc<Shared>, info: ModelInfo, family: Option<InvokeFamily>) -> Self {
        Self { shared, info: Arc::new(info), family }
    }
}

impl Bedrock {
    /// A chat model that is asked through InvokeModel, in its maker's own dialect, where [`Bedrock::chat`] asks through
    /// Converse: for what Converse has no word for, and for policies that allow only this. Nothing is sent.
    ///
    /// The dialect depends on the model's family, which its id tells. An id that does not needs
    /// [`Bedrock::invoke_chat_of`]; without that its calls fail with `Unsupported`.
    pub fn invoke_chat(&self, model: impl Into<String>) -> Arc<dyn ChatModel> {
        self.invoke_chat_with(self.info(model, ModelKind::Chat))
    }

    /// A chat model that is asked through InvokeModel, of which more is known. Its output limit bounds the limit that Claude's
    /// answers get by default.
    pub fn invoke_chat_with(&self, info: ModelInfo) -> Arc<dyn ChatModel> {
        let family = InvokeFamily::of(&info.name.model);
        Arc::new(InvokeChat::new(self.shared.clone(), info, family))
    }

    /// A chat model that is asked through InvokeModel in the dialect of this family. Nothing is sent.
    pub fn invoke_chat_of(
        &self,
        family: InvokeFamily,
        model: impl Into<String>,
    ) -> Arc<dyn ChatModel> {
        let info = self.info(model, ModelKind::Chat);
        Arc::new(InvokeChat::new(self.shared.clone(), info, Some(family)))
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
    if let Some(tier) = &rendered.service_tier {
        headers.insert(SERVICE_TIER, tier_value(tier)?);
    }
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

fn tier_value(tier: &str) -> Result<HeaderValue, ModelError> {
    HeaderValue::try_from(tier).map_err(|_| {
        let message = "the service tier cannot be sent";
        ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message)
            .with_param("service_tier")
    })
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
